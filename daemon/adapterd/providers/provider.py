"""What a training provider is: it takes a job and leaves an adapter. Light: the daemon imports it without MLX."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NewType, Protocol

from adapterd.config import TrainingSettings
from adapterd.serialization import dumps, from_plain
from adapterd.training.choice.by_answers import Judge
from adapterd.training.progress import Report, TrainingProgress, TrainingResult

JobId = NewType("JobId", str)
"""The provider's own name of a job. The run's journal keeps it, so that another process can poll and cancel the job."""


@dataclass(frozen=True)
class _JobData:
    """What of a job can be written down."""

    id: str
    base: Path
    base_digest: str
    context_tokens: int
    dataset: Path
    settings: TrainingSettings
    out: Path
    cache: Path
    start: Path | None = None


@dataclass(frozen=True)
class TrainingJob(_JobData):
    """One training. A run has a job of another `id` once its input changed, or its job failed or was cancelled.

    `base` is the GGUF with the digest `base_digest`, served with a context of `context_tokens`, `dataset` the folder of
    encoded examples, `cache` that of the hidden state cache, `start` that of an adapter to start from. The provider
    leaves the adapter and `metrics.jsonl` in `out`, which may hold what an earlier job of the run left there; one that
    trains within `poll` calls `report` meanwhile, and may have the `judge` tell which of several adapters answers best.
    """

    report: Report = lambda _progress: None
    judge: Judge | None = None

    def to_json(self) -> str:
        """All but `report` and `judge`, for another process."""
        return dumps({name: value for name, value in vars(self).items() if name not in ("report", "judge")})

    @classmethod
    def from_json(cls, text: str, report: Report) -> "TrainingJob":
        """The reverse of `to_json`."""
        return cls(**vars(from_plain(json.loads(text), _JobData)), report=report)


@dataclass(frozen=True)
class Needs:
    """What has to be there while the provider trains: `memory` of this machine for the base's weights, its `ac_power`
    for hours of computing, a `network`."""

    memory: bool
    ac_power: bool
    network: bool


@dataclass(frozen=True)
class Price:
    """An estimate of what a job costs."""

    amount: float
    currency: str

    def __str__(self) -> str:
        return f"{self.amount:.2f} {self.currency}"


class TrainingProvider(Protocol):
    """Computes trainings. It keeps no state of its own between calls: another process may poll or cancel a job.

    A provider inherits from this; what it leaves out trains on this machine and costs nothing.
    """

    name: ClassVar[str]
    """The value of `training.provider`."""
    needs: ClassVar[Needs]

    def data_goes_to(self, settings: TrainingSettings) -> str | None:  # noqa: ARG002 (a default)
        """Where the examples are sent; None if they stay on this machine."""
        return None

    def has_consent(self, settings: TrainingSettings) -> bool:
        """Whether the configuration allows that the examples are sent there."""
        return settings.data_may_leave

    def price(self, job: TrainingJob) -> Price | None:  # noqa: ARG002 (a default)
        """An estimate of what the job costs; None if it costs nothing."""
        return None

    def submit(self, job: TrainingJob) -> JobId:
        """Hand the job over. A job with the id of one that was handed over before is the same job, not a second one."""

    def poll(self, job_id: JobId, job: TrainingJob) -> TrainingProgress | TrainingResult:
        """How far the job is, or its result, which can be had again and again. With the result, the adapter is in
        `job.out`.

        Raises a transient error (`AdapterdError.transient`) if asking again later makes sense, any other one if the job
        failed or is not known.
        """

    def cancel(self, job_id: JobId) -> None:  # noqa: ARG002 (a default)
        """Have the job ended; does nothing if it has ended, is not known, or ends with the process that polls."""
        return
