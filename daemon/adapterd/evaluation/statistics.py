"""What two models' answers to the same cases prove: intervals, tests, effect sizes, and how many cases would be enough.

Every metric is a function of sums over the cases (measure.py). So a resample of the cases is a weighting of those sums,
and one bootstrap serves all metrics, with cases that share a source drawn together (Cameron, Gelbach and Miller 2008).
All of it is deterministic given the seed.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Value = Callable[[Array], Array]
"""Sums of the parts, of shape (…, k) → the metric, of shape (…)."""

LEVEL = 0.95
RESAMPLES = 4000
POWER = 0.8


@dataclass(frozen=True)
class Interval:
    """Where the true value lies, by `level`; `low` and `high` may be equal where every case says the same."""

    low: float
    high: float
    level: float


@dataclass(frozen=True)
class Paired:
    """The parts of a metric for two models on the same cases.

    `ours` and `theirs` have the shape (cases, k); `clusters` (cases,) numbers what is drawn together, a source for
    example. A `bounded` metric is the mean of values 0…1, and a `yes_no` one of values that are 0 or 1.
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

    def smoothed(self) -> "Paired":
        """With a cluster that differs as clusters do once more, and once with the models exchanged.

        Else a few cases that are all the same would prove anything, and so would many of which only a few differ. It
        is the first to reach the root mean square of those that differ. For yes and no this is the interval of Bonett
        and Price (2012).
        """
        ours, theirs = self.by_cluster()
        differences = np.nan_to_num(np.abs(self.value(ours) - self.value(theirs)))
        usual = np.sqrt(np.square(differences).sum() / max(1, np.count_nonzero(differences)))
        typical = np.where(differences >= usual * (1 - 1e-9), differences, np.inf).argmin()
        pair = ours[typical], theirs[typical]
        if self.bounded and np.array_equal(*pair):
            size = len(self.ours) / len(ours)
            pair = np.array([size, size]), np.array([0.0, size])
        return replace(
            self,
            ours=np.vstack([ours, *pair]),
            theirs=np.vstack([theirs, *pair[::-1]]),
            clusters=np.arange(len(ours) + 2),
        )


@dataclass(frozen=True)
class Comparison:
    """What the cases say of ours against theirs. Differences are ours − theirs, in the metric's unit.

    `p` is two-sided, by `test`. Each end of `bounds` is one-sided at `LEVEL`. `d` is Cohen's d of the paired
    differences, `delta` Cliff's delta; both are None where a single case has no value of its own, and `d` also where
    all cases differ by the same.
    """

    cases: int
    clusters: int
    ours: float
    theirs: float
    difference: float
    interval: Interval
    bounds: Interval
    standard_error: float
    p: float
    test: str
    wins: int
    losses: int
    ties: int
    d: float | None
    delta: float | None

    def cases_needed(self, gap: float) -> int | None:
        """How many such cases would prove with `POWER` what is `gap` away from the difference that shows, one-sided at
        `LEVEL`; None where no number would."""
        if gap <= 0 or self.standard_error == 0:
            return None
        share = ((_normal(LEVEL) + _normal(POWER)) * self.standard_error / gap) ** 2
        return max(self.cases, math.ceil(self.cases * share))


def compare(paired: Paired, *, seed: int = 0, by_case: bool = True) -> Comparison:
    """All that the cases prove about one metric; `by_case` says whether single cases have a value."""
    interval, bounds, standard_error = _bootstrap(paired.smoothed(), seed)
    differences = paired.by_case() if by_case else np.array([])
    test, p = _test(paired, differences, seed)
    ours, theirs = (float(paired.value(parts.sum(axis=0))) for parts in (paired.ours, paired.theirs))
    return Comparison(
        cases=paired.cases,
        clusters=len(np.unique(paired.clusters)),
        ours=ours,
        theirs=theirs,
        difference=ours - theirs,
        interval=interval,
        bounds=bounds,
        standard_error=standard_error,
        p=p,
        test=test,
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
        ties=int((differences == 0).sum()),
        d=_cohens_d(differences) if by_case else None,
        delta=_cliffs_delta(paired) if by_case else None,
    )


def holm(ps: Sequence[float]) -> list[float]:
    """Each p adjusted for there being several (Holm 1979): none of those below the level is so by chance alone."""
    adjusted, highest = [0.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = highest
    return adjusted


def _bootstrap(paired: Paired, seed: int) -> tuple[Interval, Interval, float]:
    """The interval, the one of which each end is one-sided, and the standard error: percentiles of resampled clusters,
    expanded for small numbers (Hesterberg 2015)."""
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
    return (
        _percentiles(found, LEVEL, clusters),
        _percentiles(found, 2 * LEVEL - 1, clusters),
        float(drawn.standard_error),
    )


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


def _test(paired: Paired, differences: Array, seed: int) -> tuple[str, float]:
    """The name of the test that fits, and its two-sided p for there being no difference."""
    from scipy.stats import binomtest, wilcoxon

    clusters = len(np.unique(paired.clusters))
    if clusters < 2:
        return "none", 1.0
    if not len(differences) or clusters < paired.cases:
        return "randomisation", _randomisation(paired, seed)
    if not differences.any():
        return ("McNemar" if paired.yes_no else "Wilcoxon"), 1.0
    if paired.yes_no:
        wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
        return "McNemar", float(binomtest(wins, wins + losses).pvalue)
    return "Wilcoxon", float(wilcoxon(differences).pvalue)


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


def _cliffs_delta(paired: Paired) -> float:
    """How much more often a case of ours is above one of theirs than below, −1…1 (Cliff 1993)."""
    from scipy.stats import mannwhitneyu

    ours, theirs = (values[np.isfinite(values)] for values in map(paired.value, (paired.ours, paired.theirs)))
    u = mannwhitneyu(ours, theirs, method="asymptotic").statistic
    return float(2 * u / (len(ours) * len(theirs)) - 1)


def _normal(level: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(level))
