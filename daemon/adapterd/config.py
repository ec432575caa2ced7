"""The configuration: a TOML file read into frozen settings, with every fault listed at once under its path."""

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from adapterd.errors import ConfigError, NotFoundError
from adapterd.home import Home
from adapterd.hours import Hours

if TYPE_CHECKING:
    from cattrs import Converter

MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


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
    `hosts` are the addresses of machines that train together, of which the first is this one.
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
    hosts: Addresses = ()


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


def load(home: Home) -> Settings:
    """The settings of this home, defaults where there is no file; raises ConfigError naming every fault."""
    try:
        if not home.config_file.is_file():
            return Settings()
        text = home.config_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{home.config_file} cannot be read: {exc}") from exc
    settings = parse(text, source=str(home.config_file))
    return replace(settings, models={name: _anchored(model, home) for name, model in settings.models.items()})


def _anchored(model: ModelSettings, home: Home) -> ModelSettings:
    """Relative paths are meant from the configuration's own folder, whatever folder a process works in."""
    return replace(
        model,
        feedback=home.root / model.feedback if model.feedback else None,
        schema=home.root / model.schema if model.schema else None,
    )


def parse(text: str, *, source: str = "config.toml") -> Settings:
    """Settings from TOML; raises ConfigError with one line for every fault."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{source} is not valid TOML: {exc}") from exc
    return parse_table(table, source=source)


def parse_table(table: Mapping[str, Any], *, source: str) -> Settings:
    """Settings from a table of plain values; raises ConfigError with one line for every fault."""
    faults: list[str] = []
    settings = None
    from cattrs.errors import BaseValidationError

    try:
        settings = settings_converter().structure(table, Settings)
    except BaseValidationError as exc:
        faults += describe_faults(exc)
    named = table.get("models", {})
    faults += [
        f"models.{name}: a model's name has lower-case letters, digits, '.', '_' and '-' only"
        for name in (named if isinstance(named, dict) else ())
        if not MODEL_NAME.fullmatch(name)
    ]
    if settings is None or faults:
        raise ConfigError(f"{source}:\n  " + "\n  ".join(faults), hint="correct these lines; nothing was changed")
    return settings


def settings_converter() -> "Converter":
    """A strict reader of settings: no unknown keys, no silent conversion between types, numbers within their range."""
    from cattrs import Converter

    converter = Converter(forbid_extra_keys=True)

    for kind in (int, float, str, bool):
        converter.register_structure_hook(kind, _strict(kind))
    converter.register_structure_hook(Path, lambda value, _: _a_path(value))
    converter.register_structure_hook_func(
        lambda annotation: hasattr(annotation, "__metadata__"),
        lambda value, annotation: _within(converter.structure(value, get_args(annotation)[0]), annotation),
    )
    for choice in StrEnum.__subclasses__():
        converter.register_structure_hook(choice, _one_of)
    converter.register_structure_hook_func(lambda annotation: annotation == Addresses, _addresses)
    converter.register_structure_hook(Hours, lambda value, _: Hours.parse(_strict(str)(value, str)))
    converter.register_unstructure_hook(Path, str)
    converter.register_unstructure_hook(Hours, str)
    return converter


def _strict(kind: type) -> Callable[[Any, Any], Any]:
    def structure(value: Any, _: Any) -> Any:
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            raise ValueError(f"{value!r} is not a {_KIND_NAMES[kind]}")
        return value

    return structure


_KIND_NAMES = {int: "whole number", float: "number", str: "string", bool: "boolean (true or false)"}


def _a_path(value: Any) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{value!r} is not a path")
    try:
        return Path(os.path.expandvars(value)).expanduser()
    except RuntimeError as exc:
        raise ValueError(f"{value!r} names the home of a user who is not known here") from exc


def _addresses(value: Any, _: Any) -> Addresses:
    from ipaddress import ip_address

    if not isinstance(value, list | tuple):
        raise ValueError(f"{value!r} is not a list of IP addresses")
    for each in value:
        try:
            ip_address(each if isinstance(each, str) else "")
        except ValueError:
            raise ValueError(f"{each!r} is not an IP address") from None
    return tuple(value)


def _within(value: Any, annotation: Any) -> Any:
    bounds = next(item for item in get_args(annotation)[1:] if isinstance(item, Range))
    if not bounds.low <= value <= bounds.high:
        raise ValueError(f"{value!r} is not between {bounds.low:g} and {bounds.high:g}")
    return value


def _one_of(value: Any, kind: type[StrEnum]) -> StrEnum:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"{value!r} is not one of: {', '.join(kind)}") from None


def describe_faults(error: BaseException, path: str = "") -> list[str]:
    """One sentence per fault in a cattrs error, each beginning with the dotted path of the value."""
    from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError

    if isinstance(error, ClassValidationError):
        pairs, rest = error.group_exceptions()
        faults = [line for exc, note in pairs for line in describe_faults(exc, _join(path, note.name))]
        return faults + [line for exc in rest for line in describe_faults(exc, path)]
    if isinstance(error, IterableValidationError):
        items, rest = error.group_exceptions()
        faults = [line for exc, item in items for line in describe_faults(exc, _join(path, str(item.index)))]
        return faults + [line for exc in rest for line in describe_faults(exc, path)]
    if isinstance(error, ForbiddenExtraKeysError):
        return [f"{_join(path, key)}: no such setting" for key in sorted(error.extra_fields)]
    if isinstance(error, KeyError):
        return [f"{path}: is missing"]
    if isinstance(error, ValueError):
        return [f"{path}: {error}"]
    return [f"{path or 'the file'}: must be a table"]


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def with_changes(model: ModelSettings, changes: Sequence[str]) -> ModelSettings:
    """The settings after `KEY=VALUE` changes such as `training.rank=8`; raises ConfigError naming every fault."""
    table = to_table(model)
    for change in changes:
        key, found, text = change.partition("=")
        *sections, name = _key_path(key.strip())
        place = table
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise ConfigError(f"{key}: no such setting")
        if not found:
            raise ConfigError(f"{change!r} is not KEY=VALUE")
        place[name] = _toml_value(text.strip())
    try:
        return parse_table({"models": {"m": table}}, source="these changes").models["m"]
    except ConfigError as exc:
        raise ConfigError(str(exc).replace("models.m.", ""), hint=exc.hint) from exc


def _key_path(key: str) -> list[str]:
    """The parts of a dotted key; a part with a dot of its own is quoted, as in TOML."""
    try:
        nested: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return key.split(".")
    path = []
    while isinstance(nested, dict):
        ((part, nested),) = nested.items()
        path.append(part)
    return path


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def to_table(settings: Settings | ModelSettings) -> dict[str, Any]:
    """The settings as plain values, the way they would stand in TOML; unset paths are left out."""
    return _without_none(settings_converter().unstructure(settings))


def _without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in table.items()
        if value is not None
    }
