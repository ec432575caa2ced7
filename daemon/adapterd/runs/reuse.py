"""Results of earlier runs that a new run takes over, because nothing that they depend on has changed since.

Who changes a setting that only the evaluation reads gets a run that evaluates only: the adapter is taken from the
folder of an earlier run or of its version, the merged file from the runtime's store.
"""

import errno
import os
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from adapterd.config import ModelSettings, Start
from adapterd.errors import InputError, NotFoundError, RuntimeRefusedError
from adapterd.formats.adapter_files import CONFIG, WEIGHTS, own_digest
from adapterd.formats.lineage import LINEAGE
from adapterd.formats.metrics_log import METRICS
from adapterd.formats.run_folder import ADAPTER, CANDIDATE
from adapterd.home import Home, make_private
from adapterd.intake.screening import HeldRecord
from adapterd.runs.plan import RunPlan, readable_plan, same_base, same_settings
from adapterd.runs.stage import EarlierRun, Result, Results, Stage, changed_settings
from adapterd.runs.version_numbers import Increment, next_version
from adapterd.serialization import dumps
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import file_digest, fingerprint
from adapterd.serving.tags import ModelTags
from adapterd.serving.unreadable import Access, access
from adapterd.store import Store
from adapterd.store.runs import Run, RunState, StageRow, StageState
from adapterd.store.versions import Version
from adapterd.system.files import clone_atomic

ADAPTER_READS = ("dataset", "think", "training")
"""What an adapter is made with. The dataset stage also reads limits of the evaluation, for the set that it freezes."""
TRAINING = "training"
"""The stage on which it depends whether a run reuses another."""
RUNS_SEARCHED = 20
"""The newest of a model's runs, among which results are looked for."""
NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES)


@dataclass(frozen=True)
class EarlierResult:
    """The result of a stage, and the run that it is taken over from."""

    run_id: str
    result: Result


def plan_training(store: Store, plan: RunPlan, taken: Collection[str]) -> RunPlan:
    """The plan of a run that makes its own adapter, or registers the given one: where it starts, and its number, which
    is above those that are `taken`."""
    live = store.versions.get(plan.model, plan.live)
    warm = plan.settings.training.start is Start.LIVE and live is not None and live.base_digest == plan.base.digest
    if live and warm and live.version in store.removals.marks(plan.model):
        warm = False  # its adapter has learned what was taken back
    known = _known_to(store, live, plan.sample)
    plan = replace(plan, reuses=None, start=live.version if live and warm else None, old_records=known)
    return _numbered(store, plan, taken, plan.given.increment if plan.given else Increment.MINOR)


def starts_at_another_base(store: Store, plan: RunPlan) -> str:
    """A sentence where a training was to begin at the adapter that is live, and that is one of another base; empty
    otherwise."""
    live = store.versions.get(plan.model, plan.live)
    if plan.given or plan.settings.training.start is not Start.LIVE or live is None:
        return ""
    if live.base_digest == plan.base.digest:
        return ""
    return (
        f"{plan.model}: {live.version} is of another base, so the training begins at the base (training.start = live)"
    )


def plan_reuse(store: Store, home: Home, plan: RunPlan, taken: Collection[str]) -> RunPlan | None:
    """The plan that starts and divides as the newest run whose adapter would be the same did; None without such a run.

    Where nothing changed since the last run that finished, somebody wants another training, so nothing is reused.
    """
    if plan.given or _nothing_changed(store, home, plan):
        return None
    for run in _earlier_runs(store, plan.model):
        earlier = readable_plan(home, run) if _has_trained(store, run) else None
        if earlier and _same_records(run, earlier, plan) and _same_adapter(earlier, plan):
            plan = replace(
                plan,
                start=earlier.start,
                old_records=earlier.old_records,
                sample=earlier.sample,
                recipe_change=earlier.recipe_change,
                training_hours=earlier.training_hours,
            )
            return _taking_from(store, plan, taken, run.id)
    return None


def decide_reuse(store: Store, plan: RunPlan, taken: Collection[str], found: EarlierResult | None) -> RunPlan:
    """The plan once it is known whether an adapter could be taken over, and of which run."""
    return _taking_from(store, plan, taken, found.run_id) if found else plan_training(store, plan, taken)


def take_over(
    store: Store, home: Home, runtime: Runtime, plan: RunPlan, stage: Stage, key: str
) -> EarlierResult | None:
    """The result of the same stage of an earlier run, with its artifact in this run's folder; None without one."""
    if stage.restore is None or plan.reuses is None:
        return None
    lost = None
    for run in _earlier_runs(store, plan.model):
        row = finished_stage(store, run.id, stage.name, key)
        if row is None or row.result is None:
            continue
        result = stage.restore(EarlierRun(run, home, runtime, home.run(plan.run_id)), row.result)
        if result is not None:
            return EarlierResult(run.id, result)
        lost = lost or run.id
    if lost:
        text = f"{plan.model}: {stage.name} is done again, for what run {lost} made is gone or damaged"
        store.events.add("stage.repeated", text, model=plan.model, detail={"run": plan.run_id})
    return None


