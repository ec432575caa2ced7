"""A base whose bytes rotted in the store is noticed by doctor, and before anything is trained on it."""

from pathlib import Path

import pytest

from adapterd.config import RuntimeKind, Settings
from adapterd.deployment.create_model import NewModel, create_model
from adapterd.errors import InputError
from adapterd.home import Home
from adapterd.insight.doctor import run_checks
from adapterd.runs.pipeline import Pipeline
from adapterd.serving.runtimes import pinned_base, runtime_for
from adapterd.store import Store
from tests.support.tiny_gguf import write_tiny_gguf

TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"


def test_doctor_and_a_run_notice_it(home: Home, store: Store, tmp_path: Path) -> None:
    base = write_tiny_gguf(tmp_path / "base.gguf", layers=1, metadata={"tokenizer.chat_template": TEMPLATE})
    general = Settings(runtime=RuntimeKind.EMBEDDED)
    made = create_model(home, general, NewModel("m", str(base)))
    blob = pinned_base(runtime_for(general, home), "m", made, home).gguf
    assert not [check for check in run_checks(home) if check.what == "m" and check.level == "fault"]
    content = blob.read_bytes()
    blob.chmod(0o600)
    blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (fault,) = [check for check in run_checks(home) if check.what == "m" and check.level == "fault"]
    assert f"{blob}, the file of " in fault.detail
    assert "is damaged: its bytes are sha256:" in fault.detail
    with pytest.raises(InputError, match="is damaged"):
        Pipeline(store, home, Settings(runtime=RuntimeKind.EMBEDDED, models={"m": made})).run("m", "asked for by hand")
    assert store.runs.latest("m") is None
    blob.write_bytes(content)
    assert not [check for check in run_checks(home) if check.what == "m" and check.level == "fault"]
