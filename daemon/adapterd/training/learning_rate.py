"""How long a training takes, where in it the adapter is judged, and how fast it learns."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.optimizers as optim

from adapterd.training.recipe import Recipe

_VALIDATIONS_PER_EPOCH = 4


@dataclass(frozen=True)
class Plan:
    """So many steps `per_epoch`, and so many `epochs`; the rate rises for the share `warm_up` of them."""

    per_epoch: int
    epochs: int
    warm_up: float = 0.05

    @classmethod
    def of(cls, settings: Recipe, examples: int, pairs: int = 0) -> "Plan":
        """For so many training examples and pairs: every one in every epoch."""
        size = settings.batch_size
        return cls(math.ceil(examples / size) + math.ceil(pairs / size), settings.epochs, settings.warm_up)

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
        rise = max(1, round(self.steps * self.warm_up))
        parts = [
            optim.linear_schedule(peak / (rise + 1), peak, rise),
            optim.cosine_decay(peak, max(1, self.steps - rise)),
        ]
        schedule: Callable[[Any], mx.array] = optim.join_schedules(parts, [rise])
        return schedule
