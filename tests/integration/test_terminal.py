"""Commands in a real terminal, and where the output's encoding knows few signs."""

import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapterd.chat import Message, Role
from adapterd.home import HOME_VARIABLE, Home
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.feedback import NewFeedback
from tests.support.foreign_text import HOSTILE, acts

ADAPTERCTL = Path(sys.executable).parent / "adapterctl"
CONFIG = '[models.m]\nbase = "t:1"\nbase_digest = "sha256:00"\n[ollama]\nhost = "http://127.0.0.1:9"\n'
BARS = re.compile(r"\r?(\x1b\[(2K|1A|\?25[lh]))+")
"""How bars of ours are drawn anew: one line up, clear it, no cursor meanwhile."""
ALL = "".join(HOSTILE).encode(errors="backslashreplace").decode()


@pytest.fixture(scope="module")
def written_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home in which others have written whatever acts on terminals, wherever they can."""
    home = Home(tmp_path_factory.mktemp("person") / "home")
    home.create()
    home.config_file.write_text(CONFIG)
    with Store(home.database) as store:
        for number, text in enumerate(HOSTILE, start=1):
            said = text.encode(errors="backslashreplace").decode()
            record = FeedbackRecord((Message(Role.USER, said),), output=said, created_at=datetime.now(UTC))
            store.feedback.add("m", NewFeedback.of(record, f"in/{said}.jsonl", number))
            store.feedback.quarantine("m", file=f"in/{said}", line=number, reason=said, excerpt=said, kept="k")
            store.events.add("stage.failed", said, model="m")
    return home


def environment(home: Home, **variables: str) -> dict[str, str]:
    return {**os.environ, HOME_VARIABLE: str(home.root), "TERM": "xterm-256color", "COLUMNS": "100", **variables}


def in_a_terminal(home: Home, *words: str) -> str:
    """All that the command writes to its terminal."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [ADAPTERCTL, *words], env=environment(home), stdin=theirs, stdout=theirs, stderr=theirs, cwd=home.root
    )
    os.close(theirs)
    parts: list[bytes] = []
    try:
        while part := os.read(ours, 1 << 16):
            parts.append(part)
    except OSError:  # the terminal is gone when the command is
        pass
    finally:
        os.close(ours)
    child.wait()
    return b"".join(parts).decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    "command",
    [
        ("feedback", "list"), ("feedback", "quarantine"), ("history",), ("history", "--json"), ("status",),
        ("status", "--check"), ("show", ALL), ("register", f"/no/{ALL.replace(chr(0), '')}"), ("no-such", ALL),
        ("feedback", "import", ALL), ("retrain", f"--{ALL}"), ("rollback", "m", "--to", ALL),
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_nothing_that_others_wrote_acts_on_the_terminal(written_home: Home, command: tuple[str, ...]) -> None:
    shown = in_a_terminal(written_home, *command)
    assert shown.strip()
    assert acts(BARS.sub("", shown)) == set()
    assert "unexpected error" not in shown


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize(
    "command", [("--help",), ("init", "--help"), ("status",), ("history",), ("feedback", "list"), ("show", "1.0.0")]
)
def test_signs_that_the_encoding_does_not_know_end_no_command(
    written_home: Home, encoding: str, command: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [ADAPTERCTL, *command],
        env=environment(written_home, PYTHONIOENCODING=encoding),
        capture_output=True,
        check=False,
    )
    assert done.returncode == (4 if command[0] == "show" else 0), done.stderr
    assert b"UnicodeEncodeError" not in done.stdout + done.stderr


def test_whatever_is_closed_ends_no_command(written_home: Home) -> None:
    shell = f"{ADAPTERCTL} --help >&-; {ADAPTERCTL} status 2>&- >/dev/null; {ADAPTERCTL} --help <&- >/dev/null"
    done = subprocess.run(
        ["bash", "-c", shell], env=environment(written_home), capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stdout + done.stderr
