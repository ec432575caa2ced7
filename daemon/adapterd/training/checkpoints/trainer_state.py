"""The trainer's state as plain numbers; a checkpoint holds it beside the arrays, so that it outlives the process."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapterd.training.progress import CurvePoint

_OLD_NAMES = {"preference_accuracy": "rewards_accuracies", "preference_margin": "rewards_margins"}
"""Names in the checkpoints of earlier releases."""


@dataclass(frozen=True)
class ValidationMetrics:
    """The loss of an adapter on the validation set, with held-out pairs TRL's rewards/accuracies and rewards/margins,
    and with held-out examples the mean loss of their ends of turn."""

    loss: float
    rewards_accuracies: float | None = None
    rewards_margins: float | None = None
    end_of_turn_loss: float | None = None


@dataclass
class Best:
    """The step with the lowest loss so far, and how many validations in a row did not improve on it (`misses`)."""

    step: int = 0
    loss: float = math.inf
    misses: int = 0
    rewards_accuracies: float | None = None
    rewards_margins: float | None = None

    def improved_by(self, step: int, metrics: ValidationMetrics) -> bool:
        """Take a validation into account; whether its loss is the lowest so far."""
        if metrics.loss < self.loss:
            self.step, self.loss, self.misses = step, metrics.loss, 0
            self.rewards_accuracies, self.rewards_margins = metrics.rewards_accuracies, metrics.rewards_margins
            return True
        self.misses += 1
        return False


@dataclass
class TrainerState:
    """Steps done, the best of them, the loss curve, ids without padding, and time.

    `stepping_s` is the time that steps took, `earlier_s` the whole time before this process resumed the training.
    `planned` is the number of steps that there is time for, None where all of them fit or it is not known yet.
    """

    step: int = 0
    best: Best = field(default_factory=Best)
    curve: list[CurvePoint] = field(default_factory=list)
    train_tokens: int = 0
    stepping_s: float = 0.0
    earlier_s: float = 0.0
    planned: int | None = None

    @classmethod
    def restored(cls, numbers: Mapping[str, Any], metrics: bytes) -> "TrainerState":
        """The reverse of `numbers`, with the curve taken from the lines of `metrics`."""
        lines = [json.loads(line) for line in metrics.splitlines()]
        curve = [
            CurvePoint(line["step"], line["loss"], line["validation_loss"], line.get("end_of_turn_loss"))
            for line in lines
        ]
        best = {_OLD_NAMES.get(name, name): value for name, value in numbers["best"].items()}
        return cls(**{**numbers, "best": Best(**best), "curve": curve})

    def numbers(self) -> dict[str, Any]:
        """Everything but the curve, as JSON can hold it."""
        plain = {name: value for name, value in vars(self).items() if name != "curve"}
        return plain | {"best": dict(vars(self.best))}

    def validation_losses(self) -> list[float]:
        """All of them, in order."""
        return [point.validation_loss for point in self.curve if point.validation_loss is not None]

    def tokens_per_s(self) -> float:
        """Ids per second of training steps; 0 before the first."""
        return self.train_tokens / self.stepping_s if self.stepping_s else 0.0
