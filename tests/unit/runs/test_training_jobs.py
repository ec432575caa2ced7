"""The job of a run at its training provider: waited for after a restart, cancelled when the run is given up."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.config import ModelSettings, Settings, TrainingSettings
from adapterd.errors import (
    CancelledError,
    ConfigError,
    RuntimeUnavailableError,
    StageError,
    WorkerLostError,
)
from adapterd.home import Home
from adapterd.providers import registry
from adapterd.providers.provider import JobId, Needs, TrainingJob, TrainingProvider
from adapterd.runs import pipeline as pipeline_module
from adapterd.runs.by_hand.cancel import cancel
from adapterd.runs.pipeline import Pipeline
from adapterd.runs.training_jobs import HandedOver, hand_to_worker
from adapterd.store import Store
from adapterd.store.runs import Run, RunState
from adapterd.training.progress import TrainingProgress
from tests.support.fakes import FakeRuntime
from tests.unit.runs.scripted_workers import Workers

MODEL = "news"


class Rented(TrainingProvider):
    """A provider elsewhere; notes which jobs it is to cancel, or fails at it."""

    name = "rented"
    needs = Needs(memory=False, ac_power=False, network=True)

    def __init__(self) -> None:
        self.cancelled: list[str] = []
        self.fault: Exception | None = None

    def data_goes_to(self, settings: TrainingSettings) -> str | None:
        return f"gpu.example for seed {settings.seed}"

    def submit(self, job: TrainingJob) -> JobId:
        return JobId(job.id)

    def poll(self, job_id: JobId, job: TrainingJob) -> TrainingProgress:
        return TrainingProgress.preparing(1, f"{job_id} of {job.id}")

    def cancel(self, job_id: JobId) -> None:
        if self.fault:
            raise self.fault
        self.cancelled.append(job_id)


@dataclass
class Submitting(Workers):
    """Submits a job in a training that has none, then ends as it is told to; `found` are the jobs that it was given,
    `submit_as` the ids that a new one was to be submitted by."""

    found: list[str | None] = field(default_factory=list)
    submit_as: list[str] = field(default_factory=list)
    submitted: int = 0
    submits: bool = True
    ends_with: list[BaseException | None] = field(default_factory=list)

    def __call__(self, stage: str, folder: Path, home: Home, *, report: Any, limits: Any) -> dict[str, Any]:
        if stage == "training":
            handed_over = HandedOver.read(folder)
            self.found.append(handed_over.waits_for)
            self.submit_as.append(handed_over.submit_as)
            if self.found[-1] is None and self.submits:
                self.submitted += 1
                report({"share": 0.0, "job_id": f"job-{self.submitted}"})
            if self.ends_with and (fault := self.ends_with.pop(0)):
                raise fault
        return super().__call__(stage, folder, home, report=report, limits=limits)


@dataclass
class Trainings:
    """Runs of one model that train at the provider."""

    store: Store
    home: Home
    provider: Rented
    workers: Submitting
    settings: Settings

    def run(self) -> None:
        Pipeline(self.store, self.home, self.settings).run(MODEL, "scheduled")

    def fails(self, fault: BaseException) -> Run:
        self.workers.ends_with = [fault]
        with pytest.raises(type(fault)):
            self.run()
        run = self.store.runs.latest(MODEL)
        assert run is not None
        return run


@pytest.fixture
def trainings(store: Store, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trainings:
    base = BaseModel(f"{MODEL}:base", tmp_path / "base.gguf", "sha256:base", Modelfile())
    provider, workers = Rented(), Submitting()
    monkeypatch.setattr(registry, "PROVIDERS", (provider,))
    monkeypatch.setattr(pipeline_module, "runtime_for", lambda *_: FakeRuntime())
    monkeypatch.setattr(pipeline_module, "pinned_base", lambda *_: base)
    monkeypatch.setattr(pipeline_module, "proven_base", lambda *values: values[4])
    monkeypatch.setattr(pipeline_module, "run_stage", workers)
    training = TrainingSettings(provider="rented", data_may_leave=True)
    settings = Settings(models={MODEL: ModelSettings("b.gguf", base.digest, training=training)})
    return Trainings(store, home, provider, workers, settings)


@pytest.mark.parametrize("fault", [WorkerLostError("killed"), KeyboardInterrupt(), RuntimeUnavailableError("offline")])
def test_a_run_that_is_interrupted_goes_on_waiting_for_its_job(trainings: Trainings, fault: BaseException) -> None:
    run = trainings.fails(fault)
    assert (run.training_provider, run.training_job) == ("rented", "job-1")
    trainings.run()
    assert trainings.workers.found == [None, "job-1"]
    assert trainings.provider.cancelled == []


def test_a_job_that_failed_is_cancelled_and_the_next_attempt_submits_another(trainings: Trainings) -> None:
    run = trainings.fails(StageError("the loss is not finite"))
    assert (run.training_provider, run.training_job) == (None, None)
    assert trainings.provider.cancelled == ["job-1"]
    trainings.run()
    assert trainings.workers.found == [None, None]
    failed, again = trainings.workers.submit_as
    assert failed != again
    assert failed.startswith(f"{run.id}-")
    assert again.startswith(f"{run.id}-")


def test_a_job_whose_submission_nobody_heard_of_is_submitted_by_the_same_id_again(trainings: Trainings) -> None:
    trainings.workers.submits = False
    trainings.fails(RuntimeUnavailableError("the provider did not answer"))
    trainings.run()
    assert trainings.workers.found == [None, None]
    assert len(set(trainings.workers.submit_as)) == 1


def test_a_job_for_other_input_of_the_same_run_has_another_id(trainings: Trainings) -> None:
    run = trainings.fails(WorkerLostError("killed"))
    folder = trainings.home.run(run.id)
    before = HandedOver.read(folder).submit_as
    hand_to_worker(trainings.store, run.id, folder, "training", "another-key")
    assert trainings.provider.cancelled == ["job-1"]
    handed_over = HandedOver.read(folder)
    assert handed_over.waits_for is None
    assert handed_over.submit_as != before


def test_a_job_that_an_earlier_release_submitted_by_the_run_s_id_keeps_that_id(trainings: Trainings) -> None:
    run = trainings.fails(WorkerLostError("killed"))
    trainings.store.runs.set_training_job(run.id, "rented", run.id)
    trainings.run()
    assert trainings.workers.found == [None, run.id]
    assert trainings.workers.submit_as[-1] == run.id


def test_a_run_that_is_cancelled_while_it_trains_cancels_its_job(trainings: Trainings) -> None:
    run = trainings.fails(CancelledError("wrong settings"))
    assert (run.state, run.training_job) == (RunState.ABANDONED, None)
    assert trainings.provider.cancelled == ["job-1"]


def test_an_interrupted_run_that_is_cancelled_cancels_its_job(trainings: Trainings) -> None:
    run = trainings.fails(WorkerLostError("killed"))
    cancel(trainings.store, trainings.home, MODEL, "wrong settings")
    assert trainings.provider.cancelled == ["job-1"]
    assert trainings.store.runs.get(run.id).training_job is None


def test_a_run_that_is_given_up_for_new_settings_cancels_its_job(trainings: Trainings) -> None:
    trainings.fails(WorkerLostError("killed"))
    model = ModelSettings(
        "b.gguf", "sha256:base", training=TrainingSettings(rank=4, provider="rented", data_may_leave=True)
    )
    trainings.settings = Settings(models={MODEL: model})
    trainings.run()
    assert trainings.provider.cancelled == ["job-1"]
    assert trainings.workers.found == [None, None]


def test_a_job_that_cannot_be_cancelled_is_named_in_the_history(trainings: Trainings) -> None:
    trainings.fails(WorkerLostError("killed"))
    trainings.provider.fault = RuntimeUnavailableError("gpu.example does not answer")
    run_id = cancel(trainings.store, trainings.home, MODEL, "enough")
    texts = [event.text for event in trainings.store.events.latest() if event.kind == "training.job_left"]
    assert texts == [
        "job job-1 at rented could not be cancelled: gpu.example does not answer; cancel it there",
    ]
    assert trainings.store.runs.get(run_id).state is RunState.ABANDONED


def test_a_provider_that_breaks_at_a_cancel_neither_hides_the_error_of_the_stage_nor_stops_the_tidying(
    trainings: Trainings, caplog: pytest.LogCaptureFixture
) -> None:
    trainings.provider.fault = ConnectionResetError("reset by peer")
    run = trainings.fails(StageError("the loss is not finite"))
    assert (run.state, run.error) == (RunState.FAILED, "the loss is not finite")
    assert (run.training_job, run.training_jobs_ended) == (None, 1)
    texts = [event.text for event in trainings.store.events.latest() if event.kind == "training.job_left"]
    assert texts == [
        "job job-1 at rented could not be cancelled: ConnectionResetError: reset by peer; cancel it there",
    ]
    assert "Traceback" in caplog.text


def test_a_provider_that_breaks_at_a_cancel_prints_nothing_for_a_person(
    trainings: Trainings, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    trainings.fails(WorkerLostError("killed"))
    trainings.provider.fault = ConnectionResetError("reset by peer")
    cancel(trainings.store, trainings.home, MODEL, "enough")
    assert capfd.readouterr() == ("", "")


def test_without_consent_no_run_begins(trainings: Trainings) -> None:
    model = ModelSettings("b.gguf", "sha256:base", training=TrainingSettings(provider="rented"))
    trainings.settings = Settings(models={MODEL: model})
    with pytest.raises(ConfigError, match="training by rented sends the examples to "):
        trainings.run()
    assert trainings.store.runs.latest(MODEL) is None
