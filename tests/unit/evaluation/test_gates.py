"""What becomes of a candidate: promoted if proven better and not worse, held if worse, else not proven."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.config import GateRule
from adapterd.evaluation.gates import (
    Measured,
    canary_gate,
    completeness_gate,
    distinct_file_gate,
    judge,
    live_again_gate,
    retention_gate,
)
from adapterd.evaluation.metrics.metric import Better, Metric, Unit, mean_of, share_of
from adapterd.evaluation.statistics import Paired, compare
from adapterd.evaluation.verdict import Decision, GateOutcome, Verdict

VALID = share_of("valid", "", lambda *_: True)
SCORE = mean_of("score", "", lambda *_: 0.0)
LEAKS = share_of("leaks", "", lambda *_: True, better=Better.LOWER)
CRITICAL = GateRule(critical=True)


def measured(metric: Metric, ours: Sequence[float], **others: Sequence[float]) -> Measured:
    """A metric of the candidate, compared with the others case by case."""

    def with_ones(scores: Sequence[float]) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
        pairs: np.ndarray[tuple[int, int], np.dtype[np.float64]] = np.c_[
            np.array(scores, dtype=float), np.ones(len(scores))
        ]
        return pairs

    def against(theirs: Sequence[float]) -> Paired:
        where = np.arange(len(ours))
        return Paired(with_ones(ours), with_ones(theirs), where, metric.value, metric.bounded, metric.yes_no)

    return Measured(metric, float(np.mean(ours)), {name: compare(against(theirs)) for name, theirs in others.items()})


def share(of: int, yes: int) -> list[float]:
    return [1.0] * yes + [0.0] * (of - yes)


def judged(*found: Measured, rule: GateRule = CRITICAL, **more: Any) -> Verdict:
    return judge(found, {each.metric.name: rule for each in found}, **more)


def test_a_clear_improvement_is_promoted_and_the_sentence_says_which() -> None:
    verdict = judged(measured(VALID, share(100, 95), live=share(100, 60), base=share(100, 10)))
    assert verdict.decision is Decision.PROMOTE
    assert verdict.reason.startswith(
        "promoted: on 100 unseen cases better than live: valid 0.600 → 0.950 (gain 0.350, "
    )


def test_a_clear_fall_holds_the_candidate_and_the_sentence_names_the_metric() -> None:
    verdict = judged(measured(VALID, share(100, 60), live=share(100, 95), base=share(100, 10)))
    assert verdict.decision is Decision.HOLD
    assert verdict.reason == "held: valid goes from 0.950 (live) to 0.600, which is worse"


def test_a_candidate_that_is_nearly_the_same_is_not_proven() -> None:
    verdict = judged(measured(VALID, share(100, 61), live=share(100, 60), base=share(100, 60)))
    assert verdict.decision is Decision.NOT_PROVEN
    assert "on 100 unseen cases valid 0.600 → 0.610 is not better than live beyond chance" in verdict.reason


def test_too_few_cases_are_not_proven_and_it_is_said_how_many_would_do() -> None:
    few = judged(measured(VALID, share(10, 9), live=share(10, 7), base=share(10, 7)), rule=GateRule(critical=True))
    assert few.decision is Decision.NOT_PROVEN
    needed = int(few.reason.rsplit("what shows is so, ")[1].split()[0])
    assert 10 < needed < 300
    enough = judged(measured(VALID, share(10 * 30, 9 * 30), live=share(10 * 30, 7 * 30), base=share(300, 210)))
    assert enough.decision is Decision.PROMOTE


def test_a_metric_that_falls_while_another_gains_holds_the_candidate() -> None:
    better = measured(VALID, share(100, 95), live=share(100, 60))
    worse = measured(SCORE, np.linspace(0, 0.5, 100).tolist(), live=np.linspace(0, 1, 100).tolist())
    assert judged(better, worse).decision is Decision.HOLD


def test_a_metric_that_is_not_critical_only_must_not_be_worse_beyond_doubt() -> None:
    better = measured(VALID, share(50, 48), live=share(50, 20))
    noisy = measured(SCORE, [0.4] * 25 + [0.6] * 25, live=[0.6] * 25 + [0.42] * 25)
    rules = {"valid": CRITICAL, "score": GateRule(margin=0.01)}
    assert judge([better, noisy], rules).decision is Decision.PROMOTE
    assert (
        judge([better, noisy], rules | {"score": GateRule(margin=0.01, critical=True)}).decision is not Decision.PROMOTE
    )
    fallen = measured(SCORE, [0.1] * 50, live=[0.6] * 50)
    assert judge([better, fallen], rules).decision is Decision.HOLD


def test_where_less_is_better_more_is_worse() -> None:
    better = measured(LEAKS, share(100, 5), live=share(100, 40))
    worse = measured(LEAKS, share(100, 40), live=share(100, 5))
    assert judged(better).decision is Decision.PROMOTE
    assert judged(worse).decision is Decision.HOLD


@pytest.mark.parametrize(
    ("rule", "outcome", "sentence"),
    [
        (GateRule(min=0.9), GateOutcome.PASSED, "valid is 0.900, at least 0.9 is asked for"),
        (GateRule(min=0.95), GateOutcome.FAILED, "valid is 0.900, at least 0.95 is asked for"),
        (GateRule(max=0.5), GateOutcome.FAILED, "valid is 0.900, at most 0.5 is asked for"),
        (GateRule(min_gain=0.3), GateOutcome.PASSED, "valid gains 0.400 on base, 0.3 is asked for"),
        (GateRule(min_gain=0.5), GateOutcome.FAILED, "valid gains 0.400 on base, 0.5 is asked for"),
    ],
)
def test_targets(rule: GateRule, outcome: GateOutcome, sentence: str) -> None:
    verdict = judged(measured(VALID, share(100, 90), live=share(100, 80), base=share(100, 50)), rule=rule)
    assert [(finding.outcome, finding.sentence) for finding in verdict.findings] == [(outcome, sentence)]


def test_a_gain_that_few_cases_show_is_not_proven() -> None:
    verdict = judged(measured(VALID, share(6, 4), base=share(6, 3)), rule=GateRule(min_gain=0.1))
    assert verdict.decision is Decision.NOT_PROVEN
    assert verdict.reason == "not proven: valid gains 0.167 on base, 0.1 is asked for, and 6 cases do not prove it"


def test_a_metric_that_could_not_be_measured_reaches_no_target() -> None:
    verdict = judge([Measured(VALID, None, {})], {"valid": GateRule(min=0.5)})
    assert (verdict.decision, verdict.reason) == (Decision.NOT_PROVEN, "not proven: valid could not be measured")


def test_as_many_critical_metrics_have_to_improve_as_are_asked_for() -> None:
    better = measured(VALID, share(100, 95), live=share(100, 60))
    same = measured(SCORE, [0.5] * 100, live=[0.5] * 100)
    assert judged(better, same, primary="valid", require_improved=1).decision is Decision.PROMOTE
    verdict = judged(better, same, primary="valid", require_improved=2)
    assert verdict.decision is Decision.NOT_PROVEN
    assert "1 of the 2 metrics asked for are better than live" in verdict.reason
    assert not any(each.by_more_cases for each in verdict.findings), "fresh cases prove the primary metric alone"


def test_where_no_improvement_is_asked_for_the_same_will_do() -> None:
    same = measured(SCORE, [0.5] * 100, live=[0.5] * 100)
    assert judged(same, require_improved=0, rule=GateRule(margin=0.02, critical=True)).decision is Decision.PROMOTE


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31))
def test_promoted_candidates_are_better_and_held_ones_worse(seed: int) -> None:
    random = np.random.default_rng(seed)
    ours, theirs = (random.random(60) < random.random() for _ in range(2))
    verdict = judged(measured(VALID, ours.astype(float).tolist(), live=theirs.astype(float).tolist()))
    difference = ours.mean() - theirs.mean()
    if verdict.decision is Decision.PROMOTE:
        assert difference > 0
    if verdict.decision is Decision.HOLD:
        assert difference < 0


# The primary metric and its guard rails.


def test_many_small_losses_and_few_large_gains_are_no_improvement() -> None:
    live = np.full(100, 0.6)
    ours = live + np.r_[np.full(70, -0.01), np.full(4, 0.25), np.zeros(26)]
    verdict = judged(measured(SCORE, ours.tolist(), live=live.tolist()))
    assert verdict.decision is Decision.NOT_PROVEN


def test_many_small_gains_and_few_large_losses_are_no_improvement() -> None:
    live = np.full(100, 0.6)
    ours = live + np.r_[np.full(60, 0.03), np.full(4, -0.45), np.zeros(36)]
    verdict = judged(measured(SCORE, ours.tolist(), live=live.tolist()))
    assert verdict.decision is Decision.NOT_PROVEN


@pytest.mark.parametrize("cases", [20, 40, 98, 120])
def test_a_guard_rail_at_its_ceiling_does_not_stop_a_better_version(cases: int) -> None:
    valid = measured(VALID, [1.0] * cases, live=[1.0] * cases, base=share(cases, 2))
    score = measured(SCORE, [1.0] * cases, live=[0.5] * cases, base=[0.0] * cases)
    verdict = judged(valid, score, primary="score")
    assert verdict.decision is Decision.PROMOTE, verdict.reason


@pytest.mark.parametrize(("lost", "decision"), [(0, Decision.PROMOTE), (1, Decision.PROMOTE), (12, Decision.HOLD)])
def test_a_guard_rail_forgives_one_case_and_not_many(lost: int, decision: Decision) -> None:
    valid = measured(VALID, share(40, 40 - lost), live=[1.0] * 40)
    score = measured(SCORE, [1.0] * (40 - lost) + [0.0] * lost, live=[0.3] * 40)
    verdict = judged(valid, score, primary="score")
    assert verdict.decision is decision, verdict.reason


def test_a_drop_that_a_guard_rail_does_not_forgive_is_open_until_more_cases_tell() -> None:
    valid = measured(VALID, share(40, 38), live=[1.0] * 40)
    score = measured(SCORE, [1.0] * 38 + [0.0] * 2, live=[0.3] * 40)
    verdict = judged(valid, score, primary="score")
    assert verdict.decision is Decision.NOT_PROVEN
    assert verdict.reason.startswith(
        "not proven: valid goes from 1.000 (live) to 0.950, and 40 unseen cases leave open whether it is worse; "
    )


def test_a_gain_of_a_metric_that_is_not_primary_promotes_nothing() -> None:
    better = measured(VALID, share(100, 95), live=share(100, 60))
    same = measured(SCORE, [0.5] * 100, live=[0.5] * 100)
    assert judged(better, same, primary="score").decision is Decision.NOT_PROVEN


def test_too_few_sources_are_said_to_be_too_few_however_many_cases_they_have() -> None:
    sources = np.repeat(np.arange(5), 20)
    one = np.ones(100)
    against = compare(Paired(np.c_[one * 0.9, one], np.c_[one * 0.6, one], sources, SCORE.value, bounded=True))
    verdict = judge([Measured(SCORE, 0.9, {"live": against})], {"score": CRITICAL})
    assert verdict.decision is Decision.NOT_PROVEN
    assert "on 100 unseen cases of 5 sources" in verdict.reason
    assert verdict.reason.endswith("such sources would prove it")


def of_sources(metric: Metric, ours: Any, theirs: Any, sources: Any) -> Measured:
    """A metric of the candidate against live on cases that share sources."""
    one = np.ones(len(ours))
    pair = Paired(np.c_[ours, one], np.c_[theirs, one], np.asarray(sources), metric.value, metric.bounded)
    return Measured(metric, float(np.mean(ours)), {"live": compare(pair)})


ONE_LARGE_SOURCE = np.r_[np.zeros(90), np.arange(1, 11)]


def test_a_candidate_worse_on_most_cases_is_not_promoted_for_its_many_small_sources() -> None:
    ours, theirs = np.r_[np.full(90, 0.2), np.ones(10)], np.r_[np.full(90, 0.6), np.full(10, 0.4)]
    verdict = judge([of_sources(SCORE, ours, theirs, ONE_LARGE_SOURCE)], {"score": CRITICAL}, primary="score")
    assert verdict.decision is not Decision.PROMOTE
    assert "better by source, but not over all cases (-0.300)" in verdict.reason


def test_a_guard_rail_counts_the_cases_of_a_large_source_too() -> None:
    valid = of_sources(VALID, np.r_[np.zeros(19), np.ones(81)], np.ones(100), ONE_LARGE_SOURCE)
    score = of_sources(SCORE, np.r_[np.full(90, 0.7), np.ones(10)], np.full(100, 0.3), ONE_LARGE_SOURCE)
    verdict = judge([valid, score], {"valid": CRITICAL, "score": CRITICAL}, primary="score")
    assert verdict.decision is not Decision.PROMOTE


def test_a_guard_rail_that_applies_to_few_cases_forgives_one_of_those() -> None:
    applies = np.r_[np.ones(10), np.zeros(90)]
    ours, theirs = np.c_[np.r_[0.0, np.ones(9), np.zeros(90)], applies], np.c_[applies, applies]
    cited = Measured(VALID, 0.9, {"live": compare(Paired(ours, theirs, np.arange(100), VALID.value, VALID.bounded))})
    better = measured(SCORE, [0.9] * 100, live=[0.4] * 100)
    verdict = judge([cited, better], {"valid": CRITICAL, "score": CRITICAL}, primary="score")
    assert verdict.decision is Decision.PROMOTE, verdict.reason
    assert cited.against["live"].cases == 10


def test_a_target_for_the_primary_metric_does_not_replace_the_proof() -> None:
    worse = measured(VALID, share(60, 45), live=share(60, 47))
    verdict = judge([worse], {"valid": GateRule(min=0.5)}, primary="valid")
    assert verdict.decision is Decision.NOT_PROVEN
    assert "valid 0.783 → 0.750 is not better than live beyond chance" in verdict.reason


def test_a_version_that_is_live_is_compared_with_the_base() -> None:
    same = measured(SCORE, [0.5] * 40, base=[0.5] * 40)
    assert "is not better than base beyond chance" in judge([same], {"score": CRITICAL}, primary="score").reason
    better = measured(SCORE, [0.9] * 40, base=[0.5] * 40)
    assert judge([better], {"score": CRITICAL}, primary="score").decision is Decision.PROMOTE


def test_too_few_units_are_said_to_prove_nothing() -> None:
    one = of_sources(SCORE, np.ones(40), np.zeros(40), np.zeros(40))
    reason = judge([one], {"score": CRITICAL}).reason
    assert "on 40 unseen cases of 1 source score" in reason
    assert "fewer than 5 sources prove nothing" in reason


def test_the_provable_gain_is_the_same_for_metrics_of_which_less_is_better() -> None:
    upwards = measured(VALID, share(100, 3), live=share(100, 0)).against["live"]
    downwards = measured(LEAKS, share(100, 0), live=share(100, 3)).against["live"]
    assert upwards.provable_gain(1) == downwards.provable_gain(-1)


def test_a_primary_metric_that_there_is_not_is_named_as_the_setting() -> None:
    verdict = judge([measured(SCORE, [0.9] * 40, live=[0.5] * 40)], {"scroe": CRITICAL}, primary="scroe")
    assert "evaluation.primary = scroe names no metric of this model; there are score" in verdict.reason


def test_a_critical_metric_that_has_no_better_way_is_refused_with_what_to_do() -> None:
    length = mean_of("length", "", lambda *_: 0.0, better=Better.NEITHER, unit=Unit.TOKENS)
    verdict = judged(measured(length, [60.0] * 30, live=[30.0] * 30))
    assert verdict.decision is Decision.NOT_PROVEN
    assert (
        "gates.length cannot be applied: length is neither better higher nor lower; give min or max" in verdict.reason
    )
    assert judged(measured(length, [60.0] * 30, live=[30.0] * 30), rule=GateRule(max=50)).decision is Decision.HOLD


def test_a_critical_metric_in_seconds_needs_its_margin_in_seconds() -> None:
    latency = mean_of("latency_s", "", lambda *_: 0.0, better=Better.LOWER, unit=Unit.SECONDS)
    found = measured(latency, np.linspace(1, 1.5, 30).tolist(), live=np.linspace(1, 1.4, 30).tolist())
    verdict = judged(found, require_improved=0)
    assert "latency_s counts in s; give its margin in that unit" in verdict.reason
    assert judged(found, require_improved=0, rule=GateRule(critical=True, margin=0.5)).decision is Decision.PROMOTE


def test_a_primary_metric_that_is_no_mean_of_scores_is_refused() -> None:
    latency = mean_of("latency_s", "", lambda *_: 0.0, better=Better.LOWER, unit=Unit.SECONDS)
    found = measured(latency, np.linspace(1, 1.5, 30).tolist(), live=np.linspace(2, 2.4, 30).tolist())
    verdict = judged(found, primary="latency_s", rule=GateRule(critical=True, margin=0.5))
    assert verdict.decision is Decision.NOT_PROVEN
    assert "set evaluation.primary" in verdict.reason


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, of infinite sums
def test_a_metric_that_is_not_finite_passes_no_gate(critical: bool) -> None:
    error = mean_of("mae.n", "", lambda *_: 0.0, better=Better.LOWER, unit=Unit.NUMBER)
    found = measured(error, [float("inf")] + [0.2] * 29, live=[0.2] * 30)
    verdict = judged(found, require_improved=0, rule=GateRule(margin=0.1, critical=critical))
    assert verdict.decision is Decision.HOLD
    assert verdict.reason.endswith("which cannot be compared")


# Answers that are not there.

LONG = "an answer that is long enough to be shortened by a lot"


def test_answers_that_arrive_empty_are_counted_and_stop_the_candidate() -> None:
    finding = completeness_gate([("", LONG, LONG)] * 31 + [(LONG, LONG, LONG)] * 9)
    assert finding.outcome is GateOutcome.FAILED
    assert finding.sentence.startswith("31 of 40 answers are empty where one is expected")


@pytest.mark.parametrize(
    "answers",
    [
        [("", "", LONG)] * 40,  # live answers nothing either
        [("", LONG, "")] * 40,  # nothing is expected
        [("no", LONG * 9, "no")] * 40,  # live says too much
        [("no", "maybe", "perhaps")] * 40,  # labels
        [("", LONG, LONG)] * 4 + [(LONG, LONG, LONG)] * 36,
    ],
)
def test_answers_that_are_as_complete_as_before_do_not_stop_it(answers: list[tuple[str, str, str]]) -> None:
    assert completeness_gate(answers).outcome is GateOutcome.PASSED


def test_answers_far_shorter_than_live_s_and_the_reference_stop_the_candidate() -> None:
    assert completeness_gate([("So", LONG, LONG)] * 10).outcome is GateOutcome.FAILED


# What is found elsewhere.


def test_a_candidate_that_is_the_very_file_of_another_is_held() -> None:
    finding = distinct_file_gate("d1", {"live": "d1", "base": "d0"})
    better = measured(VALID, share(100, 95), live=share(100, 60))
    verdict = judge([better], {"valid": CRITICAL}, extra_findings=[finding])
    assert verdict.decision is Decision.HOLD
    assert verdict.reason == "held: the candidate is the same as live, byte for byte; the adapter left no trace"
    assert distinct_file_gate("d2", {"live": "d1", "base": "d0"}).outcome is GateOutcome.PASSED


def test_a_candidate_that_is_live_already_is_held_with_a_sentence_of_its_own() -> None:
    verdict = judge([], {}, extra_findings=[live_again_gate("1.0.0")])
    assert verdict.decision is Decision.HOLD
    assert verdict.reason.startswith("held: it is the same file as 1.0.0, which is live")


@pytest.mark.parametrize(
    ("kept", "least", "outcome"),
    [
        (0.45, 0.9, GateOutcome.FAILED),
        (0.9, 0.9, GateOutcome.PASSED),
        (None, 0.9, GateOutcome.PASSED),
        (-0.12, 0.0, GateOutcome.FAILED),
    ],
)
def test_enough_of_the_adapter_has_to_be_left(kept: float | None, least: float, outcome: GateOutcome) -> None:
    finding = retention_gate(kept, least)
    assert finding.outcome is outcome
    if outcome is GateOutcome.FAILED:
        text = (
            f"the merged file keeps {kept:.1%} of what the adapter does, and merging.min_retention asks for {least:.1%}"
        )
        assert finding.sentence == text


def test_where_the_base_is_wrong_something_has_to_change() -> None:
    assert canary_gate([("a", "a"), ("b", "b")]).outcome is GateOutcome.FAILED
    assert canary_gate([("a", "a"), ("b", "c")]).outcome is GateOutcome.PASSED
    assert canary_gate([]).outcome is GateOutcome.PASSED


def test_a_gate_for_a_metric_that_there_is_not_stays_shut() -> None:
    verdict = judge(
        [measured(VALID, share(100, 95), live=share(100, 60))], {"valid": CRITICAL, "vald": GateRule(min=1)}
    )
    assert (verdict.decision, verdict.reason) == (
        Decision.NOT_PROVEN,
        "not proven: gates.vald names no metric of this model; there are valid",
    )
