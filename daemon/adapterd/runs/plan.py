"""What a run will do, written down before it begins, so that every process and every continuation sees the same."""

import secrets
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from adapterd.base.model import BaseModel
from adapterd.chat import from_dicts
from adapterd.config import (
    FeedbackSettings,
    JudgingSettings,
    ModelSettings,
    ScheduleSettings,
    Settings,
    TeachingSettings,
    VersionsSettings,
    WatchSettings,
)
from adapterd.errors import AdapterdError, InputError
from adapterd.formats.adapter_files import find_adapter
from adapterd.formats.run_folder import GIVEN, ORIGINS, PLAN, RECORDS, SYNTHETIC
from adapterd.formats.synthetic import TeacherExample, write_synthetic
from adapterd.home import Home, make_private
from adapterd.record import prompt_hash
from adapterd.runs.recipe_change import RecipeChange
from adapterd.runs.version_numbers import Increment
from adapterd.serialization import dumps, from_plain
from adapterd.serving.runtimes import fingerprint
from adapterd.store import Store
from adapterd.store.evaluation_sets import EvaluationSet
from adapterd.store.runs import Run
from adapterd.store.teaching.examples import ExampleState, SyntheticExample
from adapterd.system.files import write_atomic


@dataclass(frozen=True)
class GivenAdapter:
    """An adapter that was made elsewhere: the folder it is in, `sha256:<hex>` of its files, how its version counts."""

    source: Path
    digest: str
    increment: Increment

    def command(self, model: str) -> str:
        """What a person gives to begin its run, or to go on with it."""
        count = "" if self.increment is Increment.PATCH else f" --as {self.increment}"
        return f"adapterctl register {shlex.quote(str(self.source))} --model {model}{count}"

    def copy_to(self, folder: Path) -> None:
        """Copy the adapter's files; raises InputError if they are no longer what the digest is of."""
        try:
            find_adapter(self.source).copy_to(make_private(folder))
            if find_adapter(folder).digest() != self.digest:
                raise InputError(f"{self.source} changed while it was read", hint="give the command again")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


@dataclass(frozen=True)
class RunPlan:
    """Everything that the stages of one run need to know. `live` is the version that the candidate is compared with,
    `evaluation_cases` the frozen set in force (empty before the first), `judged` the prompt hashes of all sets,
    `earlier_cases` what the others ask. The first `old_records` of the snapshot are those that what is live was trained
    on; training starts at the adapter of the version `start`, or at the base. The `given` adapter is taken instead of
    training one. The snapshot has the records up to `last_feedback_id`; those `held`, by content hash, are in no set;
    `origins` counts where they came from. A plan that `reuses` an earlier run starts and divides as that did; results
    of earlier runs are taken over where their inputs are the same. The cases of the ids `joined` came to the set in
    force when it grew; of the prompts that are `unseen` by all versions, or `waiting`, some may join next, unless the
    set was chosen by hand. Of more records than a night can train on, the snapshot has those with the ids of the
    `sample`. The `recipe_change` is what is done otherwise than the `settings` leave open; the training may take so
    many `training_hours` where that is less than they say. `synthetic` are the ids of the examples of teachers that the
    snapshot has, and `synthetic_yield` tells of how many these were kept."""

    run_id: str
    model: str
    version: str
    base: BaseModel
    settings: ModelSettings
    general: Settings
    live: str
    evaluation_cases: list[dict[str, Any]] = field(default_factory=list)
    judged: list[str] = field(default_factory=list)
    earlier_cases: list[dict[str, Any]] = field(default_factory=list)
    old_records: int = 0
    start: str | None = None
    given: GivenAdapter | None = None
    last_feedback_id: int = 0
    reuses: str | None = None
    held: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)
    set_by_hand: bool = False
    sample: list[int] | None = None
    origins: dict[str, int] = field(default_factory=dict)
    recipe_change: RecipeChange | None = None
    training_hours: float | None = None
    synthetic: list[int] = field(default_factory=list)
    synthetic_yield: dict[str, Any] = field(default_factory=dict)

    @property
    def made_with(self) -> ModelSettings:
        """The settings that the adapter is made with: with the changed recipe and the time that there is."""
        settings = self.recipe_change.applied(self.settings) if self.recipe_change else self.settings
        if self.training_hours is None:
            return settings
        return replace(settings, training=replace(settings.training, max_hours=self.training_hours))


