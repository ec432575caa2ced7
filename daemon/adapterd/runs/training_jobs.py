"""The job of a run at its training provider: the journal keeps its id, so that the run can go on waiting for it after
a restart, and so that it is cancelled there when the run is given up."""

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


def hand_to_worker(store: Store, run_id: str, folder: Path, stage: str, key: str) -> None:
    """Write the id of the job into the run's folder, where the worker of the training stage looks for it.

    A job that was submitted for other input, by the stage's `key`, or that gave its result before, is given up.
    """
    if stage != TRAINING:
        return
    row = next((row for row in store.runs.stages(run_id) if row.name == stage), None)
    if row and (row.key != key or row.state is StageState.DONE):
        give_up(store, run_id)
    (folder / TRAINING_JOB).unlink(missing_ok=True)
    if job_id := store.runs.get(run_id).training_job:
        write_atomic(folder / TRAINING_JOB, job_id)


def remember(store: Store, run_id: str, settings: TrainingSettings, job_id: str) -> None:
    """Note the job that was submitted to the provider of the settings."""
    store.runs.set_training_job(run_id, training_provider(settings).name, job_id)


def give_up(store: Store, run_id: str) -> None:
    """Cancel the run's job at its provider, if it has one, and forget it; the history says so if that fails."""
    run = store.runs.get(run_id)
    if not (run.training_provider and run.training_job):
        return
    try:
        provider_named(run.training_provider).cancel(JobId(run.training_job))
    except AdapterdError as exc:
        text = f"job {run.training_job} at {run.training_provider} could not be cancelled: {exc}; cancel it there"
        store.events.add("training.job_left", text, model=run.model)
    store.runs.set_training_job(run_id, None, None)
