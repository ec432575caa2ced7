"""Evidence that may be looked at every night: what an e-process and a confidence sequence promise, exactly where few
outcomes can be listed, by simulation elsewhere."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from adapterd.evaluation.e_process import (
    SCORE,
    VOTE,
    ConfidenceSequence,
    EProcess,
    new_units,
    origin_weights,
    vote_differences,
)

Array = NDArray[np.float64]
ALPHA = 0.05
LOOKS, EACH = 3, 2
Outcomes = dict[float, float]
"""The probability of each difference."""

MEAN_ZERO: dict[str, Outcomes] = {
    "wins, ties and losses": {1.0: 0.25, 0.0: 0.5, -1.0: 0.25},
    "often a little better, rarely broken": {0.05: 0.95, -0.95: 0.05},
    "rarely much better": {0.9: 0.1, -0.1: 0.9},
}
MEAN_BELOW: dict[str, Outcomes] = {
    "losses only": {0.0: 0.5, -1.0: 0.5},
    "a little worse": {1.0: 0.24, 0.0: 0.5, -1.0: 0.26},
}


def expected_capital(outcomes: Outcomes, null: float, weights: Array | None = None) -> float:
    """The expectation of the capital after LOOKS looks at EACH differences, over every way that they can come out."""
    total = 0.0
    for path in itertools.product(outcomes, repeat=LOOKS * EACH):
        process = EProcess(ALPHA, null)
        for look in np.array(path).reshape(LOOKS, EACH):
            process = process.after(look, weights)
        total += math.prod(outcomes[each] for each in path) * math.exp(process.log)
    return total


@pytest.mark.parametrize("name", MEAN_ZERO)
def test_the_expected_capital_stays_what_it_was_where_the_mean_is_the_null(name: str) -> None:
    assert expected_capital(MEAN_ZERO[name], 0.0) == pytest.approx(1.0)


@pytest.mark.parametrize("name", MEAN_BELOW)
def test_the_expected_capital_falls_where_the_mean_is_below_the_null(name: str) -> None:
    assert expected_capital(MEAN_BELOW[name], 0.0) < 1 - 1e-6


def test_the_expected_capital_stays_what_it_was_with_weights_and_at_the_margin_of_a_guard_rail() -> None:
    at_the_margin = {0.0: 0.95, -1.0: 0.05}
    assert expected_capital(at_the_margin, -0.05) == pytest.approx(1.0)
    assert expected_capital(at_the_margin, -0.05, np.array([1.0, 0.3])) == pytest.approx(1.0)
    assert expected_capital({0.0: 1.0}, -0.05) > 1


def nights(draw: Callable[[np.random.Generator, tuple[int, int]], Array], years: int = 1000, looks: int = 365) -> Array:
    """The share of years in which the capital against "the mean is at most 0" ever reaches 1/ALPHA."""
    random, zero = np.random.default_rng(3), np.zeros(years)
    process = EProcess(ALPHA, log=zero, highest=zero)
    for _ in range(looks):
        process = process.after(draw(random, (years, 3)))
    return np.asarray(process.proven.mean())


def rarely_broken(random: np.random.Generator, shape: tuple[int, int]) -> Array:
    return np.where(random.random(shape) < 0.04, -0.96, 0.04)


def won_or_lost(random: np.random.Generator, shape: tuple[int, int]) -> Array:
    return random.choice([-1.0, 0.0, 0.0, 0.0, 1.0], shape)


@pytest.mark.parametrize("draw", [rarely_broken, won_or_lost])
def test_a_year_of_looks_hardly_ever_proves_what_is_not_so(
    draw: Callable[[np.random.Generator, tuple[int, int]], Array],
) -> None:
    assert 0.005 < nights(draw) <= ALPHA + 0.02  # three standard errors above


def test_a_year_of_looks_proves_a_gain() -> None:
    assert nights(lambda random, shape: np.clip(random.normal(0.04, 0.15, shape), -1, 1), 200) > 0.99


differences = st.lists(st.floats(-1, 1), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(differences, min_size=1, max_size=6), st.floats(-0.5, 0.5), st.randoms(use_true_random=False))
def test_all_at_once_is_the_same_as_night_by_night_in_any_order_within_a_night(
    by_look: list[list[float]], null: float, random: object
) -> None:
    process = EProcess(ALPHA, null)
    for each in by_look:
        process = process.after(np.array(sorted(each)))
    values = np.concatenate([np.array(each) for each in by_look])
    looks = np.repeat(np.arange(len(by_look)), [len(each) for each in by_look])
    at_once = ConfidenceSequence(values, looks).e_process(ALPHA, null)
    assert at_once.log == pytest.approx(float(process.log), abs=1e-9)
    assert at_once.highest == pytest.approx(float(process.highest), abs=1e-9)
    assert at_once.seen[SCORE].mean == pytest.approx(float(process.seen[SCORE].mean))


@settings(max_examples=60, deadline=None)
@given(st.lists(differences, min_size=1, max_size=6))
def test_bounds_turn_round_with_the_signs_and_say_what_the_capital_says(by_look: list[list[float]]) -> None:
    values = np.concatenate([np.array(each) for each in by_look])
    looks = np.repeat(np.arange(len(by_look)), [len(each) for each in by_look])
    sequence = ConfidenceSequence(values, looks)
    lower = sequence.lower(ALPHA)
    assert lower == pytest.approx(-ConfidenceSequence(-values, looks).upper(ALPHA), abs=1e-6)
    assert -1 <= lower < values.max() + 1e-6
    if abs(lower) > 1e-5:
        assert bool(sequence.e_process(ALPHA).proven) == (lower > 0)
    rising = [sequence.log_capitals(null, ALPHA)[-1] for null in (-0.9, -0.3, 0.0, 0.3, 0.9)]
    assert rising == sorted(rising, reverse=True)


@settings(max_examples=40, deadline=None)
@given(differences, differences)
def test_a_better_difference_never_makes_that_look_worth_less(first: list[float], second: list[float]) -> None:
    start = EProcess(ALPHA).after(np.array(first))
    values = np.array(second)
    more = np.minimum(values + 0.1, 1.0)
    assert start.after(more).log >= start.after(values).log


def test_nothing_excludes_nothing() -> None:
    sequence = ConfidenceSequence(np.array([]), np.array([], dtype=np.int64))
    assert (sequence.lower(ALPHA), sequence.upper(ALPHA), sequence.mean) == (-1.0, 1.0, 0.0)
    assert not EProcess(ALPHA).after(np.array([])).proven
    process = EProcess(ALPHA).after(np.array([1.0]), np.array([0.0]))
    assert (float(process.log), float(process.seen[SCORE].count)) == (0.0, 0.0)


def test_no_capital_is_ever_lost_wholly() -> None:
    process = EProcess(ALPHA)
    for _ in range(400):
        process = process.after(np.full(10, -1.0))
    assert math.isfinite(process.log)
    assert process.way == 0
    assert ConfidenceSequence(np.full(4000, -1.0), np.repeat(np.arange(400), 10)).upper(ALPHA) < -0.9


def test_what_was_proven_once_stays_proven() -> None:
    process = EProcess(ALPHA).after(np.full(60, 0.5)).after(np.full(60, 0.5))
    assert process.proven
    assert process.way == 1
    assert process.after(np.full(100, -0.5)).proven


@pytest.mark.parametrize("values", [[1.5], [float("nan")], [0.0, -1.01]])
def test_values_out_of_bounds_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="between -1 and 1"):
        EProcess(ALPHA).after(np.array(values))
    with pytest.raises(ValueError, match="between -1 and 1"):
        ConfidenceSequence(np.array(values), np.zeros(len(values), dtype=np.int64))


def test_weights_out_of_bounds_and_looks_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="weights"):
        EProcess(ALPHA).after(np.array([0.1]), np.array([1.1]))
    with pytest.raises(ValueError, match="order"):
        ConfidenceSequence(np.zeros(2), np.array([1, 0]))


def test_cases_of_a_source_are_one_unit_and_later_ones_none() -> None:
    values = [0.1, 0.3, -0.2, 0.5, 0.9]
    units, looks, first = new_units(values, [0, 0, 0, 1, 1], ["a", "a", None, "a", None])
    assert units.tolist() == pytest.approx([0.2, -0.2, 0.9])
    assert looks.tolist() == [0, 0, 1]
    assert first == [0, 2, 4]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from("abc")), max_size=80), st.floats(0.5, 0.9))
def test_an_origin_has_no_more_than_its_share_and_weights_look_at_nothing_later(
    cases: list[tuple[int, str]], share: float
) -> None:
    cases = sorted(cases)
    looks, origins = [look for look, _ in cases], [origin for _, origin in cases]
    weights = origin_weights(origins, looks, share)
    for last in set(looks):
        until = [index for index, look in enumerate(looks) if look <= last]
        assert (
            weights[: len(until)].tolist() == origin_weights(origins[: len(until)], looks[: len(until)], share).tolist()
        )
        for origin in {origins[index] for index in until if looks[index] == last and weights[index]}:
            mine = sum(weights[index] for index in until if origins[index] == origin)
            others = sum(origins[index] != origin for index in until)
            assert others < 10 or mine <= share / (1 - share) * others + 1e-9


def test_a_flood_of_one_origin_weighs_as_much_as_the_others() -> None:
    looks = np.repeat(np.arange(30), 21).tolist()
    weights = origin_weights((["flood"] * 20 + ["others"]) * 30, looks, 0.5)
    flood = weights.reshape(30, 21)[:, :20]
    assert flood[0].tolist() == [1.0] * 20  # so far there is nobody else
    assert flood[10:].sum() <= 21
    with pytest.raises(ValueError, match=r"between 0\.5 and 1"):
        origin_weights(["a"], [0], 0.3)


def test_votes_are_differences() -> None:
    assert vote_differences(2, 1, 1).tolist() == [1, 1, 0, -1]
    assert ConfidenceSequence(vote_differences(30, 2, 3), np.zeros(35, dtype=np.int64)).lower(ALPHA) > 0


def test_votes_and_scores_win_one_capital_with_bets_of_their_own() -> None:
    scores, votes = np.full(20, 0.1), vote_differences(6, 2, 1)
    both = EProcess(ALPHA).after(scores).after(votes, kind=VOTE).after(scores)
    assert both.log == pytest.approx(
        EProcess(ALPHA).after(scores).after(scores).log + EProcess(ALPHA).after(votes, kind=VOTE).log
    )
    assert both.log > EProcess(ALPHA).after(scores).after(votes).after(scores).log, "mixed, votes make scores bet less"


def test_the_expected_capital_stays_what_it_was_with_votes_among_scores() -> None:
    total = 0.0
    for first, vote, second in itertools.product([0.3, -0.3], [1.0, -1.0], [0.3, -0.3]):
        process = EProcess(ALPHA).after(np.array([first])).after(np.array([vote]), kind=VOTE)
        total += math.exp(process.after(np.array([second])).log) / 8
    assert total == pytest.approx(1.0)
