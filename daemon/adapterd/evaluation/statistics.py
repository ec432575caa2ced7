"""What two models' answers to the same cases prove: intervals, tests, effect sizes, and how many cases would be enough.

The mean of scores between 0 and 1 is compared by bounds that hold for any number of cases and any shape of their
differences (bounded_mean.py); cases that share a source count as one unit, their mean. Any other metric is a function
of sums over the cases (metric.py), so a resample of the cases is a weighting of those sums, and one bootstrap serves
them all, with cases that share a source drawn together (Cameron, Gelbach and Miller 2008). Everything is deterministic
given the seed.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapterd.evaluation.bounded_mean import Array as Array
from adapterd.evaluation.bounded_mean import BoundedMean

Value = Callable[[Array], Array]
"""Sums of the parts, of shape (…, k) → the metric, of shape (…)."""

LEVEL = 0.95
ALPHA = 1 - LEVEL
WARNING_LEVEL = 0.75
"""A loss is believed sooner than a gain: a false alarm costs a night, a missed one goes live. At this level the bounds
of bounded_mean.py notice a loss as soon as a one-sided z test at 5 % does, since sqrt(2 log 4) = 1.67."""
RESAMPLES = 4000
POWER = 0.8
LEAST_UNITS = 5
"""Fewer prove nothing at LEVEL, whatever they are: 1.98 ** 4 < 20."""


@dataclass(frozen=True)
class Interval:
    """Where the true value lies, by `level`; `low` and `high` may be equal where every case says the same."""

    low: float
    high: float
    level: float


@dataclass(frozen=True)
class Paired:
    """The parts of a metric for two models on the same cases.

    `ours` and `theirs` have the shape (cases, k); `clusters` (cases,) numbers what belongs together, a source for
    example. A `bounded` metric is the mean of values in [0, 1], and a `yes_no` one of values that are 0 or 1.
    """

    ours: Array
    theirs: Array
    clusters: NDArray[np.int64]
    value: Value
    bounded: bool = False
    yes_no: bool = False

    @property
    def cases(self) -> int:
        return len(self.ours)

    def difference(self) -> float:
        """The metric of ours minus that of theirs, over all cases."""
        return float(self.value(self.ours.sum(axis=0)) - self.value(self.theirs.sum(axis=0)))

    def by_case(self) -> Array:
        """The difference of each single case that the metric applies to."""
        difference = self.value(self.ours) - self.value(self.theirs)
        return difference[np.isfinite(difference)]

    def by_cluster(self) -> tuple[Array, Array]:
        """The sums of both models' parts over each cluster, (clusters, k) each."""
        _, which = np.unique(self.clusters, return_inverse=True)
        sums = np.zeros((2, which.max() + 1, self.ours.shape[1]))
        np.add.at(sums[0], which, self.ours)
        np.add.at(sums[1], which, self.theirs)
        return sums[0], sums[1]

    def unit_values(self) -> tuple[Array, Array]:
        """The metric of both models on each cluster that it applies to, two arrays of shape (units,)."""
        ours, theirs = (self.value(parts) for parts in self.by_cluster())
        applies = np.isfinite(ours) & np.isfinite(theirs)
        return ours[applies], theirs[applies]

    def smoothed(self) -> "Paired":
        """With a cluster that differs as clusters do once more, and once with the models exchanged.

        Else a few cases that are all the same would prove anything, and so would many of which only a few differ. It
        is the first to reach the root mean square of those that differ.
        """
        ours, theirs = self.by_cluster()
        differences = np.nan_to_num(np.abs(self.value(ours) - self.value(theirs)))
        usual = np.sqrt(np.square(differences).sum() / max(1, np.count_nonzero(differences)))
        typical = np.where(differences >= usual * (1 - 1e-9), differences, np.inf).argmin()
        pair = ours[typical], theirs[typical]
        return replace(
            self,
            ours=np.vstack([ours, *pair]),
            theirs=np.vstack([theirs, *pair[::-1]]),
            clusters=np.arange(len(ours) + 2),
        )


