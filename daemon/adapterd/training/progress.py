"""Progress and result of a training. Light: the daemon reads these without loading MLX."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from adapterd.formats.judged_step import JudgedStep


class Criterion(StrEnum):
    """By what the best adapter was chosen."""

    ANSWERS = "answers"
    VALIDATION_LOSS = "validation_loss"
    TRAINING_LOSS = "training_loss"


@dataclass(frozen=True)
class TrainingProgress:
    """One step, or the validation before the first (step 0, no loss).

    Losses are in nats a token; `validation_loss` is the latest; `tokens_per_s` counts ids of training examples
    without padding, prompts included, in the time that training steps took. `remaining_s` is 0 while it is not known.
    `doing` says what goes on before the first step. `rewards_accuracies` and `rewards_margins` are TRL's
    rewards/accuracies and rewards/margins of the latest validation with pairs. `end_of_turn_loss` is the part of the
    validation loss that the ends of turn have, a mean over them.
    """

    step: int
    steps: int
    epoch: int
    loss: float | None
    validation_loss: float | None
    tokens_per_s: float
    remaining_s: float
    peak_memory_bytes: int
    doing: str = ""
    rewards_accuracies: float | None = None
    rewards_margins: float | None = None
    end_of_turn_loss: float | None = None

    @classmethod
    def preparing(cls, steps: int, doing: str) -> "TrainingProgress":
        """Before the first of so many steps."""
        return cls(0, steps, 1, None, None, 0.0, 0.0, 0, doing)

    @classmethod
    def after(cls, result: "TrainingResult", doing: str) -> "TrainingProgress":
        """After the last step of a training."""
        return cls(
            result.steps, result.steps, result.epochs or 1, None, result.best_validation_loss, result.tokens_per_s, 0.0,
            result.peak_memory_bytes, doing,
        )  # fmt: skip


Report = Callable[[TrainingProgress], object]


@dataclass(frozen=True)
class CurvePoint:
    """The losses at one step, each None where it was not measured there."""

    step: int
    loss: float | None
    validation_loss: float | None
    end_of_turn_loss: float | None = None


def validated(curve: Sequence[CurvePoint]) -> dict[int, float]:
    """The validation losses by step, without that before the first step."""
    return {point.step: point.validation_loss for point in curve if point.step and point.validation_loss is not None}


def end_of_turn_loss(curve: Sequence[CurvePoint], step: int) -> float | None:
    """That of a step, None where it was not measured."""
    return next((point.end_of_turn_loss for point in curve if point.step == step), None)


@dataclass(frozen=True)
class TrainingResult:
    """The end of a training: how far it came, and which step's adapter was kept.

    `best_step` is that of the adapter that was kept, 0 the untrained one, which changes nothing: no later one had a
    lower validation loss. `best_validation_loss` is that of the same adapter, `end_of_turn_loss` that of the ends of
    turn alone.
    Validation losses are None, and `criterion` says so, where there were no validation examples. The rewards
    of the adapter that was kept are None without pairs. `epochs` is the most that it was trained for, `learning_rate`
    the peak, `estimated_memory_bytes` the estimate for a step with the longest examples; `gradient_checkpointing` says
    whether blocks were recomputed in the backward pass; `notes` are sentences that a person should read. `judged` are
    the adapters that the choice by answers was among; empty where the loss decided. The one that was kept has
    `unlearned` so many of its own answers.
    """

    steps: int
    best_step: int
    criterion: Criterion
    first_validation_loss: float | None
    best_validation_loss: float | None
    train_tokens: int
    tokens_per_s: float
    seconds: float
    peak_memory_bytes: int
    curve: list[CurvePoint]
    rewards_accuracies: float | None = None
    rewards_margins: float | None = None
    epochs: int | None = None
    learning_rate: float | None = None
    estimated_memory_bytes: int | None = None
    gradient_checkpointing: bool | None = None
    notes: list[str] = field(default_factory=list)
    judged: list[JudgedStep] = field(default_factory=list)
    unlearned: int = 0
    end_of_turn_loss: float | None = None
