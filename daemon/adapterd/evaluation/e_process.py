"""Evidence on paired differences that may be looked at after every night, for as many nights as wanted.

A gambler starts with a capital of 1 and bets on every difference that the true mean is above `null`. If it is not, the
expected capital never rises, whatever was seen before; so it ever reaches 1/alpha with a probability of at most alpha
(Ville's inequality), and looking at it each night costs nothing. Such a capital is an e-process (Ramdas, Grünwald, Vovk
and Shafer 2023, arXiv:2210.01948); the means that it has not refuted at any look are a confidence sequence (Howard,
Ramdas, McAuliffe and Sekhon 2021, arXiv:1810.08240). Bets are those of bounded_mean.py, the predictable plug-in of
Waudby-Smith and Ramdas (2024, arXiv:2010.09686, section 3), with a fixed horizon: the number of differences by which
a decision is wanted.

Differences are in [-1, 1]. All those of one look are bet on alike, by what earlier looks showed, so their order says
nothing. Scores and votes vary differently, so each kind has bets of its own, with the same capital. What hangs together
is no new evidence: cases of one source that come in one look are their mean, and a source that was bet on is not bet on
again (`new_units`). A weight in [0, 1] makes a difference bet less; it may depend on anything that is known before the
difference is, such as how many an origin has already sent (`origin_weights`).
"""

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapterd.evaluation.bounded_mean import EDGE, FIRST_VARIANCE, HIGH, LARGEST_BET, LOW, PRECISION, Array

HORIZON = 300
"""Bets are as large as would be best for what so many differences prove; later they fall with the number seen."""
SCORE, VOTE = "score", "vote"
"""Kinds of differences."""
FEW_OF_OTHERS = 10
"""An origin is limited from so many cases of the others on."""


@dataclass(frozen=True)
class Seen:
    """Weighted sums over the differences so far: how many, their sum and that of their squares, each of one shape."""

    count: Any = 0.0
    total: Any = 0.0
    squares: Any = 0.0

    def and_(self, values: Array, weights: Array) -> "Seen":
        """With more differences, in the last dimension."""
        return Seen(
            self.count + weights.sum(axis=-1),
            self.total + (weights * values).sum(axis=-1),
            self.squares + (weights * np.square(values)).sum(axis=-1),
        )

    @property
    def mean(self) -> Any:
        """The weighted mean; 0 where nothing was seen."""
        return self.total / np.maximum(self.count, EDGE)

    def stake(self, alpha: Any, horizon: float = HORIZON) -> Any:
        """The bet on each difference of the next look: sqrt(2 log(1/alpha) / (n · variance)), where `n` is the horizon,
        or what was seen if that is more, and the variance begins with FIRST_VARIANCE as one difference."""
        variance = (FIRST_VARIANCE + self.squares - np.square(self.total) / (self.count + 1)) / (self.count + 1)
        return np.sqrt(2 * np.log(1 / alpha) / (np.maximum(horizon, self.count) * np.maximum(variance, EDGE)))


def log_returns(values: Array, weights: Array, stake: Any, null: float) -> Array:
    """The logarithm of what each difference makes of a capital; the stake is cut where it could lose all."""
    allowed = np.minimum(stake, LARGEST_BET / (null - LOW))
    result: Array = np.log1p(np.asarray(allowed)[..., None] * weights * (values - null))
    return result


@dataclass(frozen=True)
class EProcess:
    """The capital against "the true mean is at most `null`", for one pair of versions or, as arrays, for many at once.

    `alpha` is the level at which it shall decide, and `horizon` the number of differences by which; they set the bets,
    and capitals at any other level are valid, too. `log` is the logarithm of the capital now, `highest` of the largest
    at any look; `seen` is by kind of difference. If there are several kinds, what is refuted is that the mean of each
    is at most `null`.
    """

    alpha: Any
    null: float = 0.0
    seen: Mapping[str, Seen] = field(default_factory=dict)
    log: Any = 0.0
    highest: Any = 0.0
    horizon: float = HORIZON

    def after(self, values: Array, weights: Array | None = None, kind: str = SCORE) -> "EProcess":
        """After one more look at differences of shape (…, n). Raises ValueError for one outside of [-1, 1], or a weight
        outside of [0, 1]."""
        weights = np.ones_like(values) if weights is None else weights
        _check(values, weights)
        before = self.seen.get(kind, Seen())
        log = self.log + log_returns(values, weights, before.stake(self.alpha, self.horizon), self.null).sum(axis=-1)
        seen = {**self.seen, kind: before.and_(values, weights)}
        return replace(self, seen=seen, log=log, highest=np.maximum(self.highest, log))

    @property
    def proven(self) -> Any:
        """Whether "at most `null`" was refuted at the level `alpha`, at any look."""
        return self.highest >= np.log(1 / self.alpha)

    @property
    def way(self) -> Any:
        """The share of the way to a proof, in 0…1."""
        return np.clip(np.where(self.proven, 1.0, self.log / np.log(1 / self.alpha)), 0.0, 1.0)


