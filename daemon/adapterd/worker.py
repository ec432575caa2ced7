"""The child process of a stage: `python -P -m adapterd.worker STAGE RUN_FOLDER` (see runs/stage_process.py)."""

import errno
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from adapterd.errors import AdapterdError, NoSpaceError, StageError
from adapterd.formats.run_folder import PLAN, RESULTS
from adapterd.home import PRIVATE_UMASK, Home
from adapterd.runs.plan import RunPlan
from adapterd.runs.stage import Job
from adapterd.runs.stages import STAGES
from adapterd.runs.training_jobs import TRAINING, HandedOver
from adapterd.serialization import from_plain, to_plain
from adapterd.system.child.messages import Channel, end_with_parent
from adapterd.system.host.rights import way_to_read

REPORT_EVERY_S = 0.25


def main() -> int:
    """Run the stage named on the command line; the exit status only matters if no result was sent."""
    stage_name, folder = sys.argv[1], Path(sys.argv[2])
    os.umask(PRIVATE_UMASK)
    channel = Channel(REPORT_EVERY_S)
    end_with_parent()
    try:
        result = _run(stage_name, folder, channel)
    except Exception as exc:
        error = _as_error(exc, stage_name, folder)
        if error is not exc:
            traceback.print_exc()
        channel.send_error(error)
    else:
        channel.send_result(result)
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
        return StageError(text, hint=way_to_read(Path(exc.filename or folder), exc.errno))
    return StageError(
        f"the {stage_name} stage failed unexpectedly ({type(exc).__name__}: {exc})",
        hint=f"this is a bug in adapterd; details are in {folder / stage_name}.log",
    )


def _run(stage_name: str, folder: Path, channel: Channel) -> Any:
    stage = next(stage for stage in STAGES if stage.name == stage_name)
    plan = from_plain(json.loads((folder / PLAN).read_text(encoding="utf-8")), RunPlan)
    results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    handed_over = HandedOver.read(folder) if stage_name == TRAINING else HandedOver("", None)
    job = Job(
        plan=plan, folder=folder, home=Home.locate(), results=results, report=channel.report,
        submit_as=handed_over.submit_as, training_job=handed_over.waits_for,
        submitted=lambda job_id: channel.announce(share=0.0, job_id=job_id),
    )  # fmt: skip
    return to_plain(stage.run(job))


if __name__ == "__main__":
    sys.exit(main())
