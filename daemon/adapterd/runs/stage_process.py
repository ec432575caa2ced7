"""Heavy stages run in a child process; its death is an ordinary event (law 8).

The child is `python -P -m adapterd.worker STAGE RUN_FOLDER`, in the run's folder: nothing is imported from where the
command was given. It reports on standard output in JSON lines: progress while
it works, at the end its result or its error. Its standard error goes to a log in the run's folder. It ends when its
parent does: it watches its standard input, which closes then.
"""

import json
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from adapterd import errors
from adapterd.errors import AdapterdError, CancelledError, StageError, WorkerLostError
from adapterd.home import HOME_VARIABLE, Home
from adapterd.system.blas import preload_environment
from adapterd.system.priority import unthrottled
from adapterd.system.python import module_command, safe_environment

TAIL_BYTES = 2000
GRACE_S = 5.0
LOOK_EVERY_S = 0.5
_READ_BYTES = 1 << 16


@dataclass(frozen=True)
class Limits:
    """What ends a stage from outside: its time is up, or `asked_to_end` gives a reason."""

    timeout_s: float = float("inf")
    asked_to_end: Callable[[], str | None] = lambda: None


def run_stage(
    stage: str,
    folder: Path,
    home: Home,
    *,
    report: Callable[[dict[str, Any]], None] = lambda _: None,
    limits: Limits = Limits(),
) -> dict[str, Any]:
    """Run one stage in a child; returns its result as plain values, or raises what the child raised.

    Raises WorkerLostError when the child dies without a word, naming the log; CancelledError when it was asked to end;
    StageError when it took too long.
    """
    log = folder / f"{stage}.log"
    with log.open("ab") as stderr:
        child = subprocess.Popen(
            unthrottled(module_command("adapterd.worker", stage, folder.absolute())), cwd=folder,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=_environment(home), bufsize=0,
        )  # fmt: skip
    deadline = time.monotonic() + limits.timeout_s
    try:
        if child.stdout is None:
            raise AssertionError("the child was opened with a pipe")
        outcome = _listen(_lines(child.stdout, lambda: _keep_to(limits, stage, deadline)), report, log)
        status = child.wait()
    finally:
        _end(child)
    if "error" in outcome:
        raise _rebuilt(outcome["error"])
    if "result" not in outcome:
        raise _died(stage, status, log)
    result: dict[str, Any] = outcome["result"]
    return result


def _environment(home: Home) -> dict[str, str]:
    given = {**safe_environment(), **preload_environment()}
    return {**given, HOME_VARIABLE: str(home.root.absolute()), "PYTHONUNBUFFERED": "1"}


def _keep_to(limits: Limits, stage: str, deadline: float) -> None:
    if reason := limits.asked_to_end():
        raise CancelledError(reason)
    if time.monotonic() > deadline:
        raise StageError(
            f"the {stage} stage took longer than {limits.timeout_s / 3600:g} h",
            hint="raise runs.stage_timeout_hours in the configuration; `adapterctl retrain` goes on where it stopped",
        )


def _lines(stdout: IO[bytes], look: Callable[[], None]) -> Iterator[bytes]:
    """What the child writes, line by line, until it closes its output; `look` is called twice a second meanwhile."""
    begun: list[bytes] = []
    next_look = 0.0
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while True:
            if time.monotonic() >= next_look:
                look()
                next_look = time.monotonic() + LOOK_EVERY_S
            if not selector.select(LOOK_EVERY_S):
                continue
            chunk = stdout.read(_READ_BYTES)
            *lines, rest = chunk.split(b"\n")
            if lines:
                yield from [b"".join([*begun, lines[0]]), *lines[1:]]
                begun = []
            begun.append(rest)
            if not chunk:
                break
    if last := b"".join(begun):
        yield last


def _listen(lines: Iterator[bytes], report: Callable[[dict[str, Any]], None], log: Path) -> dict[str, Any]:
    """Pass progress on until the child closes its output; returns the last message that was no progress.

    What is no message (a line cut short by the child's death, words of a library) goes to the log.
    """
    outcome: dict[str, Any] = {}
    for line in lines:
        message = _message(line)
        if message is None:
            with log.open("ab") as file:
                file.write(line + b"\n")
        elif "progress" in message:
            report(message["progress"])
        else:
            outcome = message
    return outcome


def _message(line: bytes) -> dict[str, Any] | None:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _end(child: subprocess.Popen[bytes]) -> None:
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _rebuilt(error: dict[str, str]) -> AdapterdError:
    kind = getattr(errors, error["kind"], StageError)
    rebuilt: AdapterdError = kind(error["message"], hint=error["hint"])
    return rebuilt


def _died(stage: str, status: int, log: Path) -> WorkerLostError:
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        tail = file.read().decode(errors="replace").strip().splitlines()[-1:]
    said = f"; its last words: {tail[0]}" if tail else ""
    return WorkerLostError(
        f"the {stage} worker {how}{said}", hint=f"its log is {log}; `adapterctl retrain` goes on where it stopped"
    )