@dataclass(frozen=True)
class ConfidenceSequence:
    """What the true mean can be, after each look at the differences of a pair of versions, valid at all looks at once.

    `values` (n,) are differences, `looks` (n,) the number of the look at which each came, not falling, `weights` (n,)
    in [0, 1]. It may be empty: then nothing is excluded. Raises ValueError for values or weights that are out of
    bounds, and looks out of order.
    """

    values: Array
    looks: NDArray[np.int64]
    weights: Array | None = None

    def __post_init__(self) -> None:
        _check(self.values, self._weights)
        if len(self.looks) != len(self.values) or np.any(np.diff(self.looks) < 0):
            raise ValueError("each difference needs its look, in their order")

    @property
    def mean(self) -> float:
        """The weighted mean of the differences; 0 without any."""
        return float(Seen().and_(self.values, self._weights).mean)

    def lower(self, alpha: float) -> float:
        """The bound below which the true mean lies at any look with a probability of at most `alpha`."""
        return _lower(self, alpha)

    def upper(self, alpha: float) -> float:
        """The bound above which the true mean lies at any look with a probability of at most `alpha`."""
        return -_lower(replace(self, values=-self.values), alpha)

    def log_capitals(self, null: float, alpha: float) -> Array:
        """The logarithm of the capital against "the true mean is at most `null`" after each look, shape (looks,). It
        falls as `null` rises."""
        stakes = self._before.stake(alpha)[self._which]
        won = log_returns(self.values[:, None], self._weights[:, None], stakes, null)[:, 0]
        result: Array = np.cumsum(np.bincount(self._which, won))
        return result

    def e_process(self, alpha: float, null: float = 0.0) -> EProcess:
        """The capital after the last look, as it stands."""
        logs = np.append(0.0, self.log_capitals(null, alpha))
        seen = {SCORE: Seen().and_(self.values, self._weights)}
        return EProcess(alpha, null, seen, float(logs[-1]), float(logs.max()))

    @property
    def _weights(self) -> Array:
        return np.ones(len(self.values)) if self.weights is None else self.weights

    @cached_property
    def _which(self) -> NDArray[np.int64]:
        """The place of each difference's look among all looks."""
        return np.unique(self.looks, return_inverse=True)[1]

    @cached_property
    def _before(self) -> Seen:
        """What was seen before each look, shape (looks,)."""
        rows = (self._weights, self._weights * self.values, self._weights * np.square(self.values))
        sums = (np.cumsum(np.append(0.0, np.bincount(self._which, row)))[:-1] for row in rows)
        return Seen(*sums)


def new_units(
    values: Sequence[float], looks: Sequence[int], sources: Sequence[Hashable | None]
) -> tuple[Array, NDArray[np.int64], list[int]]:
    """The independent units among cases, in the order of their looks: differences, looks, and the first case of each.

    Cases of one source in one look are one unit, their mean. Later cases of the source are left out: after the first,
    its mean is no longer a surprise. A case whose source is None stands for itself.
    """
    first: dict[Hashable, int] = {}
    groups: dict[Hashable, list[int]] = {}
    for index in np.argsort(np.asarray(looks, dtype=np.int64), kind="stable").tolist():
        source = sources[index]
        key = ("case", index) if source is None else ("source", source)
        if first.setdefault(key, looks[index]) == looks[index]:
            groups.setdefault(key, []).append(index)
    means = np.array([np.mean([values[index] for index in group]) for group in groups.values()], dtype=np.float64)
    return means, np.array([first[key] for key in groups], dtype=np.int64), [group[0] for group in groups.values()]


def origin_weights(origins: Sequence[Hashable], looks: Sequence[int], share: float) -> Array:
    """A weight for each difference, such that no origin ever has more than `share` of all weight where the others have
    given FEW_OF_OTHERS or more; shape (n,).

    Weights depend on the numbers of earlier and present looks alone, so they are known before any difference is. Looks
    are in their order. Raises ValueError for a share below a half, which two origins cannot keep, or above 1.
    """
    if not 0.5 <= share <= 1:
        raise ValueError(f"an origin's share lies between 0.5 and 1, not {share:g}")
    weights, given, weighed = np.ones(len(origins)), Counter[Hashable](), Counter[Hashable]()
    for look in dict.fromkeys(looks):
        here = [index for index, each in enumerate(looks) if each == look]
        now = Counter(origins[index] for index in here)
        given.update(now)
        allowed = {origin: _allowed(origin, count, given, weighed, share) for origin, count in now.items()}
        for index in here:
            weights[index] = allowed[origins[index]]
        weighed.update({origin: now[origin] * weight for origin, weight in allowed.items()})
    return weights


def _allowed(
    origin: Hashable, count: int, given: Mapping[Hashable, int], weighed: Mapping[Hashable, float], share: float
) -> float:
    others = sum(number for each, number in given.items() if each != origin)
    if others < FEW_OF_OTHERS or share == 1:
        return 1.0
    room = others * share / (1 - share) - weighed.get(origin, 0.0)
    return min(1.0, max(0.0, room / count))


def vote_differences(wins: int, ties: int, losses: int) -> Array:
    """Votes between two versions as differences of the kind VOTE: 1 for a win, 0 for a tie, -1 for a loss."""
    return np.repeat([1.0, 0.0, -1.0], [wins, ties, losses])


def _lower(sequence: ConfidenceSequence, alpha: float) -> float:
    """The largest mean that is refuted at any look as an upper limit of the true one; -1 where none is."""
    from scipy.optimize import brentq

    def surplus(null: float) -> float:
        return float(sequence.log_capitals(null, alpha).max()) + math.log(alpha)

    low, high = LOW + EDGE, HIGH
    if not len(sequence.values) or surplus(low) < 0:
        return LOW
    return float(brentq(surplus, low, high, xtol=PRECISION))


def _check(values: Array, weights: Array) -> None:
    if not np.all((values >= LOW) & (values <= HIGH)):
        raise ValueError("differences lie between -1 and 1")
    if not np.all((weights >= 0) & (weights <= 1)):
        raise ValueError("weights lie between 0 and 1")
