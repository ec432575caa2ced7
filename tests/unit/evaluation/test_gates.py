"""What becomes of a candidate: promoted if proven better and not worse, held if worse, else not proven."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.config import GateRule
from adapterd.evaluation.gates import Measured, answers_differ, is_another_file, is_kept, judge
from adapterd.evaluation.metric import Better, Metric, mean_of, share_of
from adapterd.evaluation.statistics import Paired, compare
from adapterd.evaluation.verdict import Decision, Outcome, Verdict

VALID = share_of("valid", "", lambda *_: True)
SCORE = mean_of("score", "", lambda *_: 0.0)
LEAKS = share_of("leaks", "", lambda *_: True, better=Better.LOWER)
CRITICAL = GateRule(critical=True)


def measured(metric: Metric, ours: Sequence[float], **others: Sequence[float]) -> Measured:
    """A metric of the candidate, compared with the others case by case."""

    def with_ones(scores: Sequence[float]) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
        return np.c_[np.array(scores, dtype=float), np.ones(len(scores))]

    def against(theirs: Sequence[float]) -> Paired:
        where = np.arange(len(ours))
        return Paired(with_ones(ours), with_ones(theirs), where, metric.value, metric.bounded, metric.yes_no)

    return Measured(metric, float(np.mean(ours)), {name: compare(against(theirs)) for name, theirs in others.items()})


def share(of: int, yes: int) -> list[float]:
    return [1.0] * yes + [0.0] * (of - yes)


def judged(*found: Measured, rule: GateRule = CRITICAL, **more: int) -> Verdict:
    return judge(found, {each.metric.name: rule for each in found}, **more)


def test_a_clear_improvement_is_promoted_and_the_sentence_says_which() -> None:
    verdict = judged(measured(VALID, share(100, 95), live=share(100, 60), base=share(100, 10)))
    assert verdict.decision is Decision.PROMOTE
    assert verdict.reason.startswith("promoted: on 100 unseen cases better than live: valid 0.600 → 0.950 (p = ")


def test_a_clear_fall_is_held_and_the_sentence_says_which() -> None:
    verdict = judged(measured(VALID, share(100, 60), live=share(100, 95), base=share(100, 10)))
    assert verdict.decision is Decision.HOLD
    assert verdict.reason == "held: valid goes from 0.950 (live) to 0.600, which is worse beyond doubt"


def test_what_is_nearly_the_same_is_not_proven() -> None:
    verdict = judged(measured(VALID, share(100, 61), live=share(100, 60), base=share(100, 60)))
    assert verdict.decision is Decision.NOT_PROVEN
    assert "on 100 unseen cases no critical metric is better than live beyond chance" in verdict.reason


def test_too_few_cases_are_not_proven_and_it_is_said_how_many_would_do() -> None:
    few = judged(measured(VALID, share(10, 9), live=share(10, 7), base=share(10, 7)), rule=GateRule(critical=True))
    assert few.decision is Decision.NOT_PROVEN
    needed = int(few.reason.rsplit("what shows is so, ")[1].split()[0])
    assert 30 < needed < 300
    enough = judged(measured(VALID, share(10 * 30, 9 * 30), live=share(10 * 30, 7 * 30), base=share(300, 210)))
    assert enough.decision is Decision.PROMOTE


def test_a_metric_that_falls_while_another_gains_is_held() -> None:
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
        (GateRule(min=0.9), Outcome.PASSED, "valid is 0.900, at least 0.9 is asked for"),
        (GateRule(min=0.95), Outcome.FAILED, "valid is 0.900, at least 0.95 is asked for"),
        (GateRule(max=0.5), Outcome.FAILED, "valid is 0.900, at most 0.5 is asked for"),
        (GateRule(min_gain=0.3), Outcome.PASSED, "valid gains 0.400 on base, 0.3 is asked for"),
        (GateRule(min_gain=0.5), Outcome.FAILED, "valid gains 0.400 on base, 0.5 is asked for"),
    ],
)
def test_targets(rule: GateRule, outcome: Outcome, sentence: str) -> None:
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
    assert judged(better, same, require_improved=1).decision is Decision.PROMOTE
    verdict = judged(better, same, require_improved=2)
    assert verdict.decision is Decision.NOT_PROVEN
    assert "1 of the 2 critical metrics asked for is better than live" in verdict.reason


def test_where_no_improvement_is_asked_for_the_same_will_do() -> None:
    same = measured(SCORE, [0.5] * 100, live=[0.5] * 100)
    assert judged(same, require_improved=0, rule=GateRule(margin=0.02, critical=True)).decision is Decision.PROMOTE


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31))
def test_what_is_promoted_is_better_and_what_is_held_is_worse(seed: int) -> None:
    random = np.random.default_rng(seed)
    ours, theirs = (random.random(60) < random.random() for _ in range(2))
    verdict = judged(measured(VALID, ours.astype(float).tolist(), live=theirs.astype(float).tolist()))
    difference = ours.mean() - theirs.mean()
    if verdict.decision is Decision.PROMOTE:
        assert difference > 0
    if verdict.decision is Decision.HOLD:
        assert difference < 0


# What is found elsewhere.


def test_a_candidate_that_is_the_very_file_of_another_is_held() -> None:
    finding = is_another_file("d1", {"live": "d1", "base": "d0"})
    verdict = judge([measured(VALID, share(100, 95), live=share(100, 60))], {"valid": CRITICAL}, beside=[finding])
    assert verdict.decision is Decision.HOLD
    assert verdict.reason == "held: the candidate is the same as live, byte for byte; the adapter left no trace"
    assert is_another_file("d2", {"live": "d1", "base": "d0"}).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("kept", "least", "outcome"),
    [
        (0.45, 0.9, Outcome.FAILED),
        (0.9, 0.9, Outcome.PASSED),
        (None, 0.9, Outcome.PASSED),
        (-0.12, 0.0, Outcome.FAILED),
    ],
)
def test_enough_of_the_adapter_has_to_be_left(kept: float | None, least: float, outcome: Outcome) -> None:
    finding = is_kept(kept, least)
    assert finding.outcome is outcome
    if outcome is Outcome.FAILED:
        text = (
            f"the merged file keeps {kept:.1%} of what the adapter does, and merging.min_retention asks for {least:.1%}"
        )
        assert finding.sentence == text


def test_where_the_base_is_wrong_something_has_to_change() -> None:
    assert answers_differ([("a", "a"), ("b", "b")]).outcome is Outcome.FAILED
    assert answers_differ([("a", "a"), ("b", "c")]).outcome is Outcome.PASSED
    assert answers_differ([]).outcome is Outcome.PASSED


def test_a_gate_for_a_metric_that_there_is_not_stays_shut() -> None:
    verdict = judge(
        [measured(VALID, share(100, 95), live=share(100, 60))], {"valid": CRITICAL, "vald": GateRule(min=1)}
    )
    assert (verdict.decision, verdict.reason) == (
        Decision.NOT_PROVEN,
        "not proven: gates.vald names no metric of this model; there are valid",
    )
