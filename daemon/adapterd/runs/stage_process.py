"""Heavy stages run in a child process; its death is an ordinary event (law 8).

The child is `python -P -m adapterd.worker STAGE RUN_FOLDER`, in the run's folder: nothing is imported from where the
command was given. It speaks in the messages of `system.child.messages`; its standard error goes to a log in the run's
folder.
"""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from adapterd.errors import CancelledError, StageError, WorkerLostError
from adapterd.home import HOME_VARIABLE, Home
from adapterd.runs.training_jobs import TRAINING
from adapterd.system.blas import preload_environment
from adapterd.system.child.messages import end, last_line, messages, rebuilt
from adapterd.system.priority import unthrottled
from adapterd.system.python import FOR_SSH, module_command, worker_environment
from adapterd.system.release.installed import require_same_release

TAIL_BYTES = 2000


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
    StageError when it took too long; OtherReleaseError where the child would be of another release than this process.
    """
    require_same_release()
    log = folder / f"{stage}.log"
    with log.open("ab") as stderr:
        child = subprocess.Popen(
            unthrottled(module_command("adapterd.worker", stage, folder.absolute())), cwd=folder,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=_environment(stage, home), bufsize=0,
        )  # fmt: skip
    deadline = time.monotonic() + limits.timeout_s
    try:
        if child.stdout is None:
            raise AssertionError("the child was opened with a pipe")
        outcome = _listen(child.stdout, report, log, lambda: _keep_to(limits, stage, deadline))
        status = child.wait()
    finally:
        end(child)
    if "error" in outcome:
        raise rebuilt(outcome["error"])
    if "result" not in outcome:
        raise _died(stage, status, log)
    result: dict[str, Any] = outcome["result"]
    return result


def _environment(stage: str, home: Home) -> dict[str, str]:
    given = {**worker_environment(more=FOR_SSH if stage == TRAINING else ()), **preload_environment()}
    return {**given, HOME_VARIABLE: str(home.root.absolute()), "PYTHONUNBUFFERED": "1"}


def _keep_to(limits: Limits, stage: str, deadline: float) -> None:
    if reason := limits.asked_to_end():
        raise CancelledError(reason)
    if time.monotonic() > deadline:
        raise StageError(
            f"the {stage} stage took longer than {limits.timeout_s / 3600:g} h",
            hint="raise runs.stage_timeout_hours in the configuration; `adapterctl retrain` goes on where it stopped",
        )


def _listen(
    stdout: IO[bytes], report: Callable[[dict[str, Any]], None], log: Path, look: Callable[[], object]
) -> dict[str, Any]:
    """Pass progress on until the child closes its output; returns the last message that was no progress."""

    def write_to_log(line: bytes) -> None:
        with log.open("ab") as file:
            file.write(line + b"\n")

    outcome: dict[str, Any] = {}
    for message in messages(stdout, write_to_log, look):
        if "progress" in message:
            report(message["progress"])
        else:
            outcome = message
    return outcome


def _died(stage: str, status: int, log: Path) -> WorkerLostError:
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    with log.open("rb") as file:
        tail = last_line(file, TAIL_BYTES)
    said = f"; its last words: {tail}" if tail else ""
    return WorkerLostError(
        f"the {stage} worker {how}{said}", hint=f"its log is {log}; `adapterctl retrain` goes on where it stopped"
    )
