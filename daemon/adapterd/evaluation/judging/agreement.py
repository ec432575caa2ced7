"""How far a judge agrees with people and with itself: agreement beyond chance, and what sways it.

Intervals of coefficients are by the jackknife with Student's t, with units imagined that agree and as many that do not,
in both directions (a few units that all agree prove nothing, nor does it matter which side is called ours); shares have
Wilson's interval.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from adapterd.evaluation.bounded_mean import Array
from adapterd.evaluation.statistics import LEVEL

LEAST_PAIRS = 20
"""With fewer, intervals of coefficients were too narrow in simulations."""
MOST_JACKKNIFED = 1000
"""Coefficients are of the first so many, which is more than enough to tell a judge by."""


@dataclass(frozen=True)
class Coefficient:
    """A number and its 95 % interval; None where too few units, or units that are all alike, have none."""

    value: float | None
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        """`0.62 (0.40 to 0.84)`."""
        return "not known" if self.value is None else f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Portion:
    """So many of a number of units, with Wilson's interval of 95 %, and p where a test goes with it."""

    count: int
    of: int
    low: float
    high: float
    p: float | None = None

    @classmethod
    def counted(cls, count: int, of: int, p: float | None = None) -> "Portion":
        from scipy.stats import binomtest

        if not of:
            return cls(0, 0, 0.0, 1.0, p)
        found = binomtest(count, of).proportion_ci(LEVEL, method="wilson")
        return cls(count, of, float(found.low), float(found.high), p)

    @property
    def value(self) -> float | None:
        """The share in 0…1; None of nothing."""
        return self.count / self.of if self.of else None

    def __str__(self) -> str:
        """`12 of 40, 30% (18% to 45%)`."""
        if not self.of:
            return "not known"
        return f"{self.count} of {self.of}, {self.count / self.of:.0%} ({self.low:.0%} to {self.high:.0%})"


def kappa(people: Array, judge: Array) -> Coefficient:
    """Cohen's κ (1960) of verdicts as for, neither, against, by the sign of each value; shape (n,) both."""
    return _jackknifed(_kappa, np.sign(people), np.sign(judge))


def spearman(people: Array, judge: Array) -> Coefficient:
    """Spearman's rank correlation, by average ranks."""
    return _jackknifed(_spearman, people, judge)


def kendall(people: Array, judge: Array) -> Coefficient:
    """Kendall's τ-b."""
    return _jackknifed(_kendall, people, judge)


def flips(first: Array, second: Array) -> Portion:
    """How many pairs the judge decides otherwise when the two answers change places.

    `first` (n,) are verdicts with ours shown first, `second` with theirs first, both as 1 for ours, -1 for theirs. p is
    of the exact sign test that the place shown first and the other one gain alike.
    """
    swung = np.sign(first - second)
    return Portion.counted(int((swung != 0).sum()), len(swung), _sign_test(int((swung > 0).sum()), swung))


def first_place(first: Array, second: Array) -> Portion:
    """Of the pairs that flip, those that favour the answer shown first."""
    swung = np.sign(first - second)
    wins = int((swung > 0).sum())
    return Portion.counted(wins, int((swung != 0).sum()), _sign_test(wins, swung))


def repeated(once: Array, again: Array) -> Portion:
    """How many verdicts are the same when the same is asked again."""
    return Portion.counted(int((once == again).sum()), len(once))


@dataclass(frozen=True)
class LengthBias:
    """Whether the judge favours the longer answer more than people do: the rank correlation of its verdict minus theirs
    with the difference of the lengths' logarithms, and p that there is none. `judge` and `people` are how many of the
    decided pairs each gives to the longer one."""

    correlation: float | None
    p: float | None
    judge: Portion
    people: Portion


def length_bias(people: Array, judge: Array, ours: Sequence[int], theirs: Sequence[int]) -> LengthBias:
    """Of pairs that both have decided on; `ours` and `theirs` are the answers' lengths in characters."""
    from scipy.stats import spearmanr

    longer = np.log1p(np.array(ours, dtype=float)) - np.log1p(np.array(theirs, dtype=float))
    beyond = judge - people
    known = len(beyond) >= LEAST_PAIRS and np.ptp(beyond) > 0 and np.ptp(longer) > 0
    found = spearmanr(beyond, longer) if known else None
    return LengthBias(
        float(found.statistic) if found else None, float(found.pvalue) if found else None,
        _to_the_longer(judge, longer), _to_the_longer(people, longer),
    )  # fmt: skip


def _to_the_longer(verdicts: Array, longer: Array) -> Portion:
    decided = (np.sign(verdicts) != 0) & (longer != 0)
    return Portion.counted(int((np.sign(verdicts) == np.sign(longer))[decided].sum()), int(decided.sum()))


def _sign_test(wins: int, swung: Array) -> float | None:
    from scipy.stats import binomtest

    decided = int((swung != 0).sum())
    return float(binomtest(wins, decided).pvalue) if decided else None


def _jackknifed(measure: Callable[[Array, Array], float], people: Array, judge: Array) -> Coefficient:
    from scipy.stats import t

    people, judge = people[:MOST_JACKKNIFED], judge[:MOST_JACKKNIFED]
    count = len(people)
    value = measure(people, judge) if count >= LEAST_PAIRS else math.nan
    if math.isnan(value):
        return Coefficient(None, -1.0, 1.0, count)
    ends = float(max(np.abs(people).max(), np.abs(judge).max()))
    people, judge = np.append(people, [ends, ends, -ends, -ends]), np.append(judge, [ends, -ends, ends, -ends])
    kept = ~np.eye(len(people), dtype=bool)
    without = np.nan_to_num(np.array([measure(people[row], judge[row]) for row in kept]), nan=value)
    spread = math.sqrt((len(without) - 1) / len(without) * float(np.square(without - without.mean()).sum()))
    half = float(t.ppf((1 + LEVEL) / 2, count - 1)) * spread
    return Coefficient(value, max(-1.0, value - half), min(1.0, value + half), count)


def _kappa(people: Array, judge: Array) -> float:
    agreed = float((people == judge).mean())
    chance = sum(float((people == side).mean() * (judge == side).mean()) for side in (-1, 0, 1))
    return (agreed - chance) / (1 - chance) if np.ptp(people) and np.ptp(judge) else math.nan


def _spearman(people: Array, judge: Array) -> float:
    from scipy.stats import rankdata

    one, other = (ranks - ranks.mean() for ranks in (rankdata(people), rankdata(judge)))
    spread = math.sqrt(float(one @ one) * float(other @ other))
    return float(one @ other) / spread if spread > 0 else math.nan


def _kendall(people: Array, judge: Array) -> float:
    from scipy.stats import kendalltau

    return float(kendalltau(people, judge).statistic) if np.ptp(people) and np.ptp(judge) else math.nan
