"""Every setting: its type, its bounds, its default, and what it means.

The sentence at a field is the setting's only documentation: docs/configuration.md, the comments that `init` writes and
`adapterctl config show --docs` are made from it (config/reference.py).
"""

from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from typing import Annotated, ClassVar, NewType

from adapterd.config.annotations import Doc, Range
from adapterd.config.choices import (
    Balance,
    BaseChange,
    FeedbackTurns,
    PersonalData,
    Reviews,
    RuntimeKind,
    Sources,
    Task,
    Think,
)
from adapterd.config.http import CaptureSettings, HttpSettings, PageSettings
from adapterd.config.teachers import JudgeSettings, JudgingSettings, TeacherSettings, TeachingSettings
from adapterd.config.training import MergingSettings, TrainingSettings
from adapterd.errors import NotFoundError
from adapterd.hours import Hours

Count = Annotated[int, Range(1, 1_000_000)]
Share = Annotated[float, Range(0.0, 0.9)]
AllowRule = NewType("AllowRule", str)
AllowRules = tuple[AllowRule, ...]
Names = frozenset[str]


@dataclass(frozen=True)
class OllamaSettings:
    """How to reach Ollama."""

    host: Annotated[
        str, Doc("address where Ollama answers; where it is not set, OLLAMA_HOST tells", page="daemon.md")
    ] = "http://127.0.0.1:11434"
    timeout_s: Annotated[
        float,
        Range(1, 86_400),
        Doc("seconds that a single request to Ollama may take; one that it answers at once has 10 at most"),
    ] = 600.0


@dataclass(frozen=True)
class DatasetSettings:
    """How feedback records are divided into training, validation and evaluation sets."""

    min_examples: Annotated[
        int, Range(4, 1_000_000), Doc("examples with distinct prompts that a run needs before it trains at all")
    ] = 10

    evaluation_share: Annotated[
        Share, Doc("share of the distinct prompts, newest first, that the frozen evaluation set gets when it is made")
    ] = 0.2
    evaluation_max: Annotated[Count, Doc("largest number of cases in the frozen evaluation set")] = 200
    growing_share: Annotated[
        Share, Doc("share of new prompts that join the frozen evaluation set, up to its maximum; 0: none")
    ] = 0.05
    replay: Annotated[
        float,
        Range(0.0, 0.9),
        Doc(
            "share of general prompts with the base's own answers in the training, against forgetting",
            page="training.md",
        ),
    ] = 0.2
    validation_share: Annotated[
        Share, Doc("share of the other prompts, at most, that chooses the best step; half of it from 200 prompts on")
    ] = 0.1
    max_near_duplicates: Annotated[
        float,
        Range(0.0, 1.0),
        Doc("a run stops if a larger share of the prompts is nearly the same as evaluation cases; 1: never"),
    ] = 0.2
    sources: Annotated[
        Sources,
        Doc("one_side: what has one source_id or conversation is all trained on, or all judges; mixed: not so"),
    ] = Sources.ONE_SIDE
    max_share_of_source: Annotated[
        float,
        Range(0.01, 1.0),
        Doc("largest share of a frozen evaluation set from one origin, where there are others; 1: any"),
    ] = 0.5
    freeze_after_days: Annotated[
        float,
        Range(0.0, 3650.0),
        Doc("days since the first feedback came before the first evaluation set is frozen; runs wait for it"),
    ] = 0.0
    max_tokens: Annotated[
        int, Range(16, 1_000_000), Doc("tokens of the longest training example; longer ones are left out and counted")
    ] = 2048
    max_copied: Annotated[
        float,
        Range(0.0, 1.0),
        Doc(
            "share of a taught answer that may be long passages of its prompt, word for word; 1: any",
            page="training.md",
        ),
    ] = 0.5
    balance: Annotated[
        Balance, Doc("what training is balanced by: a group larger than the cap loses its oldest examples")
    ] = Balance.OFF
    balance_cap: Annotated[
        float, Range(1.0, 1_000.0), Doc("times the size of the median group that a group may have when balancing")
    ] = 3.0
    new_weight: Annotated[
        float,
        Range(0.01, 100),
        Doc("weight in the loss of examples that came after the live version was trained; others weigh 1"),
    ] = 1.0
    max_synthetic: Annotated[
        int, Range(0, 1_000_000), Doc("examples that teachers made in a training, at most; the newest are taken")
    ] = 1000
    synthetic_weight: Annotated[
        float, Range(0.01, 100), Doc("weight in the loss of examples that teachers made; people's weigh 1")
    ] = 0.5


