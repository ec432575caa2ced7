"""Confidence bounds for the mean of bounded values, valid for any number of them and any shape of distribution.

A gambler starts with a capital of 1 and bets on every value that the true mean is above `m`. If it is not, the expected
capital never rises, so by Markov's inequality it reaches 1/alpha with a probability of at most alpha, however few the
values are and however rare their large losses. A capital is an e-value; the bounds are the means that it does not
refute. Bets are the predictable plug-in of Waudby-Smith and Ramdas (2024, "Estimating means of bounded random variables
by betting", arXiv:2010.09686, section 3), with the horizon of a known number of values. The capitals of several orders
of the values are averaged, which keeps the expectation, so that the result hardly depends on their order.

Values are differences in [-1, 1]; the mean is that of the distribution which they are an independent sample of.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LOW, HIGH = -1.0, 1.0
"""What each value lies between."""
ORDERS = 16
"""The number of orders of the values whose capitals are averaged."""
LARGEST_BET = 0.98
"""The share of the capital that a single value may lose at most."""
FIRST_VARIANCE = 0.25
"""The variance that is assumed before the first value is seen, counted as one value."""
PRECISION, EDGE = 1e-7, 1e-9
"""Of bounds and of the logarithm of p; how near to -1 a bound is looked for."""
LEAST_LOG_LEVEL = -700.0
"""The logarithm of the smallest level that is looked at; e to the power of it is still a normal float."""
PROVABLE_STEP = 0.005
SIMULATED = 50
"""Up to so many values their power is simulated, by `DRAWS` samples: the normal approximation is too rough there."""
DRAWS = 400
MOST_NEEDED = 100_000


@dataclass(frozen=True)
class BoundedMean:
    """The mean of `values`, shape (n,), each in [-1, 1]. Raises ValueError for a value outside, or none at all."""

    values: Array

    def __post_init__(self) -> None:
        if not len(self.values) or not np.all((self.values >= LOW) & (self.values <= HIGH)):
            raise ValueError("a bounded mean needs values, each between -1 and 1")

    def lower(self, alpha: float) -> float:
        """The bound below which the true mean lies with a probability of at most `alpha`."""
        return _lower_bound(self._orders, alpha)

    def upper(self, alpha: float) -> float:
        """The bound above which the true mean lies with a probability of at most `alpha`."""
        return -_lower_bound(-self._orders, alpha)

    def p_value(self) -> float:
        """Two-sided p for the true mean being 0: twice the smallest level at which a bound excludes it."""
        values = self._orders if self.values.mean() > 0 else -self._orders
        return 2 * math.exp(_root(lambda level: _surplus(values, 0.0, level), LEAST_LOG_LEVEL, math.log(0.5)))

    def needed(self, alpha: float, power: float) -> int | None:
        """How many such values would prove the true mean to be above 0 with the given power, if the values at hand are
        the distribution; None where no number up to `MOST_NEEDED` would."""
        if self.values.mean() <= 0:
            return None
        predicted = _smallest(lambda count: _predicted_power(self.values, count, alpha) >= power)
        if predicted is None or predicted > SIMULATED:
            return predicted
        return _smallest(lambda count: self._simulated_power(count, alpha) >= power)

    def provable(self, alpha: float, power: float) -> float:
        """The smallest true mean that as many values with the spread of these would prove to be above 0 with the given
        power; 1 where not even that is enough."""
        around, count = self.values - self.values.mean(), len(self.values)
        low, high = 0.0, 1.0
        while high - low > PROVABLE_STEP:
            middle = (low + high) / 2
            enough = _predicted_power(np.clip(around + middle, LOW, HIGH), count, alpha) >= power
            low, high = (low, middle) if enough else (middle, high)
        return high

    def _simulated_power(self, count: int, alpha: float) -> float:
        """The share of samples of `count` values, drawn from these with replacement, that prove the mean to be above
        0."""
        samples = np.random.default_rng(count).choice(self.values, (DRAWS, count))
        return float((log_capitals(samples, bets(samples, alpha), 0.0) >= -math.log(alpha)).mean())

    @cached_property
    def _orders(self) -> Array:
        """The values in several orders that do not depend on them, shape (orders, n)."""
        rng = np.random.default_rng(0)
        return np.stack([rng.permutation(self.values) for _ in range(ORDERS)])


def bets(orders: Array, alpha: float) -> Array:
    """The bet on each value of each row, known before the value is: sqrt(2 log(1/alpha) / (n · variance)), with the
    variance of the earlier values; shape (orders, n)."""
    count = orders.shape[-1]
    seen = np.arange(1, count + 1)
    means = np.cumsum(orders, axis=-1) / (seen + 1)
    variances = (FIRST_VARIANCE + np.cumsum(np.square(orders - means), axis=-1)) / (seen + 1)
    before = np.concatenate([np.full((*orders.shape[:-1], 1), FIRST_VARIANCE), variances[..., :-1]], axis=-1)
    result: Array = np.sqrt(2 * math.log(1 / alpha) / (count * before))
    return result


def log_capitals(orders: Array, stakes: Array, mean: float) -> Array:
    """The logarithm of the capital that `stakes` win on each row against "the true mean is at most `mean`", shape
    (orders,). It falls as `mean` rises."""
    allowed = np.minimum(stakes, LARGEST_BET / (mean - LOW))
    result: Array = np.log1p(allowed * (orders - mean)).sum(axis=-1)
    return result


def _predicted_power(values: Array, count: int, alpha: float) -> float:
    """About `BoundedMean._simulated_power` of many values: the log-capital is nearly normal, with bets that are nearly
    the same."""
    from scipy.stats import norm

    spread = max(float(values.std()), 1e-9)
    bet = min(LARGEST_BET, math.sqrt(2 * math.log(1 / alpha) / count) / spread)
    won = np.log1p(bet * values)
    missing, deviation = count * won.mean() + math.log(alpha), math.sqrt(count) * won.std()
    return float(norm.cdf(missing / deviation)) if deviation > 1e-12 else float(missing >= 0)


def _smallest(enough: Callable[[int], bool]) -> int | None:
    """The smallest number up to `MOST_NEEDED` that is enough, if every larger one is, too."""
    low, high = 0, 1
    while not enough(high):
        low, high = high, high * 2
        if high > MOST_NEEDED:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _surplus(orders: Array, mean: float, log_alpha: float, stakes: Array | None = None) -> float:
    """By how much the logarithm of the capital, averaged over the orders, exceeds that of 1/alpha, which refutes "the
    true mean is at most `mean`"; negative where it does not."""
    stakes = bets(orders, math.exp(log_alpha)) if stakes is None else stakes
    return float(np.logaddexp.reduce(log_capitals(orders, stakes, mean))) - math.log(len(orders)) + log_alpha


def _lower_bound(orders: Array, alpha: float) -> float:
    """The largest mean that is refuted as an upper limit of the true one; -1 where none is."""
    stakes = bets(orders, alpha)
    return _root(lambda mean: -_surplus(orders, mean, math.log(alpha), stakes), LOW + EDGE, float(orders[0].mean()))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function becomes positive: `low` if it is all along, `high` if it never is."""
    from scipy.optimize import brentq

    if low >= high or function(low) >= 0:
        return low
    if function(high) <= 0:
        return high
    return float(brentq(function, low, high, xtol=PRECISION))