def plan_fingerprint(model: str, settings: ModelSettings, base: BaseModel, given: GivenAdapter | None = None) -> str:
    """The identity of all that a run is made and judged with, its records and evaluation set aside.

    How feedback is read, when it begins, and what is kept or watched later makes no difference; how the runtime prompts
    the base does.
    """
    adapter = [given.digest, given.increment] if given else []
    return fingerprint(dumps([model, _making(settings), base.digest, base.modelfile, base.prompting, *adapter]))


def same_settings(one: ModelSettings, other: ModelSettings) -> bool:
    """Whether runs with these settings make and judge the same."""
    return dumps(_making(one)) == dumps(_making(other))


def _making(settings: ModelSettings) -> ModelSettings:
    return replace(
        settings,
        feedback=FeedbackSettings(),
        schedule=ScheduleSettings(),
        teaching=TeachingSettings(),
        judging=JudgingSettings(),
        versions=VersionsSettings(),
        watch=WatchSettings(),
    )


def new_run_id(now: datetime) -> str:
    """Sorts by time, and two runs of the same second still differ."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def open_plan(home: Home, run: Run) -> RunPlan:
    """The plan of a run that was begun earlier."""
    import json

    return from_plain(json.loads((home.run(run.id) / PLAN).read_text(encoding="utf-8")), RunPlan)


def readable_plan(home: Home, run: Run) -> RunPlan | None:
    """The plan of a run that was begun earlier; None where it is gone, or nothing that this release can read."""
    try:
        return open_plan(home, run)
    except (OSError, ValueError, KeyError, TypeError, ExceptionGroup):
        return None


def same_base(one: BaseModel, other: BaseModel) -> bool:
    """Whether two runs have the same base, prompted in the same way; where its file is makes no difference."""
    return dumps([one.digest, one.modelfile, one.prompting]) == dumps([other.digest, other.modelfile, other.prompting])


def write_plan(folder: Path, plan: RunPlan, store: Store) -> None:
    """Keep the plan, a copy of a given adapter, and a snapshot of the records it is made for, in the run's folder."""
    make_private(folder)
    if plan.given:
        plan.given.copy_to(folder / GIVEN)
    rows = (
        store.feedback.all(plan.model, up_to_id=plan.last_feedback_id)
        if plan.sample is None
        else list(store.feedback.some(plan.model, plan.sample))
    )
    write_atomic(folder / RECORDS, "".join(row.record + "\n" for row in rows))
    write_atomic(folder / ORIGINS, "".join(dumps(row.origin) + "\n" for row in rows))
    write_atomic(folder / SYNTHETIC, write_synthetic(_known_examples(store, plan)))
    write_atomic(folder / PLAN, dumps(plan))


def teacher_examples(store: Store, model: str) -> list[TeacherExample]:
    """What teachers made and is kept."""
    return [_of_teacher(each) for each in store.teaching.examples.all(model, ExampleState.KEPT)]


def _known_examples(store: Store, plan: RunPlan) -> Iterator[TeacherExample]:
    """The examples of teachers that the run has, and, where prompts may join the frozen set, those that an earlier
    training may have had."""
    wanted = set(plan.synthetic)
    for each in store.teaching.examples.ever_kept(plan.model) if wanted or plan.unseen else ():
        if each.id in wanted or plan.unseen:
            yield replace(_of_teacher(each), is_taught=each.id in wanted)


def _of_teacher(each: SyntheticExample) -> TeacherExample:
    messages = from_dicts(list(each.messages))
    return TeacherExample(
        each.id, messages, each.answer, each.kind, each.teacher, each.created_at, each.rejected, each.records
    )


def change_plan(home: Home, plan: RunPlan, store: Store) -> RunPlan:
    """Keep a plan that has changed since its run began; returns it."""
    write_atomic(home.run(plan.run_id) / PLAN, dumps(plan))
    store.runs.set_version(plan.run_id, plan.version)
    return plan


def prompt_hashes(sets: Sequence[EvaluationSet]) -> list[str]:
    """The hashes of the prompts of all sets."""
    return [prompt_hash(from_dicts(case["messages"])) for each in sets for case in each.cases]


def earlier_cases(sets: Sequence[EvaluationSet]) -> list[dict[str, Any]]:
    """What is asked by sets that are no longer in force, and not by the one that is; each once."""
    in_force = {case["id"] for case in sets[-1].cases} if sets else set()
    return list({case["id"]: case for each in sets[:-1] for case in each.cases if case["id"] not in in_force}.values())


def name_command(plan: RunPlan, exc: BaseException) -> None:
    """Stages say that `adapterctl retrain` goes on; a run that registers an adapter goes on by another command."""
    if plan.given and isinstance(exc, AdapterdError):
        exc.hint = exc.hint.replace("adapterctl retrain", plan.given.command(plan.model))