@dataclass(frozen=True)
class ScheduleSettings:
    """When a run starts by itself; a run that somebody asks for waits for none of this."""

    cron: Annotated[
        str, Doc("when to train, local time: minute hour day month weekday; a time slept through is made up for once")
    ] = "0 3 * * *"
    every_hours: Annotated[
        float | None, Range(0.01, 8_784), Doc("hours between two runs, in place of cron", unset="cron holds")
    ] = None
    min_new_records: Annotated[Count, Doc("usable records that have to be new for a scheduled run")] = 10
    max_age_days: Annotated[
        float | None,
        Range(0.01, 3_660),
        Doc("fewer new records are enough once the oldest has waited so many days", unset="never"),
    ] = None
    on_base_change: Annotated[
        BaseChange, Doc("what to do when the base was pulled anew; retrain: pin the new one and train on it")
    ] = BaseChange.REPORT
    on_ac_power: Annotated[bool, Doc("wait for AC power")] = True
    min_battery_percent: Annotated[
        float, Range(0, 100), Doc("percent of charge to wait for where on_ac_power is false")
    ] = 40.0
    quiet_hours: Annotated[
        Hours | None, Doc("hours in which no run begins, local time, such as 08:00-18:00", unset="none")
    ] = None
    done_by: Annotated[
        time | None,
        Doc(
            "time of day, local, by which a run should be over: training gets what is left of the time until then",
            unset="training.max_hours alone",
            page="training.md",
        ),
    ] = None
    idle_minutes: Annotated[
        float, Range(0, 1_440), Doc("minutes for which the runtime must not have been asked anything")
    ] = 2.0


@dataclass(frozen=True)
class VersionsSettings:
    """How many versions are kept."""

    keep: Annotated[
        int, Range(0, 10_000), Doc("newest versions kept beside live, previous, pinned and rollback targets")
    ] = 5


@dataclass(frozen=True)
class RunsSettings:
    """Limits of every run."""

    stage_timeout_hours: Annotated[float, Range(0.01, 8_784), Doc("hours that a stage may take before it is ended")] = (
        24.0
    )
    retries: Annotated[
        int, Range(0, 100), Doc("times the daemon tries again after a transient error (10 s, 1, 5, 15, 60 min later)")
    ] = 5


@dataclass(frozen=True)
class NotificationSettings:
    """What the desktop is told."""

    desktop: Annotated[bool, Doc("notify the desktop when a version is promoted or held and when a run fails")] = False


@dataclass(frozen=True)
class EvaluationSettings:
    """How answers are asked for, and what a candidate has to prove."""

    num_ctx: Annotated[
        int,
        Range(16, 1_000_000),
        Doc("tokens of context when asking; it selects long RoPE factors, too", page="merging.md"),
    ] = 4096
    num_predict: Annotated[int, Range(1, 100_000), Doc("tokens of the longest answer")] = 512
    at_once: Annotated[int, Range(1, 64), Doc("requests sent at the same time; above 1, latencies mean nothing")] = 1
    guard: Annotated[bool, Doc("ask the set of general tasks, too, to notice forgetting")] = True
    embedding: Annotated[
        str | None, Doc("tag of an embedding model in Ollama, for semantic similarity", unset="not measured")
    ] = None
    reference_nll: Annotated[
        bool, Doc("measure how likely the answers that people wrote are to each file", page="evaluation.md")
    ] = True
    encoder: Annotated[
        str | None,
        Doc(
            'what BERTScore takes token embeddings from: "base", a .gguf file or a tag',
            unset="not measured",
            page="evaluation.md",
        ),
    ] = None
    strip_fences: Annotated[
        bool, Doc("score an answer that is one fenced code block by what is in it, as your application reads it")
    ] = False
    structured: Annotated[
        bool,
        Doc("hold answers to the schema, as your application does by Ollama's parameter format", page="evaluation.md"),
    ] = False
    latency_questions: Annotated[
        int, Range(0, 1000), Doc("questions that are asked of all versions in turn to measure latency; 0: not measured")
    ] = 8
    consistency_seeds: Annotated[
        int,
        Range(0, 100),
        Doc("times that ten questions are sampled, to see whether the answers agree; 0: not at all"),
    ] = 3
    primary: Annotated[
        str | None,
        Doc(
            "metric that has to be proven better than live's",
            unset="field_f1 for json, accuracy for classification, else token_f1",
        ),
    ] = None
    require_improved: Annotated[
        int, Range(0, 1000), Doc("critical metrics that have to be proven better than live, the primary one included")
    ] = 1
    fresh_per_night: Annotated[
        int,
        Range(1, 10_000),
        Doc("new cases that challenger and live are asked in a night, before they are trained on", page="evidence.md"),
    ] = 30
    choices_per_night: Annotated[
        int,
        Range(0, 1_000),
        Doc(
            "pairs of answers of challenger and live that wait for people to choose between; 0: on demand only",
            page="page.md",
        ),
    ] = 10
    error_budget: Annotated[
        float,
        Range(0.001, 0.5),
        Doc("probability that within a year anything goes live that is not better", page="evidence.md"),
    ] = 0.05
    reviews: Annotated[
        Reviews,
        Doc("what people review: mistakes, or all answers, or a random part of them (all)", page="evidence.md"),
    ] = Reviews.MISTAKES


