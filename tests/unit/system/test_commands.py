"""Commands of the system, run to their end."""

import sys
from pathlib import Path

import pytest

from adapterd.errors import AdapterdError
from adapterd.system import commands
from adapterd.system.commands import Completed, run_command


def test_a_command_returns_its_output() -> None:
    code = "import sys; print('out'); print('érr', file=sys.stderr); sys.exit(4)"

    assert run_command([sys.executable, "-X", "utf8", "-c", code]) == Completed(4, "out\n", "érr\n")


def test_bytes_that_are_not_text_do_no_harm() -> None:
    code = "import sys; sys.stdout.buffer.write(b'a\\xffb')"

    assert run_command([sys.executable, "-c", code]).stdout == "a\ufffdb"


def test_a_missing_command_is_told(tmp_path: Path) -> None:
    with pytest.raises(AdapterdError, match="systemctl cannot be run: No such file") as caught:
        run_command([str(tmp_path / "systemctl")])

    assert "foreground" in caught.value.hint


def test_a_command_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "TIMEOUT_S", 0.05)
    with pytest.raises(AdapterdError, match=r"did not end within 0\.05 s"):
        run_command([sys.executable, "-c", "import time; time.sleep(30)"])


@pytest.mark.parametrize(
    ("done", "message"),
    [
        (Completed(1, "said\n", " failed\n"), "failed"),
        (Completed(1, "said\n"), "said"),
        (Completed(9), "exit status 9"),
    ],
)
def test_the_message_is_what_the_command_complained_of(done: Completed, message: str) -> None:
    assert done.message == message
