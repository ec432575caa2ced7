"""Asking a frozen set, and what the answers of several models say of one of them."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from adapterd.chat import Answer, Message
from adapterd.errors import RuntimeUnavailableError, StageError
from adapterd.evaluation.evaluate import Answers, ask_all, measure, score
from adapterd.evaluation.metrics.json_answers.metrics import EXACT
from adapterd.evaluation.metrics.text_metrics import SOURCE_HIT, TOKEN_F1, rouge_metrics
from tests.unit.evaluation.asking import answer, question

QUESTIONS = [question(f"answer {n}", f"question {n}", f"p{n}") for n in range(4)]


class ScriptedModel:
    """Gives the answer that belongs to what it is asked, and remembers what that was."""

    def __init__(self, *texts: str) -> None:
        self._answers = dict(zip([q.messages for q in QUESTIONS], texts, strict=True))
        self.asked: list[Sequence[Message]] = []

    def __call__(self, messages: Sequence[Message]) -> Answer:
        self.asked.append(messages)
        return answer(self._answers[tuple(messages)])


def given(digest: str, *texts: str) -> Answers:
    return Answers(f"m:{digest}", digest, tuple(answer(text) for text in texts))


def test_every_question_is_asked_once_in_its_order() -> None:
    model = ScriptedModel("a", "b", "c", "d")
    assert [found.text for found in ask_all(QUESTIONS, model)] == ["a", "b", "c", "d"]
    assert model.asked == [each.messages for each in QUESTIONS]


def test_several_at_once_come_back_in_their_order() -> None:
    together = threading.Barrier(2, timeout=10)

    def ask(messages: Sequence[Message]) -> Answer:
        together.wait()
        return answer(messages[-1].content)

    found = ask_all(QUESTIONS, ask, at_once=2)
    assert [each.text for each in found] == [each.messages[-1].content for each in QUESTIONS]


def test_the_share_done_rises_to_one() -> None:
    shares: list[float] = []
    ask_all(QUESTIONS, ScriptedModel(*"abcd"), report=shares.append)
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_after_a_fault_nothing_more_is_asked() -> None:
    asked = []

    def ask(messages: Sequence[Message]) -> Answer:
        asked.append(messages)
        raise RuntimeUnavailableError("gone")

    with pytest.raises(RuntimeUnavailableError):
        ask_all(QUESTIONS * 50, ask)
    assert len(asked) < 10


def test_an_empty_set_proves_nothing() -> None:
    with pytest.raises(StageError, match="evaluation set is empty"):
        ask_all([], ScriptedModel(*"abcd"))


def test_scores_are_the_metrics_that_apply_and_the_medians_of_the_latencies() -> None:
    times = [(1.0, 0.1), (2.0, 0.2), (3.0, 0.3), (90.0, 9.0)]
    texts = ("answer 0", "answer", "other 2", "")
    answers = tuple(answer(text, total_s=s, first_token_s=f) for text, (s, f) in zip(texts, times, strict=True))
    scores = score(Answers("m:1.0.0", "d", answers), QUESTIONS, [EXACT, TOKEN_F1])
    assert (scores.tag, scores.digest, scores.prompts) == ("m:1.0.0", "d", 4)
    assert scores.metrics == {"exact": 0.25, "token_f1": pytest.approx((1 + 2 / 3 + 0.5 + 0) / 4)}
    assert (scores.latency_s, scores.first_token_s) == (2.5, 0.25)


def test_one_is_compared_with_each_other_case_by_case() -> None:
    ours = given("a", "answer 0", "answer 1", "x", "x")
    others = {"live": given("b", "answer 0", "x", "answer 2", "x"), "base": given("c", "x", "x", "x", "x")}
    (exact,) = measure([EXACT], QUESTIONS, ours, others)
    live, base = exact.against["live"], exact.against["base"]
    assert exact.value == 0.5
    assert (live.ours, live.theirs, live.wins, live.losses, live.ties) == (0.5, 0.25 + 0.25, 1, 1, 2)
    assert (base.wins, base.losses, base.ties, base.difference) == (2, 0, 2, 0.5)


def test_the_same_file_is_not_compared_with_itself_and_another_one_only_once() -> None:
    ours, other = given("a", *["x"] * 4), given("b", *["y"] * 4)
    (exact,) = measure([EXACT], QUESTIONS, ours, {"live": other, "base": replace(other, tag="m:base"), "same": ours})
    assert list(exact.against) == ["live", "base"]
    assert exact.against["live"] is exact.against["base"]


def test_questions_of_one_source_are_one_cluster() -> None:
    questions = [replace(each, source="article" if number < 3 else None) for number, each in enumerate(QUESTIONS)]
    (exact,) = measure([EXACT], questions, given("a", *["x"] * 4), {"live": given("b", *["answer 0"] * 4)})
    assert (exact.against["live"].cases, exact.against["live"].clusters) == (4, 2)


def test_nothing_is_the_right_answer_where_the_reference_says_nothing() -> None:
    nothing = [question("", name=str(number)) for number in range(3)]
    metrics = [*rouge_metrics(), TOKEN_F1]
    found = measure(metrics, nothing, given("a", "", "", ""), {"live": given("b", "x", "y", "z")})
    assert [(each.value, each.against["live"].theirs) for each in found] == [(1.0, 0.0)] * len(metrics)


def test_a_metric_that_applies_to_nothing_has_no_value() -> None:
    uncited = [question("x", name=str(number)) for number in range(3)]
    (hit,) = measure([SOURCE_HIT], uncited, given("a", "[1]", "", ""), {"live": given("b", "x", "y", "z")})
    assert (hit.value, hit.against) == (None, {})
