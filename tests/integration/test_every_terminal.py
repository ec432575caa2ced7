"""Every command where little can be shown: encodings of few signs, 40 columns, no colours, streams that are closed."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from adapterctl.main import cli
from adapterd.chat import Message, Role
from adapterd.home import HOME_VARIABLE, Home
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.feedback import NewFeedback
from adapterd.store.versions import VersionState

ADAPTERCTL = Path(sys.executable).parent / "adapterctl"
MODEL = "zeitungsmeldungen-kurz"
CONFIG = f'[models.{MODEL}]\nbase = "t:1"\nbase_digest = "sha256:00"\n[ollama]\nhost = "http://127.0.0.1:9"\n'
REASON = "accuracy – Genauigkeit – fell from 0.912 to 0.834, more than is allowed"
FILE = "in/corrections-of-the-week-46-and-47.jsonl"
ARGUMENTS = {
    "config get": ("ollama.host",), "config set": ("runs.retries", "4"), "config unset": ("runs.retries",),
    "feedback check": ("/nowhere/日本.jsonl",), "feedback show": ("1",), "feedback import": ("/nowhere/日本.jsonl",),
    "feedback remove": ("--id", "日本", "--yes"), "feedback add": ("--prompt", "日本?", "--output", "–"),
    "prompts import": ("/nowhere/日本",), "register": ("/nowhere/日本",), "show": ("1.0.0",),
    "label": ("1.0.0", "日本 – gut"), "compare": ("1.0.0", "1.1.0"), "promote": ("1.1.0", "--force", "--yes"),
    "pin": ("1.0.0",), "unpin": ("1.0.0",), "run": ("日本?",), "init": ("日本", "--base", "t:1"), "remove": ("日本",),
    "uninstall": ("--dry-run",), "logs": ("-n", "0"),
}  # fmt: skip
ONLY_HELP = {
    "demo", "config edit", "service install", "service uninstall", "service start", "service stop", "service restart",
    "capture on", "capture off", "capture run", "open",
}  # fmt: skip
"""They would change the machine of whoever runs the tests, wait for an editor, or go on until they are stopped."""
WRONG = ("Traceback", "unexpected error", "UnicodeEncodeError", "Exception ignored", "AttributeError")


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    yield " ".join(path)
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from walk(below, (*path, name))


COMMANDS = list(walk(cli))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home whose records have signs that few encodings know, with something in every table."""
    made = Home(tmp_path_factory.mktemp("Ünï cödé – 日本") / "home")
    made.create()
    folder = made.root.parent / "Rückmeldungen"
    folder.mkdir()
    made.config_file.write_text(CONFIG.replace("[ollama]", f'feedback.folder = "{folder}"\n[ollama]'), encoding="utf-8")
    made.config_file.chmod(0o600)
    with Store(made.database) as store:
        for version in ("1.0.0", "1.1.0"):
            store.versions.add(MODEL, version, run_id="20260101-000000-aaaa", digest="d", base_digest="d")
            store.versions.set_state(MODEL, version, VersionState.HELD, REASON)
            store.events.add("version.held", f"{MODEL} {version} was held: {REASON}", model=MODEL)
        for line, asked in enumerate(("Where is the Zürich – 日本 harbour?", "Extract the news as JSON, please")):
            record = FeedbackRecord((Message(Role.USER, asked),), output="{}", created_at=datetime.now(UTC))
            store.feedback.add(MODEL, NewFeedback.of(record, FILE, line))
            store.feedback.quarantine(MODEL, file=FILE, line=line, reason=REASON, excerpt="{…", kept=f"k{line}")
    return made


def environment(home: Home, **variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "TERM")}
    return {**kept, HOME_VARIABLE: str(home.root), "EDITOR": "true", **variables}


def words_of(command: str) -> list[str]:
    if command in ONLY_HELP or isinstance(_command(command), click.Group):
        return [*command.split(), "--help"]
    return [*command.split(), *ARGUMENTS.get(command, ())]


def _command(command: str) -> click.Command:
    found: click.Command = cli
    for word in command.split():
        assert isinstance(found, click.Group)
        found = found.commands[word]
    return found


