"""How long a training takes, where in it the adapter is judged, and how fast it learns."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.optimizers as optim

from adapterd.config import TrainingSettings

_VALIDATIONS_PER_EPOCH = 4
_WARM_UP_SHARE = 0.05


@dataclass(frozen=True)
class Plan:
    """So many steps `per_epoch`, and so many `epochs`."""

    per_epoch: int
    epochs: int

    @classmethod
    def of(cls, settings: TrainingSettings, examples: int) -> "Plan":
        """For so many training examples: every one in every epoch."""
        return cls(math.ceil(examples / settings.batch_size), settings.epochs)

    @property
    def steps(self) -> int:
        """All of them."""
        return self.per_epoch * self.epochs

    @property
    def judge_every(self) -> int:
        """After how many steps each the adapter is judged: about four times in an epoch."""
        return math.ceil(self.per_epoch / _VALIDATIONS_PER_EPOCH)

    def epoch_of(self, step: int) -> int:
        """The epoch that a step belongs to; 1 is the first of both, and step 0 stands before it."""
        return max(1, math.ceil(step / self.per_epoch))

    def judged_after(self, step: int) -> bool:
        """Whether the adapter is judged after this step, 1 being the first; always after the last."""
        return step % self.judge_every == 0 or step == self.steps

    def learning_rate(self, peak: float) -> Callable[[Any], mx.array]:
        """A short linear rise to the peak, then a cosine down to zero, as a function of the steps done."""
        rise = max(1, round(self.steps * _WARM_UP_SHARE))
        parts = [
            optim.linear_schedule(peak / (rise + 1), peak, rise),
            optim.cosine_decay(peak, max(1, self.steps - rise)),
        ]
        schedule: Callable[[Any], mx.array] = optim.join_schedules(parts, [rise])
        return schedule
