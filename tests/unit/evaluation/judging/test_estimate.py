"""The calibrated mean: it holds the truth in worlds where a judge alone, or the usual interval, does not."""

import math

import numpy as np
import pytest
from bench import teachers_judge
from bench.teachers_judge import FAILS, JUDGES, held, simulate
from hypothesis import given
from hypothesis import strategies as st

from adapterd.errors import InputError
from adapterd.evaluation.bounded_mean import Array
from adapterd.evaluation.judging.estimate import LEAST_VOTES, SCORES, calibrated_mean
from adapterd.evaluation.statistics import Interval

MISLEADING = ("first_only", "length", "generous", "family", "anti")


@pytest.mark.parametrize("name", JUDGES)
@pytest.mark.parametrize("effect", [0.0, 0.6])
def test_interval_holds_the_truth_with_the_fewest_votes(name: str, effect: float) -> None:
    found = [held(each, effect) for each in simulate(JUDGES[name], effect, LEAST_VOTES, 300, 300)]
    assert np.mean(found) >= 0.92


@pytest.mark.parametrize("name", MISLEADING)
def test_biased_judge_alone_is_wrong_where_the_calibrated_mean_is_not(name: str) -> None:
    spread = float(JUDGES[name](np.random.default_rng(0), np.resize([1.0, 0.0, -1.0], 3000)).std())
    found = list(simulate(JUDGES[name], 0.3, 60, 600, 200))
    assert np.mean([teachers_judge.alone_holds(each, spread, 0.3) for each in found]) < 0.2
    assert np.mean([held(each, 0.3) for each in found]) >= 0.92
    assert abs(np.mean([each.mean for each in found]) - 0.3) < 0.04


def test_good_judge_saves_votes_and_one_by_chance_costs_hardly_any() -> None:
    good, chance = (list(simulate(JUDGES[name], 0.1, 60, 600, 50)) for name in ("good", "random"))
    assert np.mean([each.votes_saved for each in good]) > 0.3
    assert all(each.interval.high - each.interval.low <= _width(each.people_interval) + 1e-12 for each in chance)
    assert np.mean([each.weight for each in chance]) < 0.1


def test_judge_that_says_the_opposite_leaves_people_alone() -> None:
    votes = np.resize([1.0, -1.0, 1.0], 60)
    found = calibrated_mean(votes, -votes, np.resize([1.0, -1.0], 500))
    assert found.weight == 0
    assert found.interval == found.people_interval


def test_votes_that_all_agree_with_the_judge_do_not_prove_that_it_never_errs() -> None:
    votes = np.resize([1.0, 0.0, -1.0], 30)
    found = calibrated_mean(votes, votes, np.resize([1.0, 0.0, -1.0], 100_000))
    assert _width(found.interval) > 0.15


def test_votes_that_are_all_the_same_leave_room() -> None:
    found = calibrated_mean(np.ones(30), np.ones(30), np.ones(300))
    assert found.interval.low < 0.95


@pytest.mark.parametrize("name", FAILS)
def test_interval_misses_where_what_it_rests_on_is_not_so(name: str) -> None:
    """Documented limits: no figure shows these, so the sentence of decision 45 has to."""
    found = [held(FAILS[name](np.random.default_rng(seed), 0.1, 60, 600), 0.1) for seed in range(100)]
    assert np.mean(found) < 0.9


def test_scores_and_differences_have_the_same_mean_on_their_scales() -> None:
    random = np.random.default_rng(0)
    votes, judged, pool = random.random(40), random.random(40), random.random(400)
    scores = calibrated_mean(votes, judged, pool, scale=SCORES)
    differences = calibrated_mean(2 * votes - 1, 2 * judged - 1, 2 * pool - 1)
    assert math.isclose(2 * scores.mean - 1, differences.mean)
    assert math.isclose(2 * scores.interval.low - 1, differences.interval.low)


@pytest.mark.parametrize(
    ("votes", "judged", "pool", "complaint"),
    [
        ([1.0, 0.0], [1.0], [], "2 votes have 1 verdicts"),
        ([1.0], [1.0], [], "needs two"),
        ([1.0, 2.0], [0.0, 0.0], [], "from -1 to 1"),
        ([1.0, math.nan], [0.0, 0.0], [], "from -1 to 1"),
        ([1.0, 0.0], [0.0, 0.0], [math.inf], "from -1 to 1"),
    ],
)
def test_numbers_that_do_not_belong_together_are_refused(
    votes: list[float], judged: list[float], pool: list[float], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        calibrated_mean(np.array(votes), np.array(judged), np.array(pool))


SIDES = st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0])


@given(st.lists(st.tuples(SIDES, SIDES), min_size=2, max_size=60), st.lists(SIDES, max_size=60))
def test_any_numbers_have_an_interval_within_the_scale(both: list[tuple[float, float]], pool: list[float]) -> None:
    votes, judged = np.array(both).T
    found = calibrated_mean(votes, judged, np.array(pool))
    assert -1 <= found.interval.low <= found.mean <= found.interval.high <= 1
    assert 0 <= found.weight <= 1
    assert 0 <= found.votes_saved <= 1
    assert found.is_advice == (len(both) < LEAST_VOTES)
    assert _width(found.interval) <= _width(found.people_interval) + 1e-9 or _is_cut(found.interval)


def _width(interval: Interval) -> float:
    return float(interval.high - interval.low)


def _is_cut(interval: Interval) -> bool:
    ends: Array = np.array([interval.low, interval.high])
    return bool(np.any(np.abs(ends) == 1))
