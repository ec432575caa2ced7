"""The schedule of a training: its steps and epochs, when it validates, and the learning rate of each step."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.optimizers as optim

from adapterd.training.recipe import Recipe

_VALIDATIONS_PER_EPOCH = 4


@dataclass(frozen=True)
class TrainingSchedule:
    """`per_epoch` steps in each of `epochs`; the learning rate rises for the share `warm_up` of all steps."""

    per_epoch: int
    epochs: int
    warm_up: float = 0.05
    most: int | None = None
    """So many steps at most, where there is no time for all."""

    @classmethod
    def of(cls, settings: Recipe, examples: int, pairs: int = 0) -> "TrainingSchedule":
        """For this many training examples and pairs, each of which is seen once per epoch."""
        size = settings.batch_size
        return cls(math.ceil(examples / size) + math.ceil(pairs / size), settings.epochs, settings.warm_up)

    @property
    def steps(self) -> int:
        """The number of steps of the whole training."""
        whole = self.per_epoch * self.epochs
        return whole if self.most is None else min(whole, self.most)

    @property
    def validate_every(self) -> int:
        """The number of steps between validations: about four validations per epoch, or in all if there is less."""
        return math.ceil(min(self.per_epoch, self.steps) / _VALIDATIONS_PER_EPOCH)

    def epoch_of(self, step: int) -> int:
        """The epoch of a step; both count from 1, and step 0 is the validation before the first."""
        return max(1, math.ceil(step / self.per_epoch))

    def validates_after(self, step: int) -> bool:
        """Whether there is a validation after this step, counted from 1; always after the last."""
        return step % self.validate_every == 0 or step == self.steps

    def learning_rate(self, peak: float) -> Callable[[Any], mx.array]:
        """Linear warm-up to the peak, then cosine decay to zero, as a function of the steps done."""
        rise = max(1, round(self.steps * self.warm_up))
        parts = [
            optim.linear_schedule(peak / (rise + 1), peak, rise),
            optim.cosine_decay(peak, max(1, self.steps - rise)),
        ]
        schedule: Callable[[Any], mx.array] = optim.join_schedules(parts, [rise])
        return schedule