def run(home: Home, shell: str, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """A shell's line, in which "$@" is the command."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell, "bash", ADAPTERCTL, *words], env=environment(home, **variables),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=120, check=False,
    )  # fmt: skip
    assert not [word for word in WRONG if word in done.stdout + done.stderr], done
    assert done.returncode not in (70, 120), done
    return done


def in_a_terminal(home: Home, *words: str, columns: int = 40, **variables: str) -> str:
    """What the command writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    shell = ["bash", "-c", f'stty cols {columns} rows 50; "$@"', "bash", str(ADAPTERCTL), *words]
    child = subprocess.Popen(shell, env=environment(home, **variables), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    parts: list[bytes] = []
    try:
        while part := os.read(ours, 1 << 16):
            parts.append(part)
    except OSError:  # the terminal is gone when the command is
        pass
    finally:
        os.close(ours)
    assert child.wait(timeout=120) not in (70, 120)
    shown = b"".join(parts).decode(errors="replace").replace("\r\n", "\n")
    assert not [word for word in WRONG if word in shown], shown
    return shown


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_ends_well_whatever_its_streams_are(home: Home, command: str) -> None:
    words = words_of(command)
    run(home, '"$@"', *words, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    run(home, '"$@" <&- >&- 2>&-', *words)


@pytest.mark.parametrize("command", ["--help", "versions", "history --json", "feedback list", "status", "nonsense"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_is_no_fault(home: Home, command: str, unbuffered: str) -> None:
    run(home, '"$@" | true', *command.split(), PYTHONUNBUFFERED=unbuffered)
    run(home, '"$@" 2>&1 | true', *command.split(), PYTHONUNBUFFERED=unbuffered)


@pytest.mark.parametrize("command", [each for each in COMMANDS if "--help" not in words_of(each)])
def test_a_dumb_terminal_of_few_columns_gets_text_only(home: Home, command: str) -> None:
    shown = in_a_terminal(home, *words_of(command), TERM="dumb", PYTHONIOENCODING="latin-1")
    assert "\x1b" not in shown


@pytest.mark.parametrize("command", ["status", "history", "doctor", "feedback list", "show 9.9.9"])
def test_no_color_is_obeyed_in_a_terminal(home: Home, command: str) -> None:
    assert re.search(r"\x1b\[[0-9;]*3[0-7]m|\x1b\[1m", in_a_terminal(home, *command.split(), TERM="xterm-256color"))
    plain = in_a_terminal(home, *command.split(), TERM="xterm-256color", NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*m", plain)


@pytest.mark.parametrize("columns", [20, 40, 60])
@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("versions", ["1.0.0", "1.1.0", "VERSION", "STATE", "held"]),
        ("history", ["version.held", "Genauigkeit", "allowed"]),
        ("feedback list", ["Zürich", "harbour?", "please", "PROMPT"]),
        ("feedback quarantine", ["Genauigkeit", "allowed", "REASON"]),
        ("config show", ["ollama.host", "config.toml", "default"]),
    ],
)
def test_tables_lose_and_divide_no_word_in_a_few_columns(
    home: Home, command: str, wanted: list[str], columns: int
) -> None:
    shown = in_a_terminal(home, *command.split(), columns=columns, TERM="dumb")
    assert [word for word in wanted if word not in shown] == [], shown


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}])
def test_every_terminal_is_taken_for_as_wide_as_it_is(home: Home, variables: dict[str, str]) -> None:
    narrow, wide = (in_a_terminal(home, "history", columns=columns, **variables) for columns in (40, 240))
    assert narrow.startswith("WHEN     ")
    assert "\nDETAILS  " in narrow
    assert re.match(r"WHEN +WHAT +DETAILS", wide)


@pytest.mark.parametrize("command", ["history", "feedback list", "config show", "history --json", "--help"])
def test_a_full_disk_behind_standard_output_is_one_sentence(home: Home, command: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("a device of Linux")
    done = run(home, '"$@" >/dev/full', *command.split())
    assert done.returncode != 0


def test_a_command_with_closed_streams_opens_no_file_in_their_place(home: Home) -> None:
    """What a library prints to descriptor 1 would be written into the first file that was opened, the database's."""
    done = run(home, '"$@" >&- <&- 2>&-', "feedback", "add", "--prompt", "Who?", "--output", "x", "--rating", "1")
    assert done.returncode == 0
    with Store(home.database) as store:
        row = store.row("PRAGMA quick_check")
        assert row is not None
        assert row[0] == "ok"


@pytest.mark.parametrize(
    "words", [("feedback", "add", "--output", "x", "--prompt"), ("feedback", "remove", "--matching")]
)
def test_bytes_that_are_no_text_are_refused_in_a_sentence(home: Home, words: tuple[str, ...]) -> None:
    done = run(home, "\"$@\" $'\\xff?'", *words)
    assert (done.returncode, "is no text in the encoding" in done.stderr) == (2, True)
