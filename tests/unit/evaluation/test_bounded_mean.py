"""Bounds of a mean that hold for any number of values and any shape: by simulation in the worlds where others fail."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from adapterd.evaluation.bounded_mean import BoundedMean, bets, log_capitals

Array = NDArray[np.float64]
World = Callable[[np.random.Generator, tuple[int, int]], Array]
ALPHA = 0.05
DRAWS = 1000


def mostly_better_rarely_broken(small: float, share: float, broken: float, large: float) -> World:
    """`share` of the values gain a little, `broken` lose a lot; the mean is 0 if share · small = broken · large."""

    def draw(random: np.random.Generator, shape: tuple[int, int]) -> Array:
        u = random.random(shape)
        return np.where(u < share, small, np.where(u < share + broken, -large, 0.0))

    return draw


def symmetric(random: np.random.Generator, shape: tuple[int, int]) -> Array:
    return np.where(random.random(shape) < 0.4, random.uniform(-0.3, 0.3, shape), 0.0)


def u_shaped(random: np.random.Generator, shape: tuple[int, int]) -> Array:
    return random.beta(0.5, 0.5, shape) - random.beta(0.5, 0.5, shape)


MEAN_ZERO: dict[str, World] = {
    "symmetric": symmetric,
    "u-shaped": u_shaped,
    "60 % +0.03, 4 % -0.45": mostly_better_rarely_broken(0.03, 0.6, 0.04, 0.45),
    "50 % +0.02, 2 % -0.50": mostly_better_rarely_broken(0.02, 0.5, 0.02, 0.5),
    "95 % +0.05, 5 % -0.95": mostly_better_rarely_broken(0.05, 0.95, 0.05, 0.95),
    "99 % +0.01, 1 % -0.99": mostly_better_rarely_broken(0.01, 0.99, 0.01, 0.99),
    "50 % +1, 50 % -1": mostly_better_rarely_broken(1.0, 0.5, 0.5, 1.0),
}


def proven_above_zero(samples: Array) -> float:
    """The share of samples, shape (draws, n), whose capital refutes a mean of at most 0."""
    return float((log_capitals(samples, bets(samples, ALPHA), 0.0) >= -math.log(ALPHA)).mean())


@pytest.mark.parametrize("world", MEAN_ZERO)
@pytest.mark.parametrize("count", [10, 40, 100, 400])
def test_a_true_mean_of_zero_is_hardly_ever_proven_to_be_positive(world: str, count: int) -> None:
    samples = MEAN_ZERO[world](np.random.default_rng(count), (DRAWS, count))
    assert proven_above_zero(samples) <= 0.035


@pytest.mark.parametrize("world", MEAN_ZERO)
def test_the_bounds_hold_the_true_mean_as_often_as_they_say(world: str) -> None:
    samples = MEAN_ZERO[world](np.random.default_rng(7), (200, 60))
    held = [BoundedMean(row).lower(ALPHA) <= 0 <= BoundedMean(row).upper(ALPHA) for row in samples]
    assert np.mean(held) >= 1 - 2 * ALPHA


def test_a_real_gain_is_proven() -> None:
    samples = np.clip(symmetric(np.random.default_rng(3), (DRAWS, 200)) + 0.05, -1, 1)
    assert proven_above_zero(samples) > 0.95


@pytest.mark.parametrize("count", [20, 98, 150])
def test_values_that_are_all_the_same_leave_room_by_their_number(count: int) -> None:
    """None of n: the rule of three (Hanley and Lippman-Hand 1983) says that the true rate may be 3 / n."""
    low = BoundedMean(np.zeros(count)).lower(ALPHA)
    assert -5 / count < low < -2 / count


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30))
def test_the_bounds_enclose_the_mean_and_turn_round_with_the_signs(numbers: list[float]) -> None:
    values = np.array(numbers)
    mean, mirrored = BoundedMean(values), BoundedMean(-values)
    assert mean.lower(0.025) <= mean.lower(ALPHA) <= values.mean() + 1e-6
    assert values.mean() - 1e-6 <= mean.upper(ALPHA) <= mean.upper(0.025)
    assert mean.lower(ALPHA) == pytest.approx(-mirrored.upper(ALPHA))
    assert mean.p_value() == pytest.approx(mirrored.p_value())
    assert 0 < mean.p_value() <= 1


@pytest.mark.parametrize("numbers", [[], [1.5], [float("nan")], [0.0, -1.01]])
def test_values_out_of_bounds_are_refused(numbers: list[float]) -> None:
    with pytest.raises(ValueError, match="between -1 and 1"):
        BoundedMean(np.array(numbers))


HAND = np.random.default_rng(5)
AT_HAND: dict[str, Array] = {
    "most of them right at once": np.r_[np.ones(18), np.zeros(22)],
    "a small gain among noise": np.where(HAND.random(100) < 0.4, HAND.uniform(-0.3, 0.3, 100), 0.0) + 0.04,
    "wins and losses": np.r_[np.ones(12), -np.ones(5), np.zeros(60)],
    "few of many": np.r_[np.ones(4), np.zeros(96)],
    "mostly better, rarely broken": np.r_[np.full(60, 0.06), np.full(4, -0.45), np.zeros(36)],
    "all the same": np.full(12, 0.3),
}


@pytest.mark.parametrize("name", AT_HAND)
def test_as_many_values_as_are_said_to_be_needed_prove_it_four_times_of_five(name: str) -> None:
    """The number is right within 20 %: a fifth fewer do not reach the power, a fifth more exceed it."""
    values, power = AT_HAND[name], 0.8
    needed = BoundedMean(values).needed(ALPHA, power)
    assert needed is not None

    def share(count: int) -> float:
        return proven_above_zero(np.random.default_rng(11).choice(values, (2000, count)))

    assert share(math.floor(needed * 0.8) - 1) < power + 0.02
    assert share(math.ceil(needed * 1.2) + 1) > power - 0.02


def test_a_gain_that_does_not_show_is_proven_by_no_number_of_values() -> None:
    assert BoundedMean(np.array([0.1, -0.1])).needed(ALPHA, 0.8) is None
    assert BoundedMean(np.full(10, -0.2)).needed(ALPHA, 0.8) is None


@pytest.mark.parametrize("count", [40, 100, 400])
def test_the_gain_that_is_said_to_be_provable_is_proven_four_times_of_five(count: int) -> None:
    spread = symmetric(np.random.default_rng(2), (1, count))[0]
    gain = BoundedMean(spread).provable(ALPHA, 0.8)
    around = spread - spread.mean()
    samples = np.random.default_rng(12).choice(around, (2000, count))
    assert proven_above_zero(np.clip(samples + 1.2 * gain, -1, 1)) > 0.8
    assert proven_above_zero(np.clip(samples + 0.8 * gain, -1, 1)) < 0.8
