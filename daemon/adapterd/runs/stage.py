"""What a stage is: its function, what it depends on, and what the store learns from its result."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from adapterd.config import ModelSettings
from adapterd.formats.evaluation import Bridge
from adapterd.formats.run_folder import ADAPTER, DATASET
from adapterd.home import Home
from adapterd.runs.plan import RunPlan
from adapterd.serialization import dumps, from_plain, to_plain
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import fingerprint, runtime_for
from adapterd.serving.tags import ModelTags

if TYPE_CHECKING:
    from adapterd.providers.provider import JobId
    from adapterd.store import Store
    from adapterd.store.runs import Run

ENOUGH_DONE, LARGEST_SHARE = 0.05, 0.99
"""The share of a stage from which its remaining time can be estimated, and the largest before it has ended."""
T = TypeVar("T")
Result = dict[str, Any]
Results = Mapping[str, Result]
"""What the stages before gave back, as plain values, by the stage's name."""


@dataclass(frozen=True)
class Job:
    """One stage's view of its run. `report` takes the share done (0…1) and whatever else is worth showing.

    `training_job` is the job that the training provider has been given, if any; a new one is submitted by the id
    `submit_as`, and `submitted` takes the provider's id of it.
    """

    plan: RunPlan
    folder: Path
    home: Home
    results: Results
    report: Callable[..., object] = field(default=lambda _share, **_more: None)
    submit_as: str = ""
    training_job: "JobId | None" = None
    submitted: "Callable[[JobId], object]" = field(default=lambda _job_id: None)

    def result(self, stage: str, kind: type[T]) -> T:
        """What an earlier stage gave back."""
        return from_plain(self.results[stage], kind)

    @cached_property
    def runtime(self) -> Runtime:
        return runtime_for(self.plan.general, self.home)

    @property
    def tags(self) -> ModelTags:
        return ModelTags(self.plan.model)

    @property
    def dataset(self) -> Path:
        return self.folder / DATASET

    @property
    def adapter(self) -> Path:
        return self.folder / ADAPTER


@dataclass(frozen=True)
class EarlierRun:
    """A run that is over, and the place to which an artifact of its stages is to be copied: the folder of a new run."""

    run: "Run"
    home: Home
    runtime: Runtime
    folder: Path


def _learns_nothing(_store: "Store", _plan: RunPlan, _result: Result) -> None:
    """The journal keeps the result of every stage; most stages have nothing else for the store."""


def _depends_on_nothing_else(_plan: RunPlan, _results: Results) -> object:
    return None


@dataclass(frozen=True)
class Stage:
    """A step of the pipeline: its name in the journal, what it does, and a word for people.

    A stage is done again when its key changes. The key follows from `reads`, the dotted names of the model's settings
    that the stage depends on, and from `inputs`: what else it depends on of the plan and of earlier results.
    `artifact` is what the stage leaves in the run's folder; if that is gone, the stage is done again. `record` tells
    the store what follows from the result, in the transaction that finishes the stage. `restore` copies the artifact
    of an earlier run whose stage had the same key, and returns the result for this run, or None where the artifact is
    gone. Newer feedback makes a run outdated until the stage that `takes_feedback` is done. A stage that is `only_if`
    is left out of other runs.
    """

    name: str
    run: Callable[[Job], Any]
    doing: str
    reads: tuple[str, ...] = ()
    inputs: Callable[[RunPlan, Results], object] = _depends_on_nothing_else
    artifact: str | None = None
    record: Callable[["Store", RunPlan, Result], None] = _learns_nothing
    restore: Callable[[EarlierRun, Result], Result | None] | None = None
    takes_feedback: bool = False
    only_if: Callable[[RunPlan], bool] = lambda _plan: True

    def key(self, plan: RunPlan, results: Results) -> str:
        """The identity of everything that the stage's result depends on."""
        base = [plan.base.digest, plan.base.modelfile, plan.base.prompting]
        read = settings_at(plan.made_with, self.reads)
        return fingerprint(dumps([plan.model, self.name, read, base, self.inputs(plan, results)]))

    def is_there(self, folder: Path) -> bool:
        """Whether the run's folder has what the stage leaves there."""
        return self.artifact is None or (folder / self.artifact).exists()


def settings_at(settings: ModelSettings, names: Iterable[str]) -> dict[str, Any]:
    """The settings of these dotted names (`training`, `evaluation.num_ctx`), as plain values."""
    table = to_plain(settings)
    return {name: _at(table, name) for name in names}


def changed_settings(one: ModelSettings, other: ModelSettings, names: Sequence[str]) -> list[str]:
    """Those of the dotted names whose settings differ."""
    before, after = (settings_at(each, names) for each in (one, other))
    return [name for name in before if before[name] != after[name]]


def _at(table: Any, name: str) -> Any:
    for part in name.split("."):
        table = table[part]
    return json.loads(dumps(table))


def under_way(progress: dict[str, Any], elapsed_s: float) -> dict[str, Any]:
    """What a stage says while it goes on: never that all is done, and with `remaining_s`, extrapolated, unless it has
    its own estimate or too little is done."""
    if "share" not in progress:
        return progress
    share = min(LARGEST_SHARE, float(progress["share"]))
    can_estimate = "remaining_s" not in progress and ENOUGH_DONE <= share < LARGEST_SHARE
    left = {"remaining_s": elapsed_s * (1 - share) / share} if can_estimate else {}
    return {**progress, "share": share, **left}


def notes_of(results: Mapping[str, Mapping[str, Any] | None]) -> tuple[str, ...]:
    """Sentences on the results of a run: how much was learned, and what was left out and why."""
    from adapterd.dataset.left_out import LeftOut, summary

    notes = (results.get("dataset") or {}).get("notes") or ()
    left_out = [LeftOut(**each) for each in (results.get("evaluation") or {}).get("left_out") or ()]
    bridge = (results.get("evaluation") or {}).get("bridge")
    grown = [f"the evaluation set has grown; {from_plain(bridge, Bridge).sentence()}"] if bridge else []
    return (*notes, *([summary(left_out, "left out of the comparison")] if left_out else []), *grown)
