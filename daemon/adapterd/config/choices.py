"""The settings whose value is one of a few words."""

from enum import StrEnum


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


class Think(StrEnum):
    """What is asked of a thinking model: to think, not to think, or nothing (the model's own default)."""

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


class FeedbackTurns(StrEnum):
    """Which answers of a conversation teach: its last one, or each one that has a verdict of its own as well."""

    LAST = "last"
    JUDGED = "judged"


class Sources(StrEnum):
    """Whether all prompts of a source or a conversation are on one side of the split, or mixed."""

    ONE_SIDE = "one_side"
    MIXED = "mixed"


class GradientCheckpointing(StrEnum):
    """Whether activations are computed again in the backward pass instead of being stored: less memory, more time."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class BaseChange(StrEnum):
    """What to do when the base's own tag names another file than the pinned one."""

    REPORT = "report"
    RETRAIN = "retrain"


PERSONAL_DATA_KINDS = ("secret", "email", "phone", "iban", "card")
"""What a rule may allow altogether."""


class PersonalData(StrEnum):
    """What becomes of records with secrets or personal data: they wait for somebody to release them, or are taught."""

    HOLD = "hold"
    ALLOW = "allow"


class Balance(StrEnum):
    """By what the examples of a training set are balanced: their answer, the kind of it, or where they come from."""

    OFF = "off"
    LABEL = "label"
    OUTPUT_TYPE = "output_type"
    SOURCE = "source"


class Reviews(StrEnum):
    """Which answers of live people review: all of them or a random part, or mistakes."""

    ALL = "all"
    MISTAKES = "mistakes"
