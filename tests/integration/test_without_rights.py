"""Commands of tests meet permissions, whoever runs the tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.real_ollama import ROOT
from tests.support.without_rights import SOMEBODY_ELSE, cannot_be_had, give_away, without_rights


def test_a_file_that_nobody_may_read_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("secret")
    (tmp_path / "file").chmod(0)
    done = subprocess.run(without_rights("cat", tmp_path / "file"), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Permission denied" in done.stderr


def test_own_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("own")
    assert subprocess.run(without_rights("cat", tmp_path / "file"), capture_output=True, check=True).stdout == b"own"


def test_what_was_given_away_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("theirs")
    (tmp_path / "file").chmod(0o600)
    give_away(tmp_path / "file")
    assert (tmp_path / "file").stat().st_uid == SOMEBODY_ELSE
    done = subprocess.run(without_rights("cat", tmp_path / "file"), capture_output=True, text=True, check=False)
    assert "Permission denied" in done.stderr


def test_where_root_cannot_give_its_rights_up_a_sentence_says_so() -> None:
    """A container may forbid what `setpriv` does; then it is said, and the rest of the checks goes on."""
    if os.geteuid() != 0 or cannot_be_had():
        pytest.skip("only for root, where setpriv works")
    argv = [sys.executable, "-m", "tests.support.as_user", "tests/unit/test_hours.py"]
    forbidden = ["setpriv", "--bounding-set=-setpcap,-setuid,-setgid", *argv]
    done = subprocess.run(
        forbidden, capture_output=True, text=True, check=False, timeout=120, cwd=ROOT,
        env={**os.environ, "PYTHONSAFEPATH": ""},
    )  # fmt: skip
    assert (done.returncode, "no test ran as a user without rights: " in done.stderr) == (0, True), done