def settings_changed(store: Store, home: Home, model: str, settings: ModelSettings) -> bool:
    """Whether a setting that runs read changed since the model's last run that finished, as far as is known."""
    last = _last_finished(store, home, model)
    return last is not None and not same_settings(last.settings, settings)


def released_records(store: Store, home: Home, model: str, held: Iterable[HeldRecord]) -> list[datetime]:
    """When the records came that the model's last run that finished left out for what was found in them, and that are
    there and not `held` any more. What came after those that it learned is new anyway."""
    last = _last_finished(store, home, model)
    if last is None or not last.held:
        return []
    released = set(last.held) - {each.content_hash for each in held}
    return store.screenings.arrivals(model, released, last_id=store.runs.last_learned_id(model))


def _last_finished(store: Store, home: Home, model: str) -> RunPlan | None:
    """The plan of the newest run that trained and came to a verdict."""
    finished = (run for run in _earlier_runs(store, model) if run.state is not RunState.ABANDONED)
    return next((readable_plan(home, run) for run in finished), None)


def _earlier_runs(store: Store, model: str) -> list[Run]:
    """The runs that trained and are over, the newest first."""
    return [run for run in store.runs.newest(model, RUNS_SEARCHED) if not run.state.open and not run.adapter_source]


def _nothing_changed(store: Store, home: Home, plan: RunPlan) -> bool:
    last = _last_finished(store, home, plan.model)
    same = last is not None and same_settings(last.settings, plan.settings) and same_base(last.base, plan.base)
    return same and store.runs.last_learned_id(plan.model) == plan.last_feedback_id


def _same_records(run: Run, earlier: RunPlan, plan: RunPlan) -> bool:
    return run.last_feedback_id == plan.last_feedback_id and earlier.held == plan.held


def _same_adapter(one: RunPlan, other: RunPlan) -> bool:
    return same_base(one.base, other.base) and not changed_settings(one.settings, other.settings, ADAPTER_READS)


def _has_trained(store: Store, run: Run) -> bool:
    return any(row.name == TRAINING and row.state is StageState.DONE for row in store.runs.stages(run.id))


def _taking_from(store: Store, plan: RunPlan, taken: Collection[str], run_id: str) -> RunPlan:
    """The plan with the number that follows from the adapter of that run: another version may have it already."""
    has_a_version = any(version.run_id == run_id for version in store.versions.all(plan.model))
    return _numbered(store, replace(plan, reuses=run_id), taken, Increment.PATCH if has_a_version else Increment.MINOR)


def _numbered(store: Store, plan: RunPlan, taken: Collection[str], increment: Increment) -> RunPlan:
    others = [version for version in store.versions.all(plan.model) if version.run_id != plan.run_id]
    return replace(plan, version=next_version(others, plan.base.digest, increment, set(taken) - {plan.version}))


def _known_to(store: Store, live: Version | None, sample: Sequence[int] | None) -> int:
    """How many records of the snapshot, the first ones, the version was trained on or could have been."""
    run = store.runs.get(live.run_id) if live else None
    if live is None or run is None or run.adapter_source:
        return 0
    if sample is not None:
        return bisect_right(sample, run.last_feedback_id)
    return store.feedback.count(live.model) - store.feedback.count(live.model, after_id=run.last_feedback_id)


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
    """Copy the adapter of an earlier run, from its folder or its version's, if it is still what was trained."""
    digest = result.get("adapter_digest")
    source = next((folder for folder in _adapter_folders(earlier) if _is_intact(folder, digest)), None)
    if source is None:
        return None
    target = make_private(earlier.folder / ADAPTER)
    for name in (METRICS, CONFIG, WEIGHTS):  # the weights last: they are the sign that all is there
        clone_atomic(source / name, target / name)
    return result


def restore_candidate(earlier: EarlierRun, result: Result) -> Result | None:
    """Link the merged file of an earlier run, from the runtime's store."""
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


def _is_intact(folder: Path, digest: str | None) -> bool:
    return all((folder / name).is_file() for name in (WEIGHTS, CONFIG, METRICS)) and own_digest(folder) == digest


def _run_of(version_folder: Path) -> str | None:
    """The run that wrote a version's folder."""
    try:
        lineage = LINEAGE.read(version_folder)
    except InputError:  # damaged
        return None
    return str(lineage["run"]) if lineage else None


def _stored_candidate(earlier: EarlierRun, digest: str) -> Path | None:
    if earlier.run.version is None:
        return None
    try:
        served = earlier.runtime.show(ModelTags(earlier.run.model).version(earlier.run.version)).gguf
    except (NotFoundError, RuntimeRefusedError):
        return None
    return served if served and access(served) is Access.READABLE and file_digest(served) == digest else None
