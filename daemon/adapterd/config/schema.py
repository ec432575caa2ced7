"""Every setting: its type, its bounds, its default, and what it means."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from adapterd.errors import NotFoundError
from adapterd.hours import Hours


class Task(StrEnum):
    """What the model is asked to produce; it decides which metrics an evaluation shows."""

    JSON = "json"
    CLASSIFICATION = "classification"
    GENERATION = "generation"
    GROUNDED_QA = "grounded_qa"


class RuntimeKind(StrEnum):
    """Which runtime serves the models."""

    OLLAMA = "ollama"
    EMBEDDED = "embedded"


@dataclass(frozen=True)
class Range:
    """Bounds of a number, both allowed."""

    low: float
    high: float


Count = Annotated[int, Range(1, 1_000_000)]
Share = Annotated[float, Range(0.0, 0.9)]
Addresses = tuple[str, ...]


@dataclass(frozen=True)
class OllamaSettings:
    """How to reach Ollama."""

    host: str = "http://127.0.0.1:11434"
    timeout_s: Annotated[float, Range(1, 86_400)] = 600.0


@dataclass(frozen=True)
class DatasetSettings:
    """How records are divided; shares are of the distinct prompts, newest first into the evaluation set. At most
    `validation_share` of the others choose the best step, half of that from 200 prompts on. A run stops where more than
    `max_near_duplicates` of them are nearly the same as cases of the evaluation set. An example that came after what is
    live was trained counts `new_weight` times in the loss, the others once."""

    evaluation_share: Share = 0.2
    evaluation_max: Count = 200
    validation_share: Share = 0.1
    max_near_duplicates: Annotated[float, Range(0.0, 1.0)] = 0.2
    max_tokens: Annotated[int, Range(16, 1_000_000)] = 2048
    new_weight: Annotated[float, Range(0.01, 100)] = 1.0


class Think(StrEnum):
    """What is asked of a thinking model: to think, not to, or nothing, as by applications that know nothing of it."""

    DEFAULT = "default"
    ON = "on"
    OFF = "off"

    @property
    def wanted(self) -> bool | None:
        """For a runtime."""
        return {Think.DEFAULT: None, Think.ON: True, Think.OFF: False}[self]


class Modules(StrEnum):
    """Which projections of a block get an adapter."""

    ALL = "all"
    ATTENTION = "attention"
    MLP = "mlp"


class Start(StrEnum):
    """What a training begins at: the base, so that versions do not drift, or the adapter that is live."""

    BASE = "base"
    LIVE = "live"


class Preferences(StrEnum):
    """How to learn from answers that somebody liked better than others."""

    OFF = "off"
    DPO = "dpo"


class GradientCheckpointing(StrEnum):
    """Whether blocks are computed twice instead of being remembered for their gradients: less memory, more time."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


@dataclass(frozen=True)
class TrainingSettings:
    """The LoRA recipe. `layers` counts from the top of the model; `patience` in validations without a better loss;
    the learning rate rises for the share `warm_up` of the steps, then falls to zero as a cosine does. Where `epochs` or
    `learning_rate` are left open, the amount of data and the base decide (training.recipe).

    A step takes `batch_size` examples, of which `batch_tokens` at most (with padding) are computed at a time. With
    `gradient_checkpointing` left to itself, blocks are computed twice only where memory is short. What the layers below
    make of the examples is kept in up to `cache_gb` of disk for the next epoch and the next training.
    With `preferences`, answers are also learned in pairs, better over worse: `beta` says how far the model may move for
    that, `length_normalised` counts likelihoods by token, and the better answers are learned with `sft_weight`.
    `provider` names the training provider; unset, it is `mlx-hosts` where there are `hosts`, else `local`. `hosts` are
    the addresses of machines for a distributed training, of which the first is this one. With `data_may_leave`, the
    examples may be sent to a provider that trains elsewhere.
    """

    rank: Annotated[int, Range(1, 1024)] = 16
    alpha: Annotated[float, Range(0.001, 10_000)] = 32.0
    dropout: Annotated[float, Range(0.0, 0.9)] = 0.0
    layers: Annotated[int, Range(1, 1000)] = 16
    modules: Modules = Modules.ALL
    start: Start = Start.BASE
    epochs: Annotated[int, Range(1, 1000)] | None = None
    batch_size: Annotated[int, Range(1, 1024)] = 4
    batch_tokens: Annotated[int, Range(1, 1_000_000)] = 2048
    gradient_checkpointing: GradientCheckpointing = GradientCheckpointing.AUTO
    learning_rate: Annotated[float, Range(1e-8, 1.0)] | None = None
    warm_up: Annotated[float, Range(0.0, 0.9)] = 0.05
    weight_decay: Annotated[float, Range(0.0, 1.0)] = 0.0
    patience: Annotated[int, Range(1, 1000)] = 4
    cache_gb: Annotated[float, Range(0.0, 10_000)] = 8.0
    preferences: Preferences = Preferences.OFF
    beta: Annotated[float, Range(0.0001, 100)] = 0.1
    length_normalised: bool = False
    sft_weight: Annotated[float, Range(0.0, 100)] = 1.0
    seed: Annotated[int, Range(0, 2**31 - 1)] = 0
    provider: str | None = None
    hosts: Addresses = ()
    data_may_leave: bool = False


