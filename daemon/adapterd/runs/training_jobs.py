"""The job of a run at its training provider: the journal keeps its id, so that the run can go on waiting for it after
a restart, and so that it is cancelled there when the run is given up."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from adapterd.config import TrainingSettings
from adapterd.errors import AdapterdError
from adapterd.formats.run_folder import TRAINING_JOB
from adapterd.providers.provider import JobId
from adapterd.providers.registry import provider_named, training_provider
from adapterd.store import Store
from adapterd.store.runs import StageState
from adapterd.system.files import write_atomic

TRAINING = "training"
KEY_CHARACTERS = 8

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())  # else Python prints the traceback for a person where nobody set up a log


@dataclass(frozen=True)
class HandedOver:
    """What the worker of the training stage is told: the id that a new job is submitted by, and, where the run has one
    at the provider already, the id of the job to wait for."""

    submit_as: str
    waits_for: JobId | None

    @classmethod
    def read(cls, folder: Path) -> "HandedOver":
        """What the run's folder says."""
        return cls(**json.loads((folder / TRAINING_JOB).read_text(encoding="utf-8")))


def hand_to_worker(store: Store, run_id: str, folder: Path, stage: str, key: str) -> None:
    """Write the ids of the job into the run's folder, where the worker of the training stage looks for them.

    A job that was submitted for other input, by the stage's `key`, or that gave its result before, is given up. A job
    is submitted by another id than those that were given up; after a crash, by the same one.
    """
    if stage != TRAINING:
        return
    row = next((row for row in store.runs.stages(run_id) if row.name == stage), None)
    if row and (row.key != key or row.state is StageState.DONE):
        give_up(store, run_id)
    run = store.runs.get(run_id)
    submit_as = f"{run_id}-{key[:KEY_CHARACTERS]}-{run.training_jobs_ended + 1}"
    if run.training_job == run_id:  # submitted by an earlier release, which had no other ids
        submit_as = run_id
    write_atomic(folder / TRAINING_JOB, json.dumps({"submit_as": submit_as, "waits_for": run.training_job}))


def remember(store: Store, run_id: str, settings: TrainingSettings, job_id: str) -> None:
    """Note the job that was submitted to the provider of the settings."""
    store.runs.set_training_job(run_id, training_provider(settings).name, job_id)


def give_up(store: Store, run_id: str) -> None:
    """Cancel the run's job at its provider, if it has one, and forget it; the history says so if that fails, whatever
    the provider raises."""
    run = store.runs.get(run_id)
    if not (run.training_provider and run.training_job):
        return
    try:
        provider_named(run.training_provider).cancel(JobId(run.training_job))
    except Exception as exc:
        why = str(exc) if isinstance(exc, AdapterdError) else f"{type(exc).__name__}: {exc}"
        text = f"job {run.training_job} at {run.training_provider} could not be cancelled: {why}; cancel it there"
        log.exception("job %s at %s could not be cancelled", run.training_job, run.training_provider)
        store.events.add("training.job_left", text, model=run.model)
    store.runs.end_training_job(run_id)