@dataclass(frozen=True)
class Comparison:
    """What the cases say of ours against theirs. Differences are ours − theirs, in the metric's unit.

    The ends of `interval` are two-sided at `LEVEL`. Each end of `bounds` is one-sided: at `LEVEL`, by which gains are
    proven. Each end of `warning` is one-sided at `WARNING_LEVEL`, by which losses are noticed. `p` is two-sided, by
    `test`. `d` is Cohen's d of the paired differences, `delta` Cliff's delta; both are None where a single case has no
    value of its own, and `d` also for a yes or no, and where all cases differ by the same. Of a bounded metric, `ours`,
    `theirs` and `difference` are means over `clusters`, and `units` has the difference of each, shape (clusters,).
    """

    cases: int
    clusters: int
    ours: float
    theirs: float
    difference: float
    interval: Interval
    bounds: Interval
    warning: Interval
    p: float
    test: str
    wins: int
    losses: int
    ties: int
    d: float | None
    delta: float | None
    over_cases: float = 0.0
    units: tuple[float, ...] = field(default=(), repr=False, compare=False)

    def units_needed(self, direction: float, level: float = LEVEL) -> int | None:
        """How many units (cases, or sources where cases share them) would prove with `POWER` that the true difference
        has the sign of `direction`, if the differences at hand are typical; None where no number would, or the metric
        has no units."""
        if not self.units:
            return None
        return BoundedMean(math.copysign(1.0, direction) * np.array(self.units)).needed(1 - level, POWER)

    def provable_gain(self, direction: float = 1.0) -> float | None:
        """The smallest true difference with the sign of `direction` that as many such units prove, at `LEVEL` and with
        `POWER`; None where none can be, or the metric has no units."""
        if len(self.units) < LEAST_UNITS:
            return None
        return BoundedMean(math.copysign(1.0, direction) * np.array(self.units)).provable(ALPHA, POWER)

    def summary(self) -> "Comparison":
        """The comparison as it is stored: without the units, which only `units_needed` and `provable_gain` use."""
        return replace(self, units=())


def compare(paired: Paired, *, seed: int = 0, by_case: bool = True) -> Comparison:
    """All that the cases prove about one metric; `by_case` says whether single cases have a value."""
    differences = paired.by_case() if by_case else np.array([])
    proven = _bounded(paired) if paired.bounded else _resampled(paired, seed)
    return Comparison(
        cases=len(paired.by_case()) if paired.bounded else paired.cases,
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
        ties=int((differences == 0).sum()),
        d=_cohens_d(differences) if by_case and not paired.yes_no else None,
        delta=_cliffs_delta(paired) if by_case else None,
        over_cases=paired.difference(),
        **proven,
    )


