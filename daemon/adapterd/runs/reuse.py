"""Results of an earlier run that a new run takes over, because nothing that they depend on has changed since.

Who changes a setting that only the evaluation reads gets a run that evaluates only: the adapter is taken from the run
before it or from the folder of its version, the merged file from there or from the runtime's store.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from adapterd.errors import InputError, NotFoundError, RuntimeRefusedError
from adapterd.formats.adapter_files import CONFIG, WEIGHTS
from adapterd.formats.lineage import LINEAGE
from adapterd.formats.metrics_log import METRICS
from adapterd.formats.run_folder import ADAPTER, CANDIDATE
from adapterd.home import Home, make_private
from adapterd.runs.plan import RunPlan, readable_plan, same_base
from adapterd.runs.stage import EarlierRun, Result, Results, Stage, changed_settings
from adapterd.serialization import dumps
from adapterd.serving.runtimes import file_digest, fingerprint
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from adapterd.store.runs import Run, StageRow, StageState
from adapterd.system.files import clone_atomic

NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES)


def reusable_run(store: Store, home: Home, plan: RunPlan, wanted: str, reads: Sequence[str]) -> Run | None:
    """The model's newest run, if settings changed since, but none of those that its adapter was made with (`reads`).

    Where nothing changed at all, somebody wants another training, so nothing is taken over.
    """
    run = store.runs.latest(plan.model)
    if run is None or run.state.open or run.adapter_source or plan.given or run.fingerprint == wanted:
        return None
    earlier = readable_plan(home, run)
    if earlier is None or run.last_feedback_id != plan.last_feedback_id or not same_base(earlier.base, plan.base):
        return None
    return None if changed_settings(earlier.settings, plan.settings, reads) else run


def finished_stage(store: Store, run_id: str, stage: str, *keys: str | None) -> StageRow | None:
    """The stage of a run, if it is done and was done with one of these keys."""
    rows = (row for row in store.runs.stages(run_id) if row.name == stage and row.state is StageState.DONE)
    return next((row for row in rows if row.key in keys and row.result is not None), None)


def former_key(run: Run, plan: RunPlan, stage: Stage, results: Results) -> str | None:
    """The key that earlier releases gave to a stage that leaves an artifact: a run that one of them began goes on, and
    does not train again. Their plans do not say which feedback is in the snapshot."""
    if stage.artifact is None or plan.last_feedback_id:
        return None
    return fingerprint(dumps([run.fingerprint, stage.name, results, ""]))


def restore_adapter(earlier: EarlierRun, result: Result) -> Result | None:
    """Copy the adapter of an earlier run, from its folder or its version's."""
    source = next((folder for folder in _adapter_folders(earlier) if _is_whole(folder)), None)
    if source is None:
        return None
    target = make_private(earlier.folder / ADAPTER)
    for name in (METRICS, CONFIG, WEIGHTS):  # the weights last: they are the sign that all is there
        clone_atomic(source / name, target / name)
    return result


def restore_candidate(earlier: EarlierRun, result: Result) -> Result | None:
    """Link the merged file of an earlier run, from its folder or the runtime's store."""
    source = _stored_candidate(earlier, result["digest"])
    if source is None:
        return None
    target = earlier.folder / CANDIDATE
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError as exc:
        if exc.errno not in NO_LINK:
            raise
        clone_atomic(source, target)
    return {**result, "candidate": str(target)}


def _adapter_folders(earlier: EarlierRun) -> Iterator[Path]:
    yield earlier.home.run(earlier.run.id) / ADAPTER
    if earlier.run.version:
        folder = earlier.home.version(earlier.run.model, earlier.run.version)
        if _run_of(folder) == earlier.run.id:  # a run that was given up leaves its number to the next one
            yield folder


def _is_whole(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (WEIGHTS, CONFIG, METRICS))


def _run_of(version_folder: Path) -> str | None:
    """The run that wrote a version's folder."""
    try:
        lineage = LINEAGE.read(version_folder)
    except InputError:  # damaged
        return None
    return str(lineage["run"]) if lineage else None


def _stored_candidate(earlier: EarlierRun, digest: str) -> Path | None:
    kept = earlier.home.run(earlier.run.id) / CANDIDATE
    if kept.is_file():
        return kept
    if earlier.run.version is None:
        return None
    try:
        served = earlier.runtime.show(ModelTags(earlier.run.model).version(earlier.run.version)).gguf
    except (NotFoundError, RuntimeRefusedError):
        return None
    return served if served and served.is_file() and file_digest(served) == digest else None
