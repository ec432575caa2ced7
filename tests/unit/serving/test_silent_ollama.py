"""An Ollama that takes connections and never answers keeps nobody waiting who asks what is answered at once."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from adapterctl.main import cli
from adapterd.base.modelfile import Modelfile
from adapterd.deployment.deploy import INIT
from adapterd.errors import RuntimeUnavailableError
from adapterd.home import HOME_VARIABLE, Home
from adapterd.serving import connection
from adapterd.serving.ollama import OllamaRuntime
from adapterd.store import Store
from adapterd.store.versions import PROMOTE
from tests.support.silent_server import silent_server

AT_ONCE: dict[str, Callable[[OllamaRuntime, Path], Any]] = {
    "version": lambda runtime, _: runtime.version(),
    "tags": lambda runtime, _: runtime.tags(),
    "loaded": lambda runtime, _: runtime.loaded(),
    "show": lambda runtime, _: runtime.show("m:1"),
    "copy": lambda runtime, _: runtime.copy("m:1", "m:2"),
    "unload": lambda runtime, _: runtime.unload("m:1"),
    "delete": lambda runtime, _: runtime.delete("m:1"),
    "create": lambda runtime, file: runtime.create("m:1", file, "sha256:" + "0" * 64, Modelfile()),
}
"""What begins with a question that is answered at once, or is one."""
SAID = r"Ollama at {} takes connections, but did not answer within 0\.05 s"


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that never answers; what is quick is given up soon, so that no test waits for it."""
    monkeypatch.setattr(connection, "QUICK_TIMEOUT_S", 0.05)
    with silent_server() as address:
        yield address


@pytest.fixture
def silent_home(tmp_path: Path, silent: str, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home whose model had two versions live, and whose Ollama hangs."""
    home = Home(tmp_path / "home")
    home.create()
    monkeypatch.setenv(HOME_VARIABLE, str(home.root))
    home.inbox("m").mkdir(parents=True)
    home.config_file.write_text(
        f'ollama.host = "{silent}"\n[models.m]\nbase = "tiny:1"\nbase_digest = "sha256:b"\n', encoding="utf-8"
    )
    with Store(home.database) as store:
        store.versions.deploy("m", INIT, live="base", live_digest="d0")
        store.versions.add("m", "1.0.0", run_id="r", digest="d1", base_digest="sha256:b")
        store.versions.deploy("m", PROMOTE, live="1.0.0", live_digest="d1", previous="base", previous_digest="d0")
    return home


def give(*words: str) -> Result:
    return CliRunner().invoke(cli, words, catch_exceptions=False, standalone_mode=False)


@pytest.mark.parametrize("operation", AT_ONCE.values(), ids=list(AT_ONCE))
def test_what_is_answered_at_once_is_not_waited_for_as_long_as_a_model(
    operation: Callable[..., Any], silent: str, tmp_path: Path
) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    with pytest.raises(RuntimeUnavailableError, match=SAID.format(silent)) as caught:
        operation(OllamaRuntime(silent), file)
    assert "start Ollama anew" in caught.value.hint
    assert "timeout_s" not in caught.value.hint


def test_loading_a_model_has_all_the_time_that_is_configured(silent: str) -> None:
    with pytest.raises(RuntimeUnavailableError, match=r"did not answer within 0\.2 s") as caught:
        OllamaRuntime(silent, timeout_s=0.2).load("m:1")
    assert "timeout_s" in caught.value.hint


def test_status_says_that_ollama_hangs_and_everything_else(silent_home: Home, silent: str) -> None:
    found = json.loads(give("status", "--json").stdout)
    assert found["runtime"]["version"] is None
    assert f"Ollama at {silent} takes connections, but did not answer" in found["runtime"]["fault"]
    assert [model["live"] for model in found["models"]] == ["1.0.0"]


def test_doctor_says_that_ollama_hangs(silent_home: Home, silent: str) -> None:
    checks = json.loads(give("doctor", "--json").stdout)
    (runtime,) = [check for check in checks if check["what"] == "runtime"]
    assert runtime["level"] == "fault"
    assert f"Ollama at {silent} takes connections, but did not answer" in runtime["detail"]


def test_a_rollback_gives_up_and_changes_nothing(silent_home: Home, silent: str) -> None:
    with pytest.raises(RuntimeUnavailableError, match=SAID.format(silent)):
        give("rollback")
    with Store(silent_home.database) as store:
        live = store.versions.deployment("m")
        assert live is not None
        assert live.live == "1.0.0"
        assert store.versions.begun_intents("m") == []
