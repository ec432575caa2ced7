"""The child process of a stage: `python -P -m adapterd.worker STAGE RUN_FOLDER` (see runs/stage_process.py)."""

import errno
import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import IO, Any

from adapterd.errors import AdapterdError, NoSpaceError, StageError
from adapterd.formats.run_folder import PLAN, RESULTS
from adapterd.home import PRIVATE_UMASK, Home
from adapterd.runs.plan import Plan
from adapterd.runs.stage import Job
from adapterd.runs.stages import STAGES
from adapterd.serialization import from_plain, to_plain

REPORT_EVERY_S = 0.25


class Channel:
    """JSON lines to the parent. Libraries that print do so to standard error, so that they cannot break the lines."""

    def __init__(self) -> None:
        self._out: IO[str] = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._last = 0.0

    def send(self, message: dict[str, Any]) -> None:
        """Write one line at once."""
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()

    def report(self, share: float, **more: Any) -> None:
        """Send progress, a few times per second at most."""
        if time.monotonic() - self._last >= REPORT_EVERY_S or share >= 1:
            self._last = time.monotonic()
            self.send({"progress": {"share": round(share, 4), **more}})


def main() -> int:
    """Run the stage named on the command line; the exit status only matters if no result was sent."""
    stage_name, folder = sys.argv[1], Path(sys.argv[2])
    os.umask(PRIVATE_UMASK)
    channel = Channel()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        result = _run(stage_name, folder, channel)
    except Exception as exc:
        error = _as_error(exc, stage_name, folder)
        if error is not exc:
            traceback.print_exc()
        channel.send({"error": {"kind": type(error).__name__, "message": str(error), "hint": error.hint}})
    else:
        channel.send({"result": result})
    return 0


def _as_error(exc: Exception, stage_name: str, folder: Path) -> AdapterdError:
    """What a person is told; the traceback is for the log."""
    if isinstance(exc, AdapterdError):
        return exc
    if isinstance(exc, MemoryError):
        return NoSpaceError("memory ran out", hint="lower training.batch_size or dataset.max_tokens")
    if isinstance(exc, OSError):
        text = f"the {stage_name} stage could not go on: {exc.strerror or exc} ({exc.filename or folder})"
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            return NoSpaceError(text, hint="free some space; `adapterctl retrain` goes on where this stopped")
        return StageError(text)
    return StageError(
        f"the {stage_name} stage failed unexpectedly ({type(exc).__name__}: {exc})",
        hint=f"this is a bug in adapterd; details are in {folder / stage_name}.log",
    )


def _run(stage_name: str, folder: Path, channel: Channel) -> Any:
    stage = next(stage for stage in STAGES if stage.name == stage_name)
    plan = from_plain(json.loads((folder / PLAN).read_text(encoding="utf-8")), Plan)
    results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    job = Job(plan=plan, folder=folder, home=Home.locate(), results=results, report=channel.report)
    return to_plain(stage.run(job))


def _end_with_parent() -> None:
    """Standard input closes when the parent is gone, however it went."""
    while os.read(0, 1):
        pass
    os._exit(3)


if __name__ == "__main__":
    sys.exit(main())
