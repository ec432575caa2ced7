"""A function in a process of its own: what it gives and raises comes back, and nothing of the current folder runs."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from adapterd.errors import CancelledError, InputError, WorkerLostError
from adapterd.system.child import call as child

PROGRAM = """
from adapterd.system.child import call as child
if __name__ == "__main__":
    print(child.call(len, "four"))
"""


def refuse(name: str) -> None:
    raise InputError(f"{name} cannot be used", hint="give another")


def die(status: int) -> None:
    os._exit(status)


def test_results_and_errors_of_a_function_come_back() -> None:
    assert child.call(len, "four") == 4
    with pytest.raises(InputError, match="x cannot be used") as caught:
        child.call(refuse, "x")
    assert caught.value.hint == "give another"


def test_a_process_that_dies_is_an_error_that_may_pass() -> None:
    with pytest.raises(WorkerLostError, match="while it did die") as caught:
        child.call(die, 3)
    assert caught.value.transient


def unsendable() -> None:
    error = ValueError("odd")
    error.handle = open(os.devnull)  # type: ignore[attr-defined]  # noqa: SIM115, PTH123
    raise error


def chatter() -> str:
    sys.stdout.write("what a library says\n")
    os.write(1, b"and llama.cpp")
    return "the result"


def test_what_is_printed_or_cannot_be_sent_is_in_nobodys_way() -> None:
    assert child.call(chatter) == "the result"
    with pytest.raises(RuntimeError, match="ValueError: odd"):
        child.call(unsendable)


WAITING = """
import os, sys, threading, time
from adapterd.system.child import call as child
def begin():
    threading.Thread(target=child.call, args=(time.sleep, 600), daemon=True).start()
begin()
print("began", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, None])
def test_it_ends_with_the_process_that_called_which_does_not_wait_for_it(how: signal.Signals | None) -> None:
    """However that ends: killed, or by itself while a thread of it waits for the answer."""
    caller = subprocess.Popen(
        [sys.executable, "-c", WAITING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert caller.stdout is not None
    caller.stdout.readline()
    process = psutil.Process(caller.pid)
    children = wait_for(process.children)
    if how:
        caller.send_signal(how)
    caller.communicate(b"end\n", timeout=120)
    gone, alive = psutil.wait_procs(children, timeout=120)
    assert (len(gone), alive) == (len(children), [])


def wait_for(children: Callable[[], list[psutil.Process]]) -> list[psutil.Process]:
    until = time.monotonic() + 120
    while not (found := children()) and time.monotonic() < until:
        time.sleep(0.05)
    assert found
    return found


@pytest.mark.parametrize("module", ["multiprocessing", "concurrent", "json", "pickle"])
def test_no_module_of_the_current_folder_runs_in_the_process(tmp_path: Path, module: str) -> None:
    (program := tmp_path / "program" / "main.py").parent.mkdir()
    program.write_text(PROGRAM)
    (poisoned := tmp_path / "downloads").mkdir()
    (poisoned / f"{module}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nraise SystemExit(7)")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    done = subprocess.run(
        [sys.executable, str(program)], cwd=poisoned, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("4", 0), done.stderr
    assert not (tmp_path / "ran").exists()


def test_the_notes_of_a_run_load_nothing_heavy() -> None:
    """The daemon tells them, and it does without numpy and llama.cpp (law 8)."""
    program = (
        "import sys\nfrom adapterd.runs.stage import notes_of\n"
        "notes = notes_of({'dataset': {'notes': ['n']}, 'evaluation': {'left_out': "
        "[{'record': 'r', 'source_id': None, 'reason': 'x'}]}})\n"
        "print(len(notes), *({'numpy', 'llama_cpp', 'mlx', 'gguf', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2"]


def test_a_process_keeps_no_secret_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_1")
    monkeypatch.setenv("OLLAMA_HOST", "there")
    assert child.call(os.getenv, "HF_TOKEN") is None
    assert child.call(os.getenv, "OLLAMA_HOST") == "there"


def hold(request: bytes) -> None:
    time.sleep(600)


def read_nothing() -> list[str]:
    return [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.mark.parametrize("takes_it_in", [True, False])
@pytest.mark.parametrize("how", ["stopped", "too long"])
def test_a_process_that_does_not_answer_is_left_in_time_and_killed(
    monkeypatch: pytest.MonkeyPatch, how: str, takes_it_in: bool
) -> None:
    if not takes_it_in:
        monkeypatch.setattr(child, "module_command", lambda _: read_nothing())
    before = psutil.Process().children()
    begun = time.monotonic()
    told = (lambda: time.monotonic() > begun + 1) if how == "stopped" else child.never
    expected: type[Exception] = CancelledError if how == "stopped" else WorkerLostError
    with pytest.raises(expected, match=r"while (it|a process) did hold"):
        child.call(hold, bytes(4 << 20), stopped=told, timeout_s=math.inf if how == "stopped" else 1)
    assert time.monotonic() - begun < 5
    assert psutil.Process().children() == before


def test_a_large_request_and_a_large_result_come_through() -> None:
    text = "four" * (1 << 20)
    assert child.call(str.upper, text) == text.upper()


def test_a_process_that_cannot_be_started_is_an_error_that_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "module_command", lambda _: ["/nothing/here"])
    with pytest.raises(WorkerLostError, match="no process could be started to do len: No such file"):
        child.call(len, "four")
