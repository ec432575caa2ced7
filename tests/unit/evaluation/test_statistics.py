"""What cases prove: intervals that hold what is true, tests that agree with scipy's, and no proof out of nothing."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from adapterd.evaluation.metrics.metric import ratio
from adapterd.evaluation.statistics import LEVEL, Comparison, Paired, compare, holm

Array = NDArray[np.float64]
SCORES = st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=4, max_size=40)


def paired(ours: Any, theirs: Any, clusters: Any = None, **more: Any) -> Paired:
    """Means of scores."""
    one = np.ones(len(ours))
    where = np.arange(len(ours)) if clusters is None else np.asarray(clusters)
    return Paired(np.c_[ours, one].astype(float), np.c_[theirs, one].astype(float), where, ratio, **more)


def of(ours: Any, theirs: Any, clusters: Any = None, **more: Any) -> Comparison:
    return compare(paired(ours, theirs, clusters, **more))


def random(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


# Intervals.


def test_the_interval_is_about_as_wide_as_student_s_for_means_of_many_cases() -> None:
    ours, theirs = random().normal(0.6, 0.2, 300), random(2).normal(0.5, 0.2, 300)
    found, expected = of(ours, theirs).interval, stats.ttest_rel(ours, theirs).confidence_interval(LEVEL)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.004)


@pytest.mark.parametrize("cases", [5, 8])
def test_few_cases_give_an_interval_that_holds_what_is_true_as_often_as_it_says(cases: int) -> None:
    source, held = random(), 0
    for seed in range(200):
        found = compare(paired(source.normal(0.6, 0.2, cases), source.normal(0.5, 0.2, cases)), seed=seed).interval
        held += found.low <= 0.1 <= found.high
    assert held >= LEVEL * 200


def test_each_end_of_the_bounds_is_within_the_interval() -> None:
    found = of(random().random(50), random(2).random(50))
    assert found.interval.low < found.bounds.low < found.difference < found.bounds.high < found.interval.high


@pytest.mark.parametrize("cases", [5, 20, 100])
def test_cases_that_are_all_the_same_prove_no_more_than_their_number(cases: int) -> None:
    """None of n: the true rate may well be 3 / n (Hanley and Lippman-Hand 1983)."""
    found = of(np.ones(cases), np.ones(cases), bounded=True, yes_no=True)
    assert found.difference == 0
    assert found.bounds.low < -1 / cases
    assert found.bounds.high > 1 / cases


@pytest.mark.parametrize("bounded", [True, False])
def test_cases_that_share_a_source_count_as_fewer(bounded: bool) -> None:
    offsets = np.clip(np.repeat(random().normal(0.05, 0.2, 15), 6), -0.3, 0.3)
    theirs = random(2).uniform(0.3, 0.7, 90)
    together = of(theirs + offsets, theirs, np.repeat(np.arange(15), 6), bounded=bounded)
    alone = of(theirs + offsets, theirs, bounded=bounded)
    assert (together.cases, together.clusters) == (90, 15)
    assert together.bounds.high - together.bounds.low > 1.5 * (alone.bounds.high - alone.bounds.low)
    assert together.p > alone.p


def test_of_sources_with_many_and_with_few_cases_each_counts_the_same() -> None:
    ours, theirs, sources = np.r_[np.ones(50), np.zeros(5)], np.zeros(55), np.r_[np.zeros(50), np.arange(1, 6)]
    found = of(ours, theirs, sources, bounded=True)
    assert (found.cases, found.clusters) == (55, 6)
    assert found.difference == pytest.approx(1 / 6)
    assert found.units == (1.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def test_cases_that_a_metric_does_not_apply_to_do_not_count() -> None:
    ours, theirs = np.array([[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]), np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    found = compare(Paired(ours, theirs, np.arange(3), ratio, bounded=True))
    assert (found.clusters, found.units, found.difference) == (1, (1.0,), 1.0)
    apart = compare(Paired(ours[1:2], theirs[1:2], np.arange(1), ratio, bounded=True))
    assert (apart.clusters, apart.units, apart.p) == (0, (), 1.0)
    assert (apart.bounds.low, apart.bounds.high) == (-1, 1)


def test_the_names_of_the_clusters_do_not_matter() -> None:
    ours, theirs, clusters = random().random(40), random(2).random(40), np.repeat(np.arange(10), 4)
    assert of(ours, theirs, clusters * 7 + 3) == of(ours, theirs, clusters)


def test_the_same_seed_gives_the_same_and_another_one_nearly_so() -> None:
    cases = paired(random().random(60), random(2).random(60))
    assert compare(cases, seed=3) == compare(cases, seed=3)
    first, other = compare(cases, seed=3), compare(cases, seed=4)
    assert other.interval.low == pytest.approx(first.interval.low, abs=0.02)


@settings(max_examples=40, deadline=None)
@given(SCORES)
def test_exchanging_the_models_turns_everything_round(scores: list[tuple[int, int]]) -> None:
    ours, theirs = np.array(scores, dtype=float).T
    one, other = of(ours, theirs), of(theirs, ours)
    assert one.difference == pytest.approx(-other.difference)
    assert (one.wins, one.losses, one.ties) == (other.losses, other.wins, other.ties)
    assert one.p == pytest.approx(other.p)
    assert one.delta == pytest.approx(-(other.delta or 0))
    assert (one.d is None and other.d is None) or one.d == pytest.approx(-(other.d or 0))
    assert one.interval.low <= one.difference <= one.interval.high


@settings(max_examples=40, deadline=None)
@given(SCORES)
def test_a_model_against_itself_proves_nothing(scores: list[tuple[int, int]]) -> None:
    ours = np.array(scores, dtype=float)[:, 0]
    found = of(ours, ours)
    assert (found.difference, found.p, found.wins, found.losses) == (0, 1, 0, 0)
    assert found.units_needed(1) is None


# Tests.


def test_the_verdict_the_interval_and_p_come_from_the_same_bounds() -> None:
    for seed in range(40):
        shift = random(seed).uniform(-0.2, 0.2)
        theirs = random(seed + 100).uniform(0.3, 0.7, 60)
        found = of(theirs + np.clip(random(seed + 200).normal(shift, 0.1, 60), -0.3, 0.3), theirs, bounded=True)
        excluded = not found.interval.low <= 0 <= found.interval.high
        assert found.test == "betting"
        assert excluded == (found.p < 0.05)


def test_the_direction_counts_not_the_ranks() -> None:
    """70 of 100 cases are a little worse, 4 much better: a test of ranks calls that a difference beyond doubt."""
    theirs = np.full(100, 0.6)
    ours = theirs + np.r_[np.full(70, -0.01), np.full(4, 0.25), np.zeros(26)]
    assert stats.wilcoxon(ours, theirs).pvalue < 1e-9
    found = of(ours, theirs, bounded=True)
    assert found.difference > 0
    assert found.bounds.low < 0


def test_cases_that_share_a_source_are_tested_by_exchanging_the_models_for_each_source() -> None:
    ours, theirs = random().random(24), random(2).random(24)
    clusters = np.repeat(np.arange(6), 4)
    found = of(ours, theirs, clusters)
    sums = (ours - theirs).reshape(6, 4).sum(axis=1)
    signs = np.array(np.meshgrid(*[[-1, 1]] * 6)).reshape(6, -1).T
    exact = (np.abs(signs @ sums) >= abs(sums.sum()) - 1e-9).mean()
    assert found.test == "randomisation"
    assert found.p == pytest.approx(exact)


@pytest.mark.parametrize("cases", [1, 2, 3])
def test_very_few_cases_prove_nothing(cases: int) -> None:
    for more in ({}, {"bounded": True}, {"bounded": True, "yes_no": True}):
        found = of(np.ones(cases), np.zeros(cases), **more)
        assert found.p > 1 - LEVEL
        assert found.interval.low <= 0 <= found.interval.high


def test_one_source_proves_nothing_however_many_cases_it_has() -> None:
    found = of(np.ones(50), np.zeros(50), np.zeros(50, dtype=int), bounded=True)
    assert found.p == 1.0
    assert found.interval.low <= 0
    assert of(np.ones(50), np.zeros(50), np.zeros(50, dtype=int)).p == 1.0


def test_effect_sizes() -> None:
    ours, theirs = np.array([1.0, 2.0, 3.0, 5.0]), np.array([1.0, 1.0, 1.0, 1.0])
    found = of(ours, theirs)
    difference = ours - theirs
    assert found.d == pytest.approx(difference.mean() / difference.std(ddof=1))
    assert found.delta == pytest.approx(np.sign(ours[:, None] - theirs[None, :]).mean())


def test_where_all_cases_differ_by_the_same_there_is_no_spread_to_measure_it_in() -> None:
    assert of(np.ones(9), np.zeros(9)).d is None


def test_a_metric_without_a_value_for_each_case_is_tested_too() -> None:
    def spread(sums: Array) -> Array:
        result: Array = np.sqrt(np.maximum(sums[..., 1] / sums[..., 2] - (sums[..., 0] / sums[..., 2]) ** 2, 0))
        return result

    ours, theirs = random().normal(0, 3, 60), random(2).normal(0, 1, 60)
    parts = [np.c_[values, values**2, np.ones(60)] for values in (ours, theirs)]
    found = compare(Paired(parts[0], parts[1], np.arange(60), spread), by_case=False)
    assert found.difference == pytest.approx(ours.std() - theirs.std())
    assert (found.test, found.d, found.wins) == ("randomisation", None, 0)
    assert found.interval.low > 0
    assert found.p < 0.01


# How many cases, and how many tests.


def test_the_number_needed_is_counted_in_sources_where_cases_share_them() -> None:
    sources = np.repeat(np.arange(5), 20)
    found = of(np.full(100, 0.9), np.full(100, 0.6), sources, bounded=True)
    needed = found.units_needed(1)
    assert found.bounds.low < 0
    assert needed is not None
    assert 5 < needed < 20
    assert found.units_needed(-1) is None


def test_a_metric_that_is_no_mean_of_scores_has_no_units_to_count() -> None:
    found = of(random().random(20), random(2).random(20))
    assert (found.units, found.units_needed(1), found.provable_gain()) == ((), None, None)


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_between_no_correction_and_bonferroni_s(ps: list[float]) -> None:
    for p, adjusted in zip(ps, holm(ps), strict=True):
        assert p <= adjusted <= min(1.0, p * len(ps)) + 1e-12
