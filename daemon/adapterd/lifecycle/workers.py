"""Heavy stages run in a child process; its death is an ordinary event (law 8).

The child is `python -m adapterd.worker STAGE RUN_FOLDER`. It reports on standard output in JSON lines: progress while
it works, at the end its result or its error. Its standard error goes to a log in the run's folder. It ends when its
parent does: it watches its standard input, which closes then.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from adapterd import errors
from adapterd.errors import AdapterdError, StageError
from adapterd.home import HOME_VARIABLE, Home
from adapterd.system.blas import preload_environment

TAIL_BYTES = 2000
GRACE_S = 5.0


def run_stage(
    stage: str, folder: Path, home: Home, *, report: Callable[[dict[str, Any]], None] = lambda _: None
) -> dict[str, Any]:
    """Run one stage in a child; returns its result as plain values, or raises what the child raised.

    Raises StageError when the child dies without a word, naming the log.
    """
    log = folder / f"{stage}.log"
    with log.open("ab") as stderr:
        child = subprocess.Popen(
            [sys.executable, "-m", "adapterd.worker", stage, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=_environment(home),
        )  # fmt: skip
    try:
        if child.stdout is None:
            raise AssertionError("the child was opened with a pipe")
        outcome = _listen(child.stdout, report, log)
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
    return {**os.environ, **preload_environment(), HOME_VARIABLE: str(home.root), "PYTHONUNBUFFERED": "1"}


def _listen(stdout: IO[bytes], report: Callable[[dict[str, Any]], None], log: Path) -> dict[str, Any]:
    """Pass progress on until the child closes its output; returns the last message that was no progress.

    What is no message (a line cut short by the child's death, words of a library) goes to the log.
    """
    outcome: dict[str, Any] = {}
    for line in stdout:
        message = _message(line)
        if message is None:
            with log.open("ab") as file:
                file.write(line)
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


def _died(stage: str, status: int, log: Path) -> StageError:
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        tail = file.read().decode(errors="replace").strip().splitlines()[-1:]
    said = f"; its last words: {tail[0]}" if tail else ""
    return StageError(
        f"the {stage} worker {how}{said}", hint=f"its log is {log}; `adapterctl retrain` goes on where it stopped"
    )
