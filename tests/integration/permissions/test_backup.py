"""A backup has all that there is, or a sentence says what is in the way."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapterd.home import HOME_VARIABLE, Home
from adapterd.store import Store
from tests.support.without_rights import without_rights

ADAPTERCTL = Path(sys.executable).parent / "adapterctl"


@pytest.mark.parametrize("what", ["feedback/m", "feedback/m/a.jsonl", "models/m/1.0.0", "runs/r1"])
def test_what_cannot_be_read_is_not_left_out_silently(home: Home, tmp_path: Path, what: str) -> None:
    Store(home.database).close()
    for file in (
        home.inbox("m") / "a.jsonl",
        home.version("m", "1.0.0") / "lineage.json",
        home.run("r1") / "plan.json",
    ):
        file.parent.mkdir(parents=True)
        file.write_text("{}")
    home.config_file.write_text("")
    barred = home.root / what
    barred.chmod(0)
    try:
        done = subprocess.run(
            without_rights(ADAPTERCTL, "backup", tmp_path / "b.tar.gz"),
            env={**os.environ, HOME_VARIABLE: str(home.root), "COLUMNS": "200"},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
    finally:
        barred.chmod(0o700)
    assert (done.returncode, str(barred) in done.stderr) == (1, True), done
    assert "Permission denied" in done.stderr
    assert not (tmp_path / "b.tar.gz").exists()
