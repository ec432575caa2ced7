"""The provider `local`: trains in the process that polls, which is the worker of the training stage."""

from adapterd.errors import StageError
from adapterd.providers.provider import JobId, Needs, TrainingJob, TrainingProvider
from adapterd.training.progress import TrainingResult


class LocalProvider(TrainingProvider):
    """Trains on this machine. A job goes on at the checkpoint in `out`, whichever process polls it, and ends with that
    process."""

    name = "local"
    needs = Needs(memory=True, ac_power=True, network=False)

    def submit(self, job: TrainingJob) -> JobId:
        return JobId(job.id)

    def poll(self, job_id: JobId, job: TrainingJob) -> TrainingResult:
        from adapterd.base.gguf.gguf_file import GgufFile
        from adapterd.training.hidden_state_cache import HiddenStateCache
        from adapterd.training.train import train

        require_same(job_id, job)
        base = GgufFile.open(job.base, context_tokens=job.context_tokens)
        cache = HiddenStateCache(job.cache, int(job.settings.cache_gb * 1e9))
        return train(
            base, job.dataset, job.settings, job.out, job.report, base_digest=job.base_digest, cache=cache,
            start=job.start, judge=job.judge,
        )  # fmt: skip


def require_same(job_id: JobId, job: TrainingJob) -> None:
    """Raise StageError unless the id is that of the job, as with every provider that trains within `poll`."""
    if job_id != job.id:
        raise StageError(f"there is no training job {job_id!r} here")
