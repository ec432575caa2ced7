"""What a training has come to so far, in plain numbers. All of it outlives the process, by way of a checkpoint."""

import json
import math
from dataclasses import dataclass, field
from typing import Any

from adapterd.training.progress import CurvePoint


@dataclass(frozen=True)
class Judged:
    """An adapter's loss, and how well it tells the pairs apart that it was not trained on, if there are any."""

    loss: float
    preference_accuracy: float | None = None
    preference_margin: float | None = None


@dataclass
class Best:
    """The lowest loss so far, and how many times in a row it was not beaten."""

    step: int = 0
    loss: float = math.inf
    misses: int = 0
    preference_accuracy: float | None = None
    preference_margin: float | None = None

    def beaten_by(self, step: int, judged: "Judged") -> bool:
        """Take what was judged into account; whether its loss is the lowest."""
        if judged.loss < self.loss:
            self.step, self.loss, self.misses = step, judged.loss, 0
            self.preference_accuracy, self.preference_margin = judged.preference_accuracy, judged.preference_margin
            return True
        self.misses += 1
        return False


@dataclass
class Tally:
    """Steps done, the best of them, the losses of all, ids without padding, and time.

    `stepping_s` is the time that steps took, `earlier_s` all that was spent before this process took over.
    """

    step: int = 0
    best: Best = field(default_factory=Best)
    curve: list[CurvePoint] = field(default_factory=list)
    train_tokens: int = 0
    stepping_s: float = 0.0
    earlier_s: float = 0.0

    @classmethod
    def restored(cls, numbers: dict[str, Any], metrics: bytes) -> "Tally":
        """The reverse of `numbers`, with the curve taken from the lines of metrics up to then."""
        lines = [json.loads(line) for line in metrics.splitlines()]
        curve = [CurvePoint(line["step"], line["loss"], line["validation_loss"]) for line in lines]
        return cls(**numbers | {"best": Best(**numbers["best"]), "curve": curve})

    def numbers(self) -> dict[str, Any]:
        """Everything but the curve, as JSON can hold it."""
        plain = {name: value for name, value in vars(self).items() if name != "curve"}
        return plain | {"best": dict(vars(self.best))}

    def validation_losses(self) -> list[float]:
        """All of them, in order."""
        return [point.validation_loss for point in self.curve if point.validation_loss is not None]

    def tokens_per_s(self) -> float:
        """Ids in the time that training steps took; 0 before the first."""
        return self.train_tokens / self.stepping_s if self.stepping_s else 0.0
