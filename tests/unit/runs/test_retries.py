"""A run that fails: tried again where the fault may pass, given up where somebody wants that."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.chat import Message, Role
from adapterd.config import ModelSettings, RunsSettings, Settings
from adapterd.dataset.cases import EvaluationCase
from adapterd.deployment.deploy import Deployer
from adapterd.errors import (
    BusyError,
    CancelledError,
    InputError,
    NoSpaceError,
    NotEnoughDataError,
    PromptsChangedError,
    RuntimeRefusedError,
    RuntimeUnavailableError,
    StageError,
    StoreError,
    UnsupportedModelError,
    WorkerLostError,
)
from adapterd.formats.run_folder import CANDIDATE
from adapterd.home import Home
from adapterd.runs import pipeline as pipeline_module
from adapterd.runs.by_hand.cancel import cancel
from adapterd.runs.pipeline import RETRY_AFTER_S, Pipeline, RunOutcome
from adapterd.runs.season import night as night_module
from adapterd.store import Store
from adapterd.store.runs import Run, RunState, StageState
from adapterd.store.versions import VersionState
from tests.support.fakes import Crash, FakeRuntime
from tests.support.hand_clock import HandClock
from tests.unit.runs.scripted_workers import Workers

MODEL = "news"


@dataclass
class Nights:
    """Runs of one model, one after the other, on a clock that stands still meanwhile."""

    store: Store
    home: Home
    workers: Workers
    clock: HandClock
    settings: Settings
    runtime: FakeRuntime

    def allow(self, retries: int) -> None:
        self.settings = replace(self.settings, runs=replace(self.settings.runs, retries=retries))

    def run(self) -> RunOutcome:
        self.workers.fault = None
        self.workers.did()
        return Pipeline(self.store, self.home, self.settings).run(MODEL, "scheduled")

    def fails(self, fault: BaseException, stage: str = "serving") -> Run:
        """A run that stops at this stage, or goes on until there."""
        self.workers.fault = (stage, fault)
        with pytest.raises(type(fault)):
            Pipeline(self.store, self.home, self.settings).run(MODEL, "scheduled")
        return self.last

    @property
    def last(self) -> Run:
        run = self.store.runs.latest(MODEL)
        assert run is not None
        return run

    @property
    def waits_s(self) -> float | None:
        """In how many seconds the run is to be tried again."""
        return (self.last.retry_at - self.clock.now).total_seconds() if self.last.retry_at else None


@pytest.fixture
def nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nights]:
    runtime, workers, clock = FakeRuntime(), Workers(), HandClock()
    base = BaseModel(f"{MODEL}:base", tmp_path / "base.gguf", "sha256:base", Modelfile())
    monkeypatch.setattr(pipeline_module, "runtime_for", lambda *_: runtime)
    monkeypatch.setattr(pipeline_module, "pinned_base", lambda *_: base)
    monkeypatch.setattr(pipeline_module, "proven_base", lambda *values: values[4])
    monkeypatch.setattr(pipeline_module, "run_stage", workers)
    home = Home(tmp_path / "home")
    home.create()
    settings = Settings(models={MODEL: ModelSettings(base="b.gguf", base_digest=base.digest)})
    with Store(home.database, clock=clock) as store:
        yield Nights(store, home, workers, clock, settings, runtime)


PASSING: list[Any] = [RuntimeUnavailableError, WorkerLostError, NoSpaceError, BusyError, StoreError]
LASTING: list[Any] = [
    StageError, InputError, RuntimeRefusedError, UnsupportedModelError, NotEnoughDataError, OSError, ValueError,
]  # fmt: skip


@pytest.mark.parametrize("kind", PASSING)
def test_a_fault_that_may_pass_is_tried_again_soon(nights: Nights, kind: Any) -> None:
    run = nights.fails(kind("out of luck"))
    assert (run.state, run.error, run.attempts) == (RunState.FAILED, "out of luck", 1)
    assert nights.waits_s == RETRY_AFTER_S[0]


@pytest.mark.parametrize("kind", LASTING)
def test_a_fault_that_does_not_pass_is_not(nights: Nights, kind: Any) -> None:
    run = nights.fails(kind("out of luck"))
    assert (run.state, run.error, run.attempts, run.retry_at) == (RunState.FAILED, "out of luck", 0, None)


def test_who_interrupts_a_run_is_not_answered_by_another(nights: Nights) -> None:
    run = nights.fails(KeyboardInterrupt())
    assert (run.state, run.error, run.attempts, run.retry_at) == (RunState.FAILED, "interrupted", 0, None)


@pytest.mark.parametrize("retries", [0, 1, 5, 8])
def test_each_time_the_wait_is_longer_until_it_is_given_up(nights: Nights, retries: int) -> None:
    nights.allow(retries)
    waits = []
    while (run := nights.fails(WorkerLostError("killed"))).retry_at is not None:
        waits.append(nights.waits_s)
        nights.clock.move_on(waits[-1] or 0)
        assert len(waits) <= retries
    assert waits == [*RETRY_AFTER_S, *[RETRY_AFTER_S[-1]] * retries][:retries]
    assert (run.state, run.attempts) == (RunState.FAILED, retries)


def test_a_retry_continues_the_same_run_where_it_stopped(nights: Nights) -> None:
    run = nights.fails(WorkerLostError("killed"))
    nights.clock.move_on(RETRY_AFTER_S[0])
    outcome = nights.run()
    assert (outcome.run_id, outcome.continued) == (run.id, True)
    assert nights.workers.did() == ["serving", "evaluation"]
    assert (nights.last.state, nights.last.retry_at, nights.last.attempts) == (RunState.HELD, None, 0)


def test_while_it_goes_on_there_is_no_time_to_try_again(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    nights.fails(WorkerLostError("killed"))
    seen: list[Run] = []

    def look(*args: Any, **kwargs: Any) -> dict[str, Any]:
        seen.append(nights.last)
        return nights.workers(*args, **kwargs)

    monkeypatch.setattr(pipeline_module, "run_stage", look)
    nights.run()
    assert {(run.state, run.retry_at) for run in seen} == {(RunState.RUNNING, None)}


def test_a_stage_that_succeeds_makes_up_for_earlier_failures(nights: Nights) -> None:
    nights.fails(WorkerLostError("killed"), "training")
    nights.fails(WorkerLostError("killed"), "training")
    run = nights.fails(RuntimeUnavailableError("gone"), "serving")
    assert (run.attempts, nights.waits_s) == (1, RETRY_AFTER_S[0])


def test_stages_that_are_only_kept_make_up_for_nothing(nights: Nights) -> None:
    nights.fails(RuntimeUnavailableError("gone"), "serving")
    assert nights.fails(RuntimeUnavailableError("gone"), "serving").attempts == 2


def test_a_fault_that_does_not_pass_ends_the_trying(nights: Nights) -> None:
    nights.fails(WorkerLostError("killed"))
    run = nights.fails(InputError("the schema is wrong"))
    assert (run.retry_at, run.error) == (None, "the schema is wrong")


def test_a_run_that_is_asked_to_end_is_given_up(nights: Nights) -> None:
    run = nights.fails(CancelledError("wrong settings"), "serving")
    assert (run.state, run.error, run.retry_at) == (RunState.ABANDONED, "wrong settings", None)
    assert not (nights.home.run(run.id) / CANDIDATE).exists()
    stages = {stage.name: stage for stage in nights.store.runs.stages(run.id)}
    assert (stages["serving"].state, stages["serving"].error) == (StageState.FAILED, "wrong settings")
    assert nights.store.events.latest(model=MODEL)[0].text == f"run {run.id} is given up: wrong settings"


def test_after_that_another_run_begins(nights: Nights) -> None:
    given_up = nights.fails(CancelledError("wrong settings"), "merging")
    assert nights.run().run_id != given_up.id
    assert nights.workers.did() == ["dataset", "training", "merging", "serving", "evaluation"]


def test_a_stage_hears_of_it_from_any_process_and_knows_how_long_it_may_take(nights: Nights) -> None:
    nights.settings = replace(nights.settings, runs=RunsSettings(stage_timeout_hours=0.5))
    run = nights.fails(WorkerLostError("killed"))
    limits = nights.workers.limits
    assert (limits.timeout_s, limits.asked_to_end()) == (1800.0, None)
    with Store(nights.home.database) as other:
        other.runs.request_cancel(run.id, "enough")
    assert limits.asked_to_end() == "enough"


@pytest.fixture
def better(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> Nights:
    """The base is live, and what is made is better than that."""

    def do(stage: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        result = nights.workers(stage, *args, **kwargs)
        if stage == "merging":
            result |= {"digest": str(nights.home.database), "size_bytes": 1}  # a file that is there
        if stage == "serving":
            tag = f"{MODEL}:{nights.last.version}"
            nights.runtime.copy(f"{MODEL}:base", tag)
            result["digest"] = nights.runtime.tags()[tag]
        return result

    monkeypatch.setattr(pipeline_module, "run_stage", do)
    monkeypatch.setattr(night_module, "runtime_for", lambda *_: nights.runtime)
    nights.runtime.add(f"{MODEL}:base")
    Deployer(nights.store, nights.home, nights.runtime).start_with_base(MODEL)
    prompts = [(Message(Role.USER, f"Question {number}"),) for number in range(20)]
    cases = [EvaluationCase(f"case-{number}", prompt, "a", "") for number, prompt in enumerate(prompts)]
    nights.store.evaluation_sets.freeze(MODEL, "h", [case.as_dict() for case in cases])
    nights.workers.differences = {case.id: {"token_f1": 0.8} for case in cases}
    return nights


def judged_but_not_promoted(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that has nothing left to do but to make its version live, when the runtime is gone."""

    def refuse(tag: str) -> None:
        raise RuntimeUnavailableError("Ollama does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(nights.runtime, "load", refuse)
        with pytest.raises(RuntimeUnavailableError):
            nights.run()
    nights.workers.did()
    return nights.last


def test_a_version_that_could_not_be_promoted_is_promoted_later(
    better: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = judged_but_not_promoted(better, monkeypatch)
    assert (run.state, better.waits_s) == (RunState.FAILED, RETRY_AFTER_S[0])
    outcome = better.run()
    assert (outcome.run_id, outcome.promoted, better.workers.did()) == (run.id, True, [])
    assert better.last.state is RunState.PROMOTED


def test_not_if_somebody_wants_the_run_to_end_meanwhile(better: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    run = judged_but_not_promoted(better, monkeypatch)
    better.store.runs.request_cancel(run.id, "wrong settings")
    better.workers.differences = {}
    better.run()
    assert better.store.runs.get(run.id).state is RunState.ABANDONED
    deployment = better.store.versions.deployment(MODEL)
    assert deployment is not None
    assert deployment.live == "base"


def test_a_run_whose_promotion_was_interrupted_and_is_finished_was_judged_already(better: Nights) -> None:
    better.runtime.plan_crash(("copy", f"{MODEL}:1.0.0", f"{MODEL}:latest"), after=True)
    with pytest.raises(Crash):
        better.run()
    better.runtime.plan_crash(None)
    outcome = better.run()
    assert (outcome.promoted, better.last.state, better.workers.did()) == (True, RunState.PROMOTED, [])
    version = better.store.versions.get(MODEL, "1.0.0")
    assert version is not None
    assert version.state is VersionState.PROMOTED


class FailsOnce(Workers):
    """Workers of which the first that does a stage fails."""

    def __call__(self, stage: str, folder: Path, home: Home, *, report: Any, limits: Any) -> dict[str, Any]:
        fault = self.fault
        try:
            return super().__call__(stage, folder, home, report=report, limits=limits)
        except BaseException:
            self.fault = None if self.fault is fault else self.fault
            raise


def test_a_run_whose_prompts_are_others_by_now_begins_anew_by_itself(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = FailsOnce(fault=("serving", PromptsChangedError("3 of 32 training prompts are tokenised differently")))
    monkeypatch.setattr(pipeline_module, "run_stage", workers)
    said: list[str] = []
    Pipeline(nights.store, nights.home, nights.settings, notify=said.append).run(MODEL, "scheduled")
    assert {run.state for run in nights.store.runs.newest(MODEL, 9)} == {RunState.HELD, RunState.ABANDONED}
    assert workers.done.count("dataset") == 2
    assert any("is given up: 3 of 32 training prompts" in sentence for sentence in said)


def test_an_update_meanwhile_is_named_and_what_else_failed_is_told(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def otherwise(*_: Any) -> str | None:
        asked.append("asked")
        return "ollama 1 became ollama 2 while the run was going on, and makes other prompts" if changed else None

    monkeypatch.setattr(pipeline_module, "prompts_otherwise", otherwise)
    monkeypatch.setattr(pipeline_module, "run_stage", FailsOnce(fault=("evaluation", StageError("refused"))))
    changed = False
    with pytest.raises(StageError, match="refused"):
        Pipeline(nights.store, nights.home, nights.settings).run(MODEL, "scheduled")
    changed = True
    said: list[str] = []
    monkeypatch.setattr(pipeline_module, "run_stage", FailsOnce(fault=("evaluation", StageError("refused"))))
    Pipeline(nights.store, nights.home, nights.settings, notify=said.append).run(MODEL, "scheduled")
    assert any("ollama 1 became ollama 2" in sentence for sentence in said)
    assert len(asked) == 2


def test_prompts_that_stay_others_are_no_reason_to_go_on_for_ever(nights: Nights) -> None:
    nights.fails(PromptsChangedError("tokenised differently"))
    assert nights.workers.done.count("dataset") == 2


def test_who_cancels_while_the_prompts_are_compared_is_heard(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    def otherwise(*_: Any) -> str:
        cancel(nights.store, nights.home, MODEL, "enough")
        return "ollama 1 became ollama 2"

    monkeypatch.setattr(pipeline_module, "prompts_otherwise", otherwise)
    run = nights.fails(StageError("refused"))
    assert (run.state, run.error) == (RunState.ABANDONED, "enough")
    assert nights.workers.done.count("dataset") == 1


def test_the_machine_stays_awake_from_the_first_stage_to_the_end(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    @contextmanager
    def awake() -> Iterator[None]:
        told.append("awake")
        try:
            yield
        finally:
            told.append("may sleep")

    def work(stage: str, *values: Any, **more: Any) -> dict[str, Any]:
        told.append(stage)
        return nights.workers(stage, *values, **more)

    monkeypatch.setattr(pipeline_module, "staying_awake", awake)
    monkeypatch.setattr(pipeline_module, "run_stage", work)
    nights.fails(WorkerLostError("killed"))
    assert (told[0], told[1], told[-1]) == ("awake", "dataset", "may sleep")
    told.clear()
    nights.run()
    assert (told[0], told[1], told[-1]) == ("awake", "serving", "may sleep")
