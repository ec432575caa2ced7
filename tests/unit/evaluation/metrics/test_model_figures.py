"""What is measured beside the text of answers: the likelihood of references, and rubrics that are filled in later."""

import math
from collections.abc import Mapping, Sequence

import pytest

from adapterd.chat import Answer
from adapterd.config import GateRule
from adapterd.evaluation.evaluate import Answers, measure
from adapterd.evaluation.gates import Measured, judge
from adapterd.evaluation.metrics.metric import Metric
from adapterd.evaluation.metrics.model_figures import REFERENCE_NATS, REFERENCE_NLL, REFERENCE_PROBABILITY
from adapterd.evaluation.metrics.model_figures import REFERENCE_TOKENS as TOKENS
from adapterd.evaluation.metrics.rubric import FACT_COVERAGE, TOPIC_DRIFT
from adapterd.evaluation.metrics.text_metrics import TOKEN_F1
from adapterd.evaluation.verdict import Decision, Verdict
from tests.unit.evaluation.asking import answer, question

QUESTIONS = [question("a b", name=f"q{number}") for number in range(40)]
RULE = GateRule(critical=True)


def likely(nats: Sequence[float]) -> list[Answer]:
    return [answer("x", figures={REFERENCE_NATS: each, TOKENS: 10.0}) for each in nats]


def scored(by_place: Mapping[int, float], name: str = "fact_coverage") -> list[Answer]:
    return [
        answer("x", figures={name: by_place[place]} if place in by_place else {}) for place in range(len(QUESTIONS))
    ]


def compared(metric: Metric, ours: Sequence[Answer], live: Sequence[Answer]) -> Measured:
    given = {name: Answers(name, name, tuple(each)) for name, each in {"candidate": ours, "live": live}.items()}
    [found] = measure([metric], QUESTIONS, given["candidate"], {"live": given["live"]})
    return found


def judged(found: Measured, rule: GateRule = RULE, primary: str | None = None) -> Verdict:
    name = found.metric.name
    better = compared(TOKEN_F1, [answer("a b")] * 40, [answer("z")] * 40)
    return judge([better, found], {"token_f1": RULE, name: rule}, primary=primary or "token_f1")


def test_the_likelihood_of_a_set_is_all_nats_by_all_tokens() -> None:
    answers = [answer("x", figures={REFERENCE_NATS: 6.0, TOKENS: 2.0}), *likely([4.0])]
    assert REFERENCE_NLL.over(QUESTIONS[:2], answers) == pytest.approx(10 / 12)
    assert REFERENCE_PROBABILITY.over(QUESTIONS[:2], answers) == pytest.approx((math.exp(-3) + math.exp(-0.4)) / 2)
    assert REFERENCE_NLL.over(QUESTIONS[:1], [answer("x")]) is None


def test_references_that_became_less_likely_stop_a_candidate_that_is_guarded_by_them() -> None:
    worse = compared(REFERENCE_NLL, likely([20.0] * 40), likely([10.0 + place / 40 for place in range(40)]))
    rule = GateRule(critical=True, margin=0.05)
    assert judged(worse, rule).decision is Decision.HOLD
    assert "reference_nll goes from 1.049 (live) to 2.000, which is worse" in judged(worse, rule).reason
    assert "counts in nats/token; give its margin in that unit" in judged(worse).reason
    better = compared(REFERENCE_NLL, likely([5.0 + place / 40 for place in range(40)]), likely([10.0] * 40))
    assert judged(better, rule).decision is Decision.PROMOTE


def test_the_probability_of_references_can_be_primary() -> None:
    better = compared(REFERENCE_PROBABILITY, likely([1.0] * 40), likely([20.0] * 40))
    verdict = judged(better, primary="reference_probability")
    assert verdict.decision is Decision.PROMOTE
    assert "better than live: reference_probability 0.135 → 0.905" in verdict.reason


def test_a_critical_metric_that_could_not_be_measured_is_not_proven() -> None:
    nothing = [answer("x")] * 40
    verdict = judged(compared(REFERENCE_NLL, nothing, nothing), GateRule(critical=True, margin=0.1))
    assert verdict.decision is Decision.NOT_PROVEN
    assert "reference_nll has no value: the file was not read for it" in verdict.reason
    unmeasured = compared(REFERENCE_PROBABILITY, nothing, nothing)
    assert "reference_probability has no value" in judged(unmeasured, primary="reference_probability").reason


@pytest.mark.parametrize("metric", [FACT_COVERAGE, TOPIC_DRIFT], ids=lambda metric: metric.name)
@pytest.mark.parametrize("rule", [GateRule(margin=0.01), GateRule(min=0.9), GateRule(max=0.1), GateRule(min_gain=0.2)])
def test_an_empty_rubric_that_is_not_critical_stops_nothing(metric: Metric, rule: GateRule) -> None:
    found = compared(metric, scored({}), scored({}))
    assert judged(found, rule).decision is Decision.PROMOTE


def test_an_empty_rubric_that_is_critical_says_what_is_missing() -> None:
    for ours, live in (({}, {}), (dict.fromkeys(range(40), 1.0), {}), ({}, dict.fromkeys(range(40), 1.0))):
        verdict = judged(compared(FACT_COVERAGE, scored(ours), scored(live)))
        assert verdict.decision is Decision.NOT_PROVEN
        assert "fact_coverage has no value: it is not filled in for both versions" in verdict.reason


def test_a_rubric_counts_the_cases_that_are_filled_in_for_both() -> None:
    few = compared(FACT_COVERAGE, scored({0: 1.0, 1: 1.0, 2: 1.0}), scored({1: 0.5, 2: 0.5, 3: 0.5}))
    assert "fact_coverage is filled in for 2 cases of both; it takes 5" in judged(few).reason
    enough = compared(FACT_COVERAGE, scored(dict.fromkeys(range(12), 1.0)), scored(dict.fromkeys(range(10), 0.9)))
    assert (enough.value, enough.against["live"].clusters) == (1.0, 10)
    assert judged(enough).decision is Decision.PROMOTE
    worse = compared(FACT_COVERAGE, scored(dict.fromkeys(range(10), 0.2)), scored(dict.fromkeys(range(10), 0.9)))
    assert judged(worse).decision is Decision.HOLD


def test_more_drift_is_worse() -> None:
    ours, live = (scored(dict.fromkeys(range(10), value), "topic_drift") for value in (0.8, 0.1))
    assert judged(compared(TOPIC_DRIFT, ours, live)).decision is Decision.HOLD