@dataclass(frozen=True)
class WatchSettings:
    """What follows a promotion."""

    auto_rollback: Annotated[
        bool, Doc("go back by itself where the version before is proven to be better on new cases", page="evidence.md")
    ] = True


@dataclass(frozen=True)
class GateRule:
    """What is asked of one metric."""

    min: Annotated[float | None, Doc("least value of the candidate", unset="any")] = None
    max: Annotated[float | None, Doc("largest value of the candidate", unset="any")] = None
    min_gain: Annotated[float | None, Doc("least gain over the base", unset="any")] = None
    margin: Annotated[
        float | None,
        Range(0.0, 1e9),
        Doc("how much worse than live and base it may be", unset="0.02 if critical"),
    ] = None
    critical: Annotated[bool, Doc("a gate that has to be proven for a promotion", page="evaluation.md")] = False


@dataclass(frozen=True)
class FeedbackSettings:
    """Where feedback lies, how it is read, and how long it is kept."""

    ONCE_ALONE: ClassVar[str] = "folder"
    folder: Annotated[Path | None, Doc("folder where applications put feedback files", unset="HOME/feedback/NAME")] = (
        None
    )
    personal_data: Annotated[
        PersonalData,
        Doc("hold: what has keys, passwords or personal data is taught only once it is released", page="feedback.md"),
    ] = PersonalData.HOLD
    allow: Annotated[
        AllowRules,
        Doc('kinds (secret, email, phone, iban, card) and patterns ("*@example.org") that hold nothing', unset="none"),
    ] = ()
    fields: Annotated[
        dict[str, str],
        Doc(
            'name of a field in your files, by ours: rating = "score"',
            unset="ours",
            each="OURS",
            page="feedback-formats.md",
        ),
    ] = field(default_factory=dict)
    scale: Annotated[
        str | None, Doc("scale of ratings from bad to good, as in 1..10", unset="1..5", page="feedback-formats.md")
    ] = None
    ignore: Annotated[
        Names, Doc("fields in your files that mean nothing", unset="none", page="feedback-formats.md")
    ] = frozenset()
    turns: Annotated[FeedbackTurns, Doc("judged: earlier answers of a conversation that have a verdict teach, too")] = (
        FeedbackTurns.LAST
    )
    withdraw_vanished: Annotated[
        bool, Doc("take back what a line said that is no longer in its file, or whose file is gone", page="feedback.md")
    ] = False
    keep_days: Annotated[
        float | None,
        Range(1, 36_600),
        Doc("days after its arrival when a record is removed for good", unset="kept for ever", page="feedback.md"),
    ] = None


@dataclass(frozen=True)
class ModelSettings:
    """One model that applications use by its name."""

    base: Annotated[str, Doc("Ollama tag or .gguf file that everything starts from")]
    base_digest: Annotated[str, Doc("digest of the base's file at init; a base pulled anew is reported, not used")]
    task: Annotated[Task, Doc("what the model is asked to produce; it decides the metrics")] = Task.GENERATION
    schema: Annotated[Path | None, Doc("file with the JSON Schema that answers should follow", unset="none")] = None
    think: Annotated[
        Think, Doc("for thinking models: whether to think, in training and evaluation alike", page="training.md")
    ] = Think.DEFAULT
    feedback: FeedbackSettings = field(default_factory=FeedbackSettings)
    dataset: DatasetSettings = field(default_factory=DatasetSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    merging: MergingSettings = field(default_factory=MergingSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    gates: Annotated[
        dict[str, GateRule], Doc("what is asked of a metric, in place of the task's gates", each="METRIC")
    ] = field(default_factory=dict)
    versions: VersionsSettings = field(default_factory=VersionsSettings)
    watch: WatchSettings = field(default_factory=WatchSettings)
    teaching: TeachingSettings = field(default_factory=TeachingSettings)
    judging: JudgingSettings = field(default_factory=JudgingSettings)


@dataclass(frozen=True)
class Settings:
    """The whole configuration."""

    runtime: Annotated[
        RuntimeKind, Doc("what serves the models; embedded: llama.cpp in process, for trying things out")
    ] = RuntimeKind.OLLAMA
    ollama: OllamaSettings = field(default_factory=OllamaSettings)
    runs: RunsSettings = field(default_factory=RunsSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    capture: CaptureSettings = field(default_factory=CaptureSettings)
    page: PageSettings = field(default_factory=PageSettings)
    notifications: NotificationSettings = field(default_factory=NotificationSettings)
    teachers: Annotated[dict[str, TeacherSettings], Doc("stronger models that make examples", each="TEACHER")] = field(
        default_factory=dict
    )
    judges: Annotated[dict[str, JudgeSettings], Doc("models that judge answers", each="JUDGE")] = field(
        default_factory=dict
    )
    models: Annotated[dict[str, ModelSettings], Doc("the models, by their names", each="NAME")] = field(
        default_factory=dict
    )

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