def holm(ps: Sequence[float]) -> list[float]:
    """Each p adjusted for there being several (Holm 1979): none of those below the level is so by chance alone."""
    adjusted, highest = [0.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = highest
    return adjusted


def _bounded(paired: Paired) -> dict[str, Any]:
    """The comparison of two means of scores in [0, 1], by betting."""
    ours, theirs = paired.unit_values()
    units = np.clip(ours - theirs, -1.0, 1.0)  # rounding may lead a hair outside
    if not len(units):
        return _nothing_in_common(paired)
    mean = BoundedMean(units)
    return {
        "clusters": len(units), "ours": float(ours.mean()), "theirs": float(theirs.mean()),
        "difference": float(units.mean()), "units": tuple(units.tolist()), "test": "betting", "p": mean.p_value(),
        "interval": Interval(mean.lower(ALPHA / 2), mean.upper(ALPHA / 2), LEVEL),
        "bounds": Interval(mean.lower(ALPHA), mean.upper(ALPHA), LEVEL),
        "warning": Interval(mean.lower(1 - WARNING_LEVEL), mean.upper(1 - WARNING_LEVEL), WARNING_LEVEL),
    }  # fmt: skip


def _nothing_in_common(paired: Paired) -> dict[str, Any]:
    """The comparison where no unit has a value of both: nothing is known of the difference."""
    ours, theirs = (float(paired.value(parts.sum(axis=0))) for parts in (paired.ours, paired.theirs))
    anything = Interval(-1.0, 1.0, LEVEL)
    return {
        "clusters": 0, "ours": ours, "theirs": theirs, "difference": ours - theirs, "test": "none", "p": 1.0,
        "interval": anything, "bounds": anything, "warning": anything,
    }  # fmt: skip


def _resampled(paired: Paired, seed: int) -> dict[str, Any]:
    """The comparison of any other metric, by the bootstrap and by randomisation."""
    clusters = len(np.unique(paired.clusters))
    ours, theirs = (float(paired.value(parts.sum(axis=0))) for parts in (paired.ours, paired.theirs))
    interval, bounds = _bootstrap(paired.smoothed(), seed)
    return {
        "clusters": clusters, "ours": ours, "theirs": theirs, "difference": ours - theirs, "test": "randomisation",
        "p": _randomisation(paired, seed) if clusters > 1 else 1.0, "interval": interval, "bounds": bounds,
        "warning": bounds,
    }  # fmt: skip


def _bootstrap(paired: Paired, seed: int) -> tuple[Interval, Interval]:
    """The interval, and the one of which each end is one-sided: percentiles of resampled clusters, expanded for small
    numbers (Hesterberg 2015)."""
    from scipy.stats import bootstrap

    ours, theirs = paired.by_cluster()
    both = np.hstack([ours, theirs])
    clusters, width, observed = len(both), ours.shape[1], paired.difference()

    def statistic(drawn: NDArray[np.int64], axis: int) -> Array:
        drawn = np.moveaxis(np.asarray(drawn), axis, -1)
        counts = _counts(drawn.reshape(-1, drawn.shape[-1]), clusters)
        sums = (counts @ both).reshape(*drawn.shape[:-1], 2 * width)
        difference = paired.value(sums[..., :width]) - paired.value(sums[..., width:])
        # a draw may hold no case that the metric applies to
        result: Array = np.where(np.isnan(difference), observed, difference)
        return result

    drawn = bootstrap(
        (np.arange(clusters),), statistic, vectorized=True, n_resamples=RESAMPLES, batch=1000, method="percentile",
        rng=np.random.default_rng(seed),
    )  # fmt: skip
    found = drawn.bootstrap_distribution
    return _percentiles(found, LEVEL, clusters), _percentiles(found, LEVEL - ALPHA, clusters)


def _percentiles(found: Array, level: float, clusters: int) -> Interval:
    """Wider than the plain percentiles: resamples vary less than samples, by (n - 1) / n, and have not the tails of
    Student's t."""
    from scipy.stats import norm, t

    quantile = t.ppf((1 + level) / 2, clusters - 1) * math.sqrt(clusters / (clusters - 1))
    outside = norm.sf(quantile)
    return Interval(float(np.quantile(found, outside)), float(np.quantile(found, 1 - outside)), level)


def _counts(drawn: NDArray[np.int64], clusters: int) -> Array:
    """How often each cluster was drawn: (resamples, drawn) → (resamples, clusters)."""
    rows = clusters * np.arange(len(drawn))[:, None]
    counted = np.bincount((drawn + rows).ravel(), minlength=len(drawn) * clusters)
    return counted.reshape(len(drawn), clusters).astype(float)


def _randomisation(paired: Paired, seed: int) -> float:
    """p of the difference, were it decided by chance for each cluster which model gave which answers (Noreen 1989)."""
    from scipy.stats import permutation_test

    ours, theirs = paired.by_cluster()
    parts = np.vstack([ours, theirs])

    def statistic(first: NDArray[np.int64], second: NDArray[np.int64], axis: int) -> Array:
        one, other = (paired.value(parts[drawn].sum(axis=axis - 1)) for drawn in (first, second))
        return one - other

    where = np.arange(len(ours))
    found = permutation_test(
        (where, where + len(ours)), statistic, permutation_type="samples", vectorized=True, n_resamples=RESAMPLES,
        batch=500, rng=np.random.default_rng(seed),
    )  # fmt: skip
    return float(found.pvalue)


def _cohens_d(differences: Array) -> float | None:
    """The mean difference in standard deviations of the differences; none where all cases differ by the same."""
    if len(differences) < 2 or not np.ptp(differences):
        return None
    return float(differences.mean() / differences.std(ddof=1))


def _cliffs_delta(paired: Paired) -> float | None:
    """How much more often a case of ours is above one of theirs than below, −1…1 (Cliff 1993)."""
    from scipy.stats import mannwhitneyu

    ours, theirs = (values[np.isfinite(values)] for values in map(paired.value, (paired.ours, paired.theirs)))
    if not len(ours) or not len(theirs):
        return None
    u = mannwhitneyu(ours, theirs, method="asymptotic").statistic
    return float(2 * u / (len(ours) * len(theirs)) - 1)