@dataclass(frozen=True)
class MergingSettings:
    """The merge: `min_retention` is the share of the adapter's effect that has to be left in the merged file, else the
    version is held; `steps` are those of the distillation, 0 for none."""

    min_retention: Annotated[float, Range(0.0, 1.0)] = 0.95
    steps: Annotated[int, Range(0, 100_000)] = 48


class BaseChange(StrEnum):
    """What to do when the base's own tag names another file than the pinned one."""

    REPORT = "report"
    RETRAIN = "retrain"


@dataclass(frozen=True)
class ScheduleSettings:
    """When a run starts by itself: at the cron time, or every so many hours, if at least `min_new_records` usable
    records are new or the oldest of them has waited for `max_age_days`; and only when the machine is free for it.

    `quiet_hours` (`08:00-18:00`, local time) are those in which none begins, `idle_minutes` how long the runtime must
    not have been asked for anything. A run that somebody asks for waits for none of this.
    """

    cron: str = "0 3 * * *"
    every_hours: Annotated[float, Range(0.01, 8_784)] | None = None
    min_new_records: Count = 50
    max_age_days: Annotated[float, Range(0.01, 3_660)] | None = None
    on_base_change: BaseChange = BaseChange.REPORT
    on_ac_power: bool = True
    min_battery_percent: Annotated[float, Range(0, 100)] = 40.0
    quiet_hours: Hours | None = None
    idle_minutes: Annotated[float, Range(0, 1_440)] = 2.0


@dataclass(frozen=True)
class VersionsSettings:
    """How many versions are kept beside the live, the previous and the pinned ones."""

    keep: Annotated[int, Range(0, 10_000)] = 5


@dataclass(frozen=True)
class RunsSettings:
    """How long a stage may take, and how often a run is tried again after a fault that may pass by itself."""

    stage_timeout_hours: Annotated[float, Range(0.01, 8_784)] = 24.0
    retries: Annotated[int, Range(0, 100)] = 5


@dataclass(frozen=True)
class HttpSettings:
    """The address, on loopback only, where applications may post feedback to the daemon."""

    enabled: bool = False
    port: Annotated[int, Range(0, 65_535)] = 11_480
    max_body_mb: Annotated[float, Range(0.001, 1_024)] = 8.0
    requests_per_minute: Count = 600


@dataclass(frozen=True)
class NotificationSettings:
    """Whether the desktop is told when a version is promoted or held, and when a run fails."""

    desktop: bool = False


@dataclass(frozen=True)
class EvaluationSettings:
    """How answers are asked for, and what a candidate has to be.

    `num_ctx` and `num_predict` are in tokens. `at_once` requests are under way at the same time; more than one says
    nothing of latency any more. `guard` asks the set of plain tasks too. `embedding` is the tag of an embedding model
    for similarity of meaning. With `consistency_seeds`, some questions are asked so often with chance, to see whether
    the answers agree. The `primary` metric has to be proven better than live's; where it is not set, it is the task's.
    `require_improved` is how many critical metrics have to be, the primary one among them; with 0, none has to.
    """

    num_ctx: Annotated[int, Range(16, 1_000_000)] = 4096
    num_predict: Annotated[int, Range(1, 100_000)] = 512
    at_once: Annotated[int, Range(1, 64)] = 1
    guard: bool = True
    embedding: str | None = None
    consistency_seeds: Annotated[int, Range(0, 100)] = 3
    primary: str | None = None
    require_improved: Annotated[int, Range(0, 1000)] = 1


@dataclass(frozen=True)
class GateRule:
    """What is asked of one metric: `min` and `max` of the candidate itself, `min_gain` over the base, and `margin`, by
    how much it may be worse than live and base. What is `critical` has to be proven."""

    min: float | None = None
    max: float | None = None
    min_gain: float | None = None
    margin: Annotated[float, Range(0.0, 1e9)] | None = None
    critical: bool = False


@dataclass(frozen=True)
class ModelSettings:
    """One model that applications use by its name."""

    base: str
    base_digest: str
    feedback: Path | None = None
    task: Task = Task.GENERATION
    schema: Path | None = None
    think: Think = Think.DEFAULT
    dataset: DatasetSettings = field(default_factory=DatasetSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    merging: MergingSettings = field(default_factory=MergingSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    gates: dict[str, GateRule] = field(default_factory=dict)
    versions: VersionsSettings = field(default_factory=VersionsSettings)


@dataclass(frozen=True)
class Settings:
    """The whole configuration."""

    runtime: RuntimeKind = RuntimeKind.OLLAMA
    ollama: OllamaSettings = field(default_factory=OllamaSettings)
    runs: RunsSettings = field(default_factory=RunsSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    notifications: NotificationSettings = field(default_factory=NotificationSettings)
    models: dict[str, ModelSettings] = field(default_factory=dict)

    def model_name(self, name: str | None) -> str:
        """The named model, or the only one there is when no name is given; raises NotFoundError otherwise."""
        known = ", ".join(sorted(self.models)) or "none"
        if name is None:
            if len(self.models) == 1:
                return next(iter(self.models))
            raise NotFoundError(
                f"which model? configured are: {known}",
                hint="name one of them" if self.models else "adapterctl init NAME --base TAG",
            )
        if name not in self.models:
            raise NotFoundError(
                f"no model named {name!r} is configured; configured are: {known}",
                hint="adapterctl init NAME --base TAG makes one",
            )
        return name
