"""Asking a frozen set, and the verdict."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.chat import Answer, Message, Role
from adapterd.errors import StageError
from adapterd.evaluation.evaluate import NOT_MEASURED, CaseResult, Kept, Question, Scores, evaluate, judge
from adapterd.evaluation.metrics import EXACT, JSON_VALID, TOKEN_F1

ANSWER = Answer(text="", done_reason="stop", prompt_tokens=3, answer_tokens=2, total_s=1.0, first_token_s=0.25)
QUESTIONS = [Question(f"p{n}", (Message(Role.USER, f"question {n}"),), f"answer {n}") for n in range(4)]
SCORES = Scores(
    tag="m:1.0.0", digest="d", prompts=40, metrics={"exact": 0.5, "token_f1": 0.6}, baselines={}, truncated=0.0,
    latency_s=1.0, first_token_s=0.1,
)  # fmt: skip

FILES = count()
"""Every tag here is made of another file."""


class ScriptedModel:
    """Gives its answers one after the other, and remembers what it was asked."""

    def __init__(self, *answers: Answer | str) -> None:
        self._answers = [replace(ANSWER, text=each) if isinstance(each, str) else each for each in answers]
        self.asked: list[Sequence[Message]] = []

    def __call__(self, messages: Sequence[Message]) -> Answer:
        self.asked.append(messages)
        return self._answers[len(self.asked) - 1]


def scored(**metrics: float) -> Scores:
    return replace(SCORES, metrics=metrics, digest=f"d{next(FILES)}")


def test_every_question_is_asked_once_in_its_order() -> None:
    model = ScriptedModel(*["x"] * 4)
    evaluate("m:1.0.0", "d", QUESTIONS, [EXACT], model)
    assert model.asked == [question.messages for question in QUESTIONS]


def test_scores_are_means_over_the_set() -> None:
    model = ScriptedModel("answer 0", "answer", "other 2", "")
    scores, results = evaluate("m:1.0.0", "d", QUESTIONS, [EXACT, TOKEN_F1], model)
    assert (scores.tag, scores.digest, scores.prompts) == ("m:1.0.0", "d", 4)
    assert scores.metrics == {"exact": 0.25, "token_f1": pytest.approx((1 + 2 / 3 + 0.5 + 0) / 4)}
    assert [result.scores["exact"] for result in results] == [1.0, 0.0, 0.0, 0.0]


def test_a_result_has_the_answer_and_what_it_scored() -> None:
    _, results = evaluate("t", "d", QUESTIONS[:1], [EXACT, JSON_VALID], ScriptedModel("answer 0"))
    assert results == [CaseResult("p0", replace(ANSWER, text="answer 0"), {"exact": 1.0, "json_valid": 0.0})]


def test_baselines_stand_beside_the_scores() -> None:
    scores, _ = evaluate("t", "d", QUESTIONS, [EXACT, TOKEN_F1], ScriptedModel(*["answer 0"] * 4))
    assert scores.baselines == {"exact": 0.0, "token_f1": 0.0}


def test_latencies_are_medians_and_cut_answers_a_share() -> None:
    times = [(1.0, 0.1), (2.0, 0.2), (3.0, 0.3), (90.0, 9.0)]
    answers = [replace(ANSWER, total_s=total, first_token_s=first) for total, first in times]
    answers[3] = replace(answers[3], done_reason="length")
    scores, _ = evaluate("t", "d", QUESTIONS, [EXACT], ScriptedModel(*answers))
    assert (scores.latency_s, scores.first_token_s, scores.truncated) == (2.5, 0.25, 0.25)


def test_the_share_done_rises_to_one() -> None:
    shares: list[float] = []
    evaluate("t", "d", QUESTIONS, [EXACT], ScriptedModel(*["x"] * 4), report=shares.append)
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_an_empty_set_proves_nothing() -> None:
    with pytest.raises(StageError, match="evaluation set is empty"):
        evaluate("t", "d", [], [EXACT], ScriptedModel())


def test_a_candidate_that_loses_nowhere_is_promoted() -> None:
    verdict = judge(scored(exact=0.7), {"live": scored(exact=0.5), "base": scored(exact=0.1)}, ["exact"])
    assert verdict.promote
    assert verdict.reason == "promoted: on 40 unseen prompts against live: exact 0.500 → 0.700"


def test_a_candidate_that_is_as_good_is_promoted() -> None:
    assert judge(scored(exact=0.5), {"live": scored(exact=0.5)}, ["exact"]).promote


@pytest.mark.parametrize("better", ["live", "base"])
def test_a_candidate_that_loses_against_live_or_base_is_held(better: str) -> None:
    others = {"live": scored(exact=0.1), "base": scored(exact=0.1), better: scored(exact=0.6)}
    verdict = judge(scored(exact=0.5), others, ["exact"])
    assert not verdict.promote
    assert verdict.reason == f"held: on 40 unseen prompts exact falls from 0.600 ({better}) to 0.500"


def test_the_smallest_loss_holds() -> None:
    assert not judge(scored(exact=0.5), {"live": scored(exact=0.5 + 1e-9)}, ["exact"]).promote


def test_a_gain_elsewhere_does_not_make_up_for_a_loss() -> None:
    candidate, live = scored(json_valid=1.0, field_f1=0.4), scored(json_valid=0.1, field_f1=0.5)
    verdict = judge(candidate, {"live": live}, ["json_valid", "field_f1"])
    assert verdict.reason == "held: on 40 unseen prompts field_f1 falls from 0.500 (live) to 0.400"


def test_a_loss_that_is_not_critical_does_not_hold() -> None:
    candidate, live = scored(exact=0.1, token_f1=0.7), scored(exact=0.9, token_f1=0.6)
    verdict = judge(candidate, {"live": live}, ["token_f1"])
    assert verdict.promote
    assert "exact" not in verdict.reason


def test_all_losses_are_named() -> None:
    candidate = scored(a=0.1, b=0.1)
    verdict = judge(candidate, {"live": scored(a=0.2, b=0.3), "base": scored(a=0.4, b=0.0)}, ["a", "b"])
    assert verdict.reason.removeprefix("held: on 40 unseen prompts ").split("; ") == [
        "a falls from 0.200 (live) to 0.100",
        "b falls from 0.300 (live) to 0.100",
        "a falls from 0.400 (base) to 0.100",
    ]


METRICS = st.fixed_dictionaries({"a": st.floats(0, 1), "b": st.floats(0, 1)})


@given(METRICS, METRICS, METRICS)
def test_only_what_falls_nowhere_is_promoted(
    candidate: dict[str, float], live: dict[str, float], base: dict[str, float]
) -> None:
    verdict = judge(scored(**candidate), {"live": scored(**live), "base": scored(**base)}, ["a", "b"])
    assert verdict.promote == all(candidate[name] >= max(live[name], base[name]) for name in "ab")
    assert verdict.reason.startswith("promoted: " if verdict.promote else "held: ")


@pytest.mark.parametrize("other", ["live", "base"])
def test_a_candidate_that_is_the_very_file_of_another_is_held(other: str) -> None:
    scores = {"live": scored(exact=0.5), "base": scored(exact=0.5)}
    verdict = judge(scores[other], scores, ["exact"])
    assert not verdict.promote
    assert f"the same as {other}" in verdict.reason


def test_a_candidate_that_keeps_too_little_of_the_adapter_is_held() -> None:
    candidate, live = scored(exact=0.9), scored(exact=0.1)
    verdict = judge(candidate, {"live": live}, ["exact"], Kept(0.4567, 0.9))
    assert not verdict.promote
    assert verdict.reason == (
        "held: the merged file keeps 45.7% of what the adapter does, and merging.min_retention asks for 90.0%"
    )


@pytest.mark.parametrize("kept", [Kept(0.9, 0.9), Kept(1.0, 0.9), Kept(None, 0.9), Kept(0.0, 0.0), NOT_MEASURED])
def test_what_keeps_enough_or_was_not_measured_is_judged_by_its_answers(kept: Kept) -> None:
    assert kept.fault is None
    assert judge(scored(exact=0.5), {"live": scored(exact=0.5)}, ["exact"], kept).promote
    assert not judge(scored(exact=0.4), {"live": scored(exact=0.5)}, ["exact"], kept).promote


def test_less_than_nothing_kept_is_told_as_it_is() -> None:
    assert "keeps -12.0% of" in str(Kept(-0.12, 0.5).fault)


def test_the_very_file_of_another_is_told_before_what_it_keeps() -> None:
    live = scored(exact=0.5)
    assert "the same as live" in judge(live, {"live": live}, ["exact"], Kept(0.0, 0.9)).reason
