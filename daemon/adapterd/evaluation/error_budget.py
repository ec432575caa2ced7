"""One budget of false promotions for a year, spent over all challengers of that year.

The budget is a sum of money, and a challenger is proven better when its stake has become 1. The gambler of e_process.py
bets with the stake on differences that came after the challenger was made. If the challenger is not better, the
expected value of the stake never rises. A challenger that is dropped gives back what its stake is worth, but no more
than it was; one that is promoted gives back its stake. So what is left of the budget, with what the stakes of
challengers that are not better are worth, never rises in expectation, and by Ville's inequality it ever reaches 1,
which a false promotion needs, with a probability of at most the budget. It does not matter how many challengers there
are, when each is dropped, or how its stake is chosen from what is known when it begins.

The argument is that of alpha-wealth (Foster and Stine 2008, "Alpha-investing") with e-processes, and that of Burman,
Sonesson and Guilbaud (2009, "A recycling framework for the construction of Bonferroni-based multiple tests") for
giving back what a rejected hypothesis was tested with. What a challenger has won does not go to the next one: if it was
better, its gains were no luck.

A part of the budget is there from the start, the rest comes night by night, and what is left and staked never exceeds
the first part. So of all challengers that begin within any 365 nights, one that is not better is promoted with a
probability of at most the budget.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

NIGHTS = 365
AT_ONCE = 0.5
"""The part of a year's budget that is there at the start."""
STAKED = 0.5
"""The part of what is left that a challenger gets."""


@dataclass(frozen=True)
class ErrorBudget:
    """The probability `yearly` that within a year anything is promoted which is not better: what is `left` of it now,
    and what the present challenger has `staked`. Both may be arrays, for many years at once."""

    yearly: float
    left: Any
    staked: Any = 0.0

    @classmethod
    def of(cls, yearly: float) -> "ErrorBudget":
        """The budget on the first night. Raises ValueError for a probability that is none."""
        if not 0 < yearly < 1:
            raise ValueError(f"a year's error budget lies between 0 and 1, not {yearly:g}")
        return cls(yearly, yearly * AT_ONCE)

    def after(self, nights: float = 1.0) -> "ErrorBudget":
        """With what so many nights bring."""
        return self._with(self.left + nights * self.yearly * (1 - AT_ONCE) / NIGHTS, self.staked)

    def begun(self, share: float = STAKED) -> "ErrorBudget":
        """With a share of what is left as the stake of a challenger that begins now; the stake is the level at which it
        is proven better."""
        return replace(self, left=self.left * (1 - share), staked=self.left * share)

    def promoted(self) -> "ErrorBudget":
        """After the challenger was promoted."""
        return self._with(self.left + self.staked, 0.0 * self.staked)

    def dropped(self, log_capital: Any) -> "ErrorBudget":
        """After the challenger was dropped when the logarithm of its capital was `log_capital`: the smallest, of all
        that it had to prove."""
        return self._with(self.left + self.staked * np.exp(np.minimum(0.0, log_capital)), 0.0 * self.staked)

    def _with(self, left: Any, staked: Any) -> "ErrorBudget":
        return replace(self, left=np.maximum(0.0, np.minimum(self.yearly * AT_ONCE - staked, left)), staked=staked)
