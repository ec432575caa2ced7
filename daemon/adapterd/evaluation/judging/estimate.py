"""The mean that people would find, from their votes on a random part and a judge's on all (decision 45).

Prediction-powered inference with a tuned weight (PPI++, Angelopoulos, Duchi and Zrnic 2023, arXiv:2311.01453): the mean
of the people's votes, plus `weight` times what the judge says of the rest beyond what it says of the part. A judge that
is biased is so on both, which cancels; one that says nothing has a weight of 0, which leaves people alone.

The weight of each fifth of the votes comes from the other four (cross-fitting), so that no vote chooses its own. Small
numbers are honest by two imagined votes at each end of the scale, in the centre and in the spread (after Agresti and
Coull 1998), and by Student's t: without them, thirty votes that all agree with the judge would prove that it never
errs.

It holds where the votes are on a RANDOM part, and the judge is the same one on all: nothing in the numbers shows when
this is not so.
"""

import math
from dataclasses import dataclass

import numpy as np

from adapterd.errors import InputError
from adapterd.evaluation.bounded_mean import Array
from adapterd.evaluation.statistics import LEVEL, Interval

LEAST_VOTES = 30
"""With fewer the interval was too narrow in a world of the simulations; they are advice."""
LEAST_POOL = 2
FOLDS = 5
IMAGINED = 2
"""Votes that are imagined at each end of the scale."""
DIFFERENCES, SCORES = (-1.0, 1.0), (0.0, 1.0)
"""The scales of votes between two answers, and of scores."""


@dataclass(frozen=True)
class CalibratedMean:
    """The mean that people would find over all that is asked, and where it lies.

    `mean` and `interval` rest on people and, with `weight` in 0…1, on the judge; `by_people` and `people_interval` on
    the people alone, `by_judge` on the judge alone, which is no evidence. `votes` are people's, `pool` is of what only
    the judge has seen.
    """

    mean: float
    interval: Interval
    weight: float
    by_people: float
    people_interval: Interval
    by_judge: float
    votes: int
    pool: int

    @property
    def is_advice(self) -> bool:
        """Whether there are too few votes for more."""
        return self.votes < LEAST_VOTES

    @property
    def votes_saved(self) -> float:
        """The share of votes that people alone would need beyond these for as narrow an interval, in 0…1."""
        with_judge, alone = (each.high - each.low for each in (self.interval, self.people_interval))
        return max(0.0, 1 - (with_judge / alone) ** 2) if alone else 0.0


def calibrated_mean(
    votes: Array, judged: Array, pool: Array, *, level: float = LEVEL, scale: tuple[float, float] = DIFFERENCES
) -> CalibratedMean:
    """The mean of what people would say of all.

    `votes` (n,) are what people said of a random part, `judged` (n,) what the judge said of the same, and `pool` (m,)
    what it said of the others, all within `scale`. The interval is two-sided at `level`. Raises InputError for no
    votes, numbers that do not belong together, or values outside of the scale.
    """
    votes, judged, pool = (_in_units(each, scale) for each in (votes, judged, pool))
    if len(votes) != len(judged):
        raise InputError(
            f"{len(votes)} votes have {len(judged)} verdicts of the judge", hint="give one verdict for each vote"
        )
    if len(votes) < 2:
        raise InputError("a mean of votes needs two of them at least", hint=f"collect {LEAST_VOTES} votes")
    alone = _mean_of(votes, np.zeros_like(votes), np.zeros(1), np.zeros(len(votes)), level)
    found, weight = alone, 0.0
    if len(pool) >= LEAST_POOL:
        weights = _weights(votes, judged, len(pool))
        together = _mean_of(votes, judged, pool, weights, level)
        if together[1] < alone[1]:
            found, weight = together, float(weights.mean())
    return CalibratedMean(
        _out(found[0], scale), _interval(found, level, scale), weight, _out(float(votes.mean()), scale),
        _interval(alone, level, scale), _out(float(np.concatenate([judged, pool]).mean()), scale), len(votes),
        len(pool),
    )  # fmt: skip


def _weights(votes: Array, judged: Array, pool: int) -> Array:
    """The weight for each vote, from those of the other folds; shape (n,)."""
    fold = np.arange(len(votes)) % FOLDS
    found = np.zeros(len(votes))
    for each in range(min(FOLDS, len(votes))):
        found[fold == each] = _weight(votes[fold != each], judged[fold != each], pool)
    return found


def _weight(votes: Array, judged: Array, pool: int) -> float:
    """By which the variance is least: cov(votes, judged) / ((1 + n/m) var(judged)), in 0…1."""
    around = judged - judged.mean()
    spread = float(np.square(around).sum())
    if spread <= 1e-12:
        return 0.0
    slope = float((around * votes).sum()) / spread
    return float(np.clip(slope / (1 + len(votes) / pool), 0.0, 1.0))


def _mean_of(votes: Array, judged: Array, pool: Array, weights: Array, level: float) -> tuple[float, float]:
    """The centre of the interval and half of its width, for values in [-1, 1]."""
    from scipy.stats import t

    count, weight, whole = len(votes), float(weights.mean()), len(votes) + 2 * IMAGINED
    rest = votes - weights * (judged - pool.mean())
    moved = weight * float(pool.mean())
    centre = moved + (float(rest.mean()) - moved) * count / whole
    squares = float(np.square(rest - rest.mean()).sum()) + 2 * IMAGINED
    variance = squares / (whole - 1) / whole
    if weight:
        variance += weight**2 * float(pool.var(ddof=1)) / len(pool)
    return centre, float(t.ppf((1 + level) / 2, count - 1)) * math.sqrt(variance)


def _in_units(values: Array, scale: tuple[float, float]) -> Array:
    low, high = scale
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not np.all((found >= low) & (found <= high)):
        raise InputError(f"votes and verdicts are numbers from {low:g} to {high:g}", hint="check their scale")
    result: Array = 2 * (found - low) / (high - low) - 1
    return result


def _out(value: float, scale: tuple[float, float]) -> float:
    low, high = scale
    return low + (min(1.0, max(-1.0, value)) + 1) / 2 * (high - low)


def _interval(found: tuple[float, float], level: float, scale: tuple[float, float]) -> Interval:
    centre, half = found
    return Interval(_out(centre - half, scale), _out(centre + half, scale), level)
