"""The child process of a stage: what it says is passed on, and however it dies is an ordinary error."""

import errno
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapterd.errors import (
    AdapterdError,
    CancelledError,
    InputError,
    NotEnoughDataError,
    StageError,
    StoreError,
    WorkerLostError,
)
from adapterd.home import HOME_VARIABLE, Home
from adapterd.runs.stage_process import Limits, run_stage
from adapterd.system.child import messages
from adapterd.system.locks import exclusive, is_held
from adapterd.worker import _as_error
from tests.support.foreign_folder import imported_from, poison

PYTHON = sys.executable
MAX_WAIT_S = 30
Script = Callable[[str], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir()
    return made


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture(autouse=True)
def no_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scripted child needs none, and starts faster without."""
    monkeypatch.setenv("ADAPTERD_BLAS", "")


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Makes a small script stand in for the worker; `say` sends a message."""
    script = tmp_path / "child"
    script.touch(mode=0o700)

    def write(body: str) -> None:
        head = f"#!{PYTHON}\nimport json, os, sys, time\n"
        say = "def say(**message): print(json.dumps(message), flush=True)\n"
        script.write_text(head + say + textwrap.dedent(body))
        monkeypatch.setattr(sys, "executable", str(script))

    return write


def failure(folder: Path, home: Home, stage: str = "training") -> StageError:
    with pytest.raises(StageError) as caught:
        run_stage(stage, folder, home)
    return caught.value


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_progress_is_passed_on_and_the_result_comes_back(folder: Path, home: Home, child: Script) -> None:
    child("""
        for share in (0.0, 0.5, 1.0):
            say(progress={"share": share, "loss": "ü"})
        say(result={"examples": 3})
    """)
    heard: list[dict[str, Any]] = []
    assert run_stage("training", folder, home, report=heard.append) == {"examples": 3}
    assert heard == [{"share": share, "loss": "ü"} for share in (0.0, 0.5, 1.0)]


def test_progress_comes_while_the_child_works(folder: Path, home: Home, child: Script) -> None:
    child("""
        say(progress={"share": 0.5})
        while not os.path.exists(sys.argv[5] + "/heard"):
            time.sleep(0.01)
        say(result={})
    """)
    assert run_stage("training", folder, home, report=lambda _: (folder / "heard").touch()) == {}


def test_the_child_is_told_stage_folder_and_home(folder: Path, home: Home, child: Script) -> None:
    child(f'say(result={{"argv": sys.argv[1:], "home": os.environ["{HOME_VARIABLE}"]}})')
    result = run_stage("training", folder, home)
    assert result == {"argv": ["-P", "-m", "adapterd.worker", "training", str(folder)], "home": str(home.root)}


def test_an_error_of_the_child_is_raised_again(folder: Path, home: Home, child: Script) -> None:
    child('say(error={"kind": "InputError", "message": "the value is wrong", "hint": "correct it"})')
    with pytest.raises(InputError, match=r"^the value is wrong$") as caught:
        run_stage("training", folder, home)
    assert caught.value.hint == "correct it"


def test_the_kind_of_an_error_survives(folder: Path, home: Home, child: Script) -> None:
    child('say(error={"kind": "NotEnoughDataError", "message": "m", "hint": ""})')
    assert type(failure(folder, home)) is NotEnoughDataError


def test_an_error_of_an_unknown_kind_is_a_stage_error(folder: Path, home: Home, child: Script) -> None:
    child('say(error={"kind": "NoSuchError", "message": "odd", "hint": ""})')
    assert str(failure(folder, home)) == "odd"


def test_an_error_counts_whatever_the_exit_status(folder: Path, home: Home, child: Script) -> None:
    child('say(error={"kind": "StageError", "message": "m", "hint": ""}); sys.exit(5)')
    assert str(failure(folder, home)) == "m"


def test_a_child_that_is_killed_is_a_stage_error_that_names_the_signal(folder: Path, home: Home, child: Script) -> None:
    child('say(progress={"share": 0.5}); os.kill(os.getpid(), 9)')
    error = failure(folder, home)
    assert str(error) == "the training worker was killed by signal 9"
    assert str(folder / "training.log") in error.hint
    assert "adapterctl retrain" in error.hint


def test_a_child_that_ends_without_a_word_is_a_stage_error_that_names_the_status(
    folder: Path, home: Home, child: Script
) -> None:
    child("sys.exit(4)")
    assert str(failure(folder, home)) == "the training worker ended with status 4"


def test_a_child_that_succeeds_without_a_result_is_a_stage_error(folder: Path, home: Home, child: Script) -> None:
    child('say(progress={"share": 1.0})')
    assert str(failure(folder, home)) == "the training worker ended with status 0"


def test_the_last_words_of_a_child_are_told_and_all_are_in_the_log(folder: Path, home: Home, child: Script) -> None:
    child(r"""
        print("first", file=sys.stderr)
        os.write(2, b"ill \xff bytes\n" * 1000 + b"GPU on fire\n\n")
        sys.exit(1)
    """)
    assert str(failure(folder, home)) == "the training worker ended with status 1; its last words: GPU on fire"
    assert (folder / "training.log").read_bytes().startswith(b"first\nill \xff bytes\n")


def test_the_log_is_added_to_when_the_stage_is_done_again(folder: Path, home: Home, child: Script) -> None:
    for word in ("one", "two"):
        child(f'print("{word}", file=sys.stderr); say(result={{}})')
        run_stage("training", folder, home)
    assert (folder / "training.log").read_text() == "one\ntwo\n"


@pytest.mark.parametrize(
    "garbage",
    ["hello", '{"progress": ', "null", "5", '["progress"]', '"progress"', "NaN", r"\xff\xfe", "[" * 100_000],
    ids=lambda text: text[:12],
)
def test_words_that_are_no_message_are_a_stage_error_that_quotes_them(
    folder: Path, home: Home, child: Script, garbage: str
) -> None:
    child(f"os.write(1, b'{garbage}\\n')")
    error = failure(folder, home)
    assert str(error).startswith("the training worker ended with status 0; its last words: ")
    assert (folder / "training.log").read_bytes() == garbage.encode().decode("unicode_escape").encode("latin-1") + b"\n"


def test_words_among_the_messages_do_no_harm(folder: Path, home: Home, child: Script) -> None:
    child("""
        print("a library says hello", flush=True)
        say(progress={"share": 0.5})
        print(flush=True)
        say(result={"fine": True})
        print("bye", flush=True)
    """)
    heard: list[dict[str, Any]] = []
    assert run_stage("training", folder, home, report=heard.append) == {"fine": True}
    assert heard == [{"share": 0.5}]


def test_a_message_that_is_cut_short_by_death_is_no_result(folder: Path, home: Home, child: Script) -> None:
    child('os.write(1, b\'{"result": {"examples"\'); os.kill(os.getpid(), 15)')
    assert "was killed by signal 15" in str(failure(folder, home))


def test_a_child_does_not_outlive_a_listener_that_fails(folder: Path, home: Home, child: Script) -> None:
    child('say(progress={"pid": os.getpid()}); time.sleep(600)')
    pids: list[int] = []

    def fail(progress: dict[str, Any]) -> None:
        pids.append(progress["pid"])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stage("training", folder, home, report=fail)
    assert not is_alive(pids[0])


def test_a_child_is_asked_to_go_before_it_is_killed(folder: Path, home: Home, child: Script) -> None:
    child("""
        import signal
        def go(*_):
            open(sys.argv[5] + "/went", "w").close()
            sys.exit()
        signal.signal(signal.SIGTERM, go)
        say(progress={"share": 0.0})
        time.sleep(600)
    """)

    def fail(progress: dict[str, Any]) -> None:
        raise ValueError("the store is full")

    with pytest.raises(ValueError, match="the store is full"):
        run_stage("training", folder, home, report=fail)
    assert (folder / "went").exists()


def test_a_child_that_will_not_go_is_killed(
    folder: Path, home: Home, child: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "GRACE_S", 0.05)
    child("""
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say(progress={"pid": os.getpid()})
        time.sleep(600)
    """)
    pids: list[int] = []

    def fail(progress: dict[str, Any]) -> None:
        pids.append(progress["pid"])
        raise ValueError("the store is full")

    with pytest.raises(ValueError, match="the store is full"):
        run_stage("training", folder, home, report=fail)
    assert not is_alive(pids[0])


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """The processes that were started; looked after more often than in earnest."""
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def start(*args: Any, **kwargs: Any) -> "subprocess.Popen[bytes]":
        started.append(popen(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(messages, "LOOK_EVERY_S", 0.01)
    yield started
    assert [child.returncode is None for child in started] == [False] * len(started), "a child was left alone"


def ended(folder: Path, home: Home, limits: Limits, report: Callable[[dict[str, Any]], None]) -> AdapterdError:
    """What is raised when the limits are reached."""
    with pytest.raises(AdapterdError) as caught:
        run_stage("training", folder, home, limits=limits, report=report)
    return caught.value


SILENT = "time.sleep(600)"
TALKING = """
while True:
    say(progress={"share": 0.5})
"""
BABBLING = """
while True:
    os.write(1, b"x" * 1000)
"""


@pytest.mark.parametrize("body", [SILENT, TALKING, BABBLING], ids=["silent", "talking", "babbling"])
def test_a_child_that_is_asked_to_end_is_gone(
    folder: Path, home: Home, child: Script, children: list["subprocess.Popen[bytes]"], body: str
) -> None:
    child(body)
    answers = iter([None, None, "wrong settings"])
    error = ended(folder, home, Limits(asked_to_end=lambda: next(answers)), lambda _: None)
    assert (type(error), str(error), error.transient) == (CancelledError, "wrong settings", False)
    assert [each.poll() is None for each in children] == [False]


@pytest.mark.parametrize("body", [SILENT, TALKING, BABBLING], ids=["silent", "talking", "babbling"])
def test_a_child_that_takes_too_long_is_gone(
    folder: Path, home: Home, child: Script, children: list["subprocess.Popen[bytes]"], body: str
) -> None:
    child(body)
    error = ended(folder, home, Limits(timeout_s=0.036), lambda _: None)
    assert (type(error), error.transient) == (StageError, False)
    assert str(error) == "the training stage took longer than 1e-05 h"
    assert "runs.stage_timeout_hours" in error.hint
    assert "adapterctl retrain" in error.hint
    assert [each.poll() is None for each in children] == [False]


def test_a_child_within_its_limits_is_left_alone(
    folder: Path, home: Home, child: Script, children: list["subprocess.Popen[bytes]"]
) -> None:
    child("say(result={'fine': True})")
    limits = Limits(timeout_s=600, asked_to_end=lambda: None)
    assert run_stage("training", folder, home, limits=limits) == {"fine": True}
    assert [each.returncode for each in children] == [0]


def test_a_child_does_not_outlive_a_question_that_fails(
    folder: Path, home: Home, child: Script, children: list["subprocess.Popen[bytes]"]
) -> None:
    def fail() -> str | None:
        raise StoreError("the state database cannot be used")

    child(SILENT)
    assert type(ended(folder, home, Limits(asked_to_end=fail), lambda _: None)) is StoreError
    assert [each.poll() is None for each in children] == [False]


@pytest.mark.usefixtures("children")
def test_a_child_that_writes_much_without_a_line_end_is_heard_to_the_end(
    folder: Path, home: Home, child: Script
) -> None:
    size = 3_000_000
    child(f"os.write(1, b'x' * {size}); print(flush=True); say(result={{'fine': True}})")
    assert run_stage("training", folder, home) == {"fine": True}
    assert (folder / "training.log").stat().st_size == size + 1


@pytest.mark.usefixtures("children")
def test_a_message_may_be_long_and_come_in_pieces(folder: Path, home: Home, child: Script) -> None:
    child("""
        message = json.dumps({"result": {"text": "ü" * 300_000}}, ensure_ascii=False).encode() + b"\\n"
        for start in range(0, len(message), 99_999):
            sys.stdout.buffer.write(message[start:start + 99_999])
            sys.stdout.buffer.flush()
    """)
    assert run_stage("training", folder, home) == {"text": "ü" * 300_000}


@pytest.mark.usefixtures("children")
def test_several_messages_may_come_at_once(folder: Path, home: Home, child: Script) -> None:
    child("""os.write(1, b'{"progress": {"share": 0.1}}\\n{"progress": {"share": 0.2}}\\n{"result": {"a": 1}}\\n')""")
    heard: list[dict[str, Any]] = []
    assert run_stage("training", folder, home, report=heard.append) == {"a": 1}
    assert [progress["share"] for progress in heard] == [0.1, 0.2]


@pytest.mark.usefixtures("children")
def test_the_last_line_needs_no_end(folder: Path, home: Home, child: Script) -> None:
    child("""os.write(1, b'{"progress": {"share": 0.1}}\\n{"result": {"fine": true}}')""")
    assert run_stage("training", folder, home) == {"fine": True}


@pytest.mark.usefixtures("children")
def test_a_child_that_dies_without_a_word_may_do_better_next_time(folder: Path, home: Home, child: Script) -> None:
    child("os.kill(os.getpid(), 9)")
    error = failure(folder, home)
    assert (type(error), error.transient) == (WorkerLostError, True)


PARENT = """
import sys
from pathlib import Path
from adapterd.home import Home
from adapterd.runs.stage_process import run_stage

sys.executable, folder = sys.argv[1], Path(sys.argv[2])
run_stage("training", folder, Home(folder), report=lambda progress: print(progress, flush=True))
"""

WORKER = """
import fcntl
from adapterd.system.child.messages import end_with_parent

alive = open(sys.argv[5] + "/alive", "w")
fcntl.flock(alive, fcntl.LOCK_EX)
end_with_parent()
say(progress={"share": 0.0})
time.sleep(600)
"""


def test_the_worker_ends_when_its_parent_is_killed(folder: Path, child: Script) -> None:
    child(WORKER)
    command = [PYTHON, "-c", PARENT, sys.executable, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline()
        assert is_held(folder / "alive")
        parent.kill()
    with exclusive(folder / "alive", timeout_s=MAX_WAIT_S, busy="the worker lives on"):
        pass


def test_the_real_worker_tells_of_a_failure_that_nobody_foresaw(folder: Path, home: Home) -> None:
    (folder / "plan.json").write_text("not a plan")
    error = failure(folder, home, "dataset")
    assert str(error).startswith("the dataset stage failed unexpectedly (JSONDecodeError: ")
    assert str(folder / "dataset.log") in error.hint
    assert "Traceback" in (folder / "dataset.log").read_text()


def test_the_real_worker_names_the_file_that_the_system_refused(folder: Path, home: Home) -> None:
    error = failure(folder, home, "dataset")
    assert str(error) == f"the dataset stage could not go on: No such file or directory ({folder / 'plan.json'})"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
def test_a_file_that_may_not_be_read_has_a_way_out(folder: Path, code: int) -> None:
    """A base on an external disk, say, which macOS keeps from programs in the background."""
    error = _as_error(PermissionError(code, os.strerror(code), str(folder / "base.gguf")), "training", folder)
    assert str(error) == f"the training stage could not go on: {os.strerror(code)} ({folder / 'base.gguf'})"
    assert "Full Disk Access" in error.hint or "read it" in error.hint


@pytest.mark.parametrize("path", [None, f":.:no-such-folder:{Path(__file__).parent}"])
def test_the_real_worker_imports_nothing_from_the_current_folder(
    folder: Path, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str | None
) -> None:
    foreign = tmp_path / "downloads"
    foreign.mkdir()
    monkeypatch.chdir(poison(foreign))
    if path is not None:
        monkeypatch.setenv("PYTHONPATH", path)
    error = failure(folder, home, "dataset")
    assert imported_from(foreign) == ""
    assert str(error) == f"the dataset stage could not go on: No such file or directory ({folder / 'plan.json'})"


def test_the_child_works_in_the_folder_of_its_run(folder: Path, home: Home, child: Script) -> None:
    child("say(result={'folder': os.getcwd()})")
    assert run_stage("training", folder, home) == {"folder": str(folder)}


def test_a_folder_that_is_named_relatively_is_found_by_the_child(
    folder: Path, home: Home, child: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    child("say(result={'there': os.path.isdir(sys.argv[5])})")
    monkeypatch.chdir(folder.parent)
    assert run_stage("training", Path(folder.name), home) == {"there": True}


def test_a_worker_gets_no_secret_of_the_shell(
    folder: Path, home: Home, child: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    child("say(result={name: os.environ.get(name) for name in ('OPENAI_API_KEY', 'LC_ALL', 'ADAPTERD_HOME')})")
    expected = {"OPENAI_API_KEY": None, "LC_ALL": "C.UTF-8", "ADAPTERD_HOME": str(home.root)}
    assert run_stage("training", folder, home) == expected


@pytest.mark.parametrize(("stage", "given"), [("training", "/tmp/agent"), ("merging", None)])
def test_only_a_training_which_may_go_over_ssh_finds_its_agent(
    folder: Path, home: Home, child: Script, monkeypatch: pytest.MonkeyPatch, stage: str, given: str | None
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/tmp/agent")
    child("say(result={'agent': os.environ.get('SSH_AUTH_SOCK')})")
    assert run_stage(stage, folder, home) == {"agent": given}
