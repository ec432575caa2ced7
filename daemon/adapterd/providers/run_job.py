"""Runs a job to its end at a provider, and checks the adapter that comes back."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.errors import InputError, NotFoundError, StageError
from adapterd.formats.adapter_files import AdapterFormat, find_adapter
from adapterd.formats.metrics_log import METRICS, read_metrics
from adapterd.merging.exchange.import_adapter import import_adapter
from adapterd.providers.provider import JobId, TrainingJob, TrainingProvider
from adapterd.training.progress import TrainingProgress, TrainingResult

POLL_EVERY_S = 5.0


def run_job(
    provider: TrainingProvider,
    job: TrainingJob,
    job_id: JobId | None,
    submitted: Callable[[JobId], object],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> TrainingResult:
    """Wait for the job `job_id`, or submit the job and wait for it; returns the result, with the adapter in `job.out`.

    `submitted` gets the new job's id before anything else happens. Raises what the provider raises, StageError if the
    adapter that comes back does not fit the base, or its metrics are missing or damaged.
    """
    if job_id is None:
        if price := provider.price(job):
            job.report(TrainingProgress.preparing(1, f"submitting to {provider.name}, about {price}"))
        job_id = provider.submit(job)
        submitted(job_id)
    while isinstance(found := provider.poll(job_id, job), TrainingProgress):
        job.report(found)
        sleep(POLL_EVERY_S)
    _check_adapter(provider, job)
    _check_metrics(provider, job)
    return found


def _check_adapter(provider: TrainingProvider, job: TrainingJob) -> None:
    """Import the adapter as `adapterctl register` does, which replaces one in another format than ours."""
    base = GgufFile.open(job.base, context_tokens=job.context_tokens)
    try:
        with tempfile.TemporaryDirectory(prefix=".imported-", dir=job.out.parent) as name:
            import_adapter(job.out, base, Path(name))
            if find_adapter(job.out).format is not AdapterFormat.ADAPTERD:
                for file in Path(name).iterdir():
                    shutil.copyfile(file, job.out / file.name)
    except (InputError, NotFoundError) as exc:
        raise StageError(
            f"the provider {provider.name} gave back an adapter that cannot be used: {exc}", hint=exc.hint
        ) from exc


def _check_metrics(provider: TrainingProvider, job: TrainingJob) -> None:
    """Read the metrics, which a version keeps and its learning curve is drawn from."""
    file = job.out / METRICS
    try:
        fault = "" if read_metrics(job.out) else f"{file} {'has no step' if file.is_file() else 'is not there'}"
    except InputError as exc:
        fault = str(exc)
    if fault:
        raise StageError(
            f"the provider {provider.name} gave back no usable metrics: {fault}",
            hint="this is a fault of the provider: it has to leave a line for every step there",
        )
