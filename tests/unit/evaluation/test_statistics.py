"""What cases prove: intervals that hold what is true, tests that agree with scipy's, and no proof out of nothing."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from adapterd.evaluation.metric import ratio
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


def test_cases_that_share_a_source_count_as_fewer() -> None:
    offsets = np.repeat(random().normal(0.05, 0.2, 15), 6)
    theirs = random(2).random(90)
    together = of(theirs + offsets, theirs, np.repeat(np.arange(15), 6))
    alone = of(theirs + offsets, theirs)
    assert (together.cases, together.clusters) == (90, 15)
    assert together.standard_error > 1.5 * alone.standard_error
    assert together.p > alone.p


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
    assert found.cases_needed(found.difference) is None


# Tests.


def test_yes_and_no_are_tested_by_mcnemar() -> None:
    ours, theirs = (random(seed).random(80) < share for seed, share in ((1, 0.7), (2, 0.5)))
    wins, losses = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    found = of(ours, theirs, bounded=True, yes_no=True)
    assert (found.test, found.wins, found.losses) == ("McNemar", wins, losses)
    assert found.p == pytest.approx(min(1.0, 2 * stats.binom.cdf(min(wins, losses), wins + losses, 0.5)))


def test_scores_are_tested_by_wilcoxon() -> None:
    ours, theirs = random().random(50) + 0.1, random(2).random(50)
    found = of(ours, theirs)
    assert (found.test, found.p) == ("Wilcoxon", pytest.approx(stats.wilcoxon(ours, theirs).pvalue))


def test_cases_that_share_a_source_are_tested_by_exchanging_the_models_for_each_source() -> None:
    ours, theirs = random().random(24), random(2).random(24)
    clusters = np.repeat(np.arange(6), 4)
    found = of(ours, theirs, clusters)
    sums = (ours - theirs).reshape(6, 4).sum(axis=1)
    signs = np.array(np.meshgrid(*[[-1, 1]] * 6)).reshape(6, -1).T
    exact = (np.abs(signs @ sums) >= abs(sums.sum()) - 1e-9).mean()
    assert (found.test, found.p) == ("randomisation", pytest.approx(exact))


@pytest.mark.parametrize("cases", [1, 2, 3])
def test_very_few_cases_prove_nothing(cases: int) -> None:
    for more in ({}, {"bounded": True}, {"bounded": True, "yes_no": True}):
        found = of(np.ones(cases), np.zeros(cases), **more)
        assert found.p > 1 - LEVEL
        assert found.interval.low <= 0 <= found.interval.high


def test_one_source_proves_nothing_however_many_cases_it_has() -> None:
    found = of(np.ones(50), np.zeros(50), np.zeros(50, dtype=int), bounded=True)
    assert (found.p, found.test) == (1.0, "none")
    assert found.interval.low <= 0


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


def test_as_many_cases_as_are_said_to_be_needed_prove_it_four_times_of_five() -> None:
    pilot = random(5).normal(0.05, 0.3, 2000)
    needed = of(pilot, np.zeros(2000)).cases_needed(float(pilot.mean()))
    assert needed == 2000  # never fewer than there were
    few = of(pilot[:40] - pilot[:40].mean() + 0.05, np.zeros(40))
    needed = few.cases_needed(few.difference)
    assert needed is not None
    spread = few.standard_error * math.sqrt(40)
    proven = [random(seed).normal(0.05, spread, needed) for seed in range(400)]
    rate = np.mean([stats.ttest_1samp(cases, 0, alternative="greater").pvalue < 1 - LEVEL for cases in proven])
    assert 0.74 < rate < 0.86


@pytest.mark.parametrize("gap", [0.0, -0.1])
def test_what_is_not_there_cannot_be_proven_by_any_number(gap: float) -> None:
    assert of(random().random(20), random(2).random(20)).cases_needed(gap) is None


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_between_no_correction_and_bonferroni_s(ps: list[float]) -> None:
    for p, adjusted in zip(ps, holm(ps), strict=True):
        assert p <= adjusted <= min(1.0, p * len(ps)) + 1e-12
