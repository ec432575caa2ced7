"""The provider `mlx-hosts`: trains on the machines of `training.hosts` at once, by `mlx.launch` over ssh."""

from adapterd.config import TrainingSettings
from adapterd.errors import ConfigError
from adapterd.providers.local import require_same
from adapterd.providers.provider import JobId, Needs, TrainingJob, TrainingProvider
from adapterd.training.progress import TrainingResult


class MlxHostsProvider(TrainingProvider):
    """Trains on several machines, of which the first is this one. As with `local`, a job goes on at the checkpoint in
    `out`, and its processes, also those on other machines, end with the one that polls."""

    name = "mlx-hosts"
    needs = Needs(memory=True, ac_power=True, network=True)

    def data_goes_to(self, settings: TrainingSettings) -> str | None:
        return ", ".join(dict.fromkeys(host for host in settings.hosts if host != settings.hosts[0])) or None

    def has_consent(self, settings: TrainingSettings) -> bool:
        """Whoever names the machines allows that they get the examples."""
        return bool(settings.hosts)

    def submit(self, job: TrainingJob) -> JobId:
        if not job.settings.hosts:
            raise ConfigError(
                "training by mlx-hosts needs machines, and training.hosts names none",
                hint="set training.hosts to their addresses, this machine's first",
            )
        return JobId(job.id)

    def poll(self, job_id: JobId, job: TrainingJob) -> TrainingResult:
        from adapterd.training.distributed.launch import train_distributed

        require_same(job_id, job)
        return train_distributed(
            job.base, job.dataset, job.settings, job.out, job.report, base_digest=job.base_digest, cache=job.cache,
            start=job.start, context_tokens=job.context_tokens,
        )  # fmt: skip
