"""A metric that cannot be computed for an answer: the answer fails, the run goes on, and it is told."""

import json
import logging
import math
import re
from collections.abc import Callable
from dataclasses import asdict

import pytest

from adapterd.chat import Answer
from adapterd.errors import RuntimeRefusedError, RuntimeUnavailableError
from adapterd.evaluation.evaluate import Answers, measure, score
from adapterd.evaluation.metrics.catalogue import baselines
from adapterd.evaluation.metrics.metric import Better, Metric, Parts, Question, Unit, mean_of, share_of
from adapterd.evaluation.metrics.text_metrics import TOKEN_F1, semantic
from tests.unit.evaluation.asking import answer, question

QUESTIONS = [question(text, name=text) for text in ("one", "two", "three", "four")]
Score = Callable[[Question, Answer], float | None]


def given(tag: str, *texts: str) -> Answers:
    return Answers(f"m:{tag}", tag, tuple(answer(text) for text in texts))


def breaks(text: str, how: Callable[[], float]) -> Score:
    """1 for the reference, 0 for anything else, and for one answer what `how` does."""
    return lambda question, answer: how() if answer.text == text else float(answer.text == question.reference)


def overflow() -> float:
    return math.exp(1000)


def recurse() -> float:
    return recurse()


FAULTS: dict[str, Callable[[], float]] = {
    "an error": overflow,
    "a bug": lambda: dict[str, float]()["x"],
    "recursion": recurse,
    "infinity": lambda: math.inf,
    "no number": lambda: math.nan,
    "below": lambda: -0.5,
    "above": lambda: 1.5,
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize(("better", "worst"), [(Better.HIGHER, 0.0), (Better.LOWER, 1.0)])
def test_an_answer_that_cannot_be_measured_has_the_worst_value(
    fault: Callable[[], float], better: Better, worst: float
) -> None:
    metric = mean_of("odd", "", breaks("bad", fault), better=better)
    assert metric.over(QUESTIONS[:1], [answer("bad")]) == worst
    assert metric.over(QUESTIONS, [answer(text) for text in ("one", "bad", "x", "four")]) == (2 + worst) / 4


def test_where_there_is_no_worst_value_it_counts_as_saying_nothing() -> None:
    def counted(question: Question, answer: Answer) -> Parts:
        return (1 / len(answer.text.replace("bad", "")), 1.0) if answer.text else (9.0, 1.0)

    metric = Metric("odd", "", counted, better=Better.LOWER, unit=Unit.NUMBER)
    assert metric.over(QUESTIONS[:2], [answer("bad"), answer("x")]) == 5.0


def test_a_reference_that_cannot_be_measured_is_left_out() -> None:
    def counted(question: Question, answer: Answer) -> Parts:
        return float(len(question.reference)) / (question.reference != "two"), 1.0

    metric = Metric("odd", "", counted, unit=Unit.NUMBER)
    assert metric.over(QUESTIONS, [answer("x")] * 4) == pytest.approx((3 + 5 + 4) / 3)


def test_an_unmeasured_answer_counts_the_same_for_all_models_and_is_never_infinite() -> None:
    metric = mean_of("odd", "", breaks("bad", lambda: math.inf))
    ours, theirs = given("a", "one", "bad", "three", "x"), given("b", "bad", "bad", "three", "x")
    (found,) = measure([metric], QUESTIONS, ours, {"live": theirs})
    live = found.against["live"]
    assert (live.ours, live.theirs, live.wins, live.losses, live.ties) == (0.5, 0.25, 1, 0, 3)
    assert all(map(math.isfinite, (live.interval.low, live.interval.high, live.bounds.low, live.bounds.high, live.p)))


def test_an_unmeasured_answer_is_counted_and_logged_once_with_where_it_failed(caplog: pytest.LogCaptureFixture) -> None:
    metric = share_of("odd", "", lambda q, a: bool(breaks("bad", overflow)(q, a)))
    with caplog.at_level(logging.WARNING, "adapterd"):
        found = score(given("a", "bad", "bad", "three", "x"), QUESTIONS, [TOKEN_F1, metric])
    assert found.unmeasured == {"odd": 2}
    assert found.metrics["odd"] == 0.25
    assert json.loads(json.dumps(asdict(found)))["unmeasured"] == {"odd": 2}
    (record,) = caplog.records
    said = (
        r"'odd' could not be computed for 2 of 4 answers of m:a, which count as failures: OverflowError\('math range "
    )
    assert re.fullmatch(said + r"error'\) in test_unmeasured\.py, line \d+", record.getMessage())


def test_the_text_of_an_answer_does_not_reach_a_terminal_through_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def repeated(question: Question, answer: Answer) -> float:
        raise ValueError(answer.text)

    score(given("a", "\x1b]0;x\x07\n\x9b" + "x" * 9000, "b", "c", "d"), QUESTIONS, [mean_of("odd\x1b", "", repeated)])
    assert caplog.messages[0].isprintable()
    assert len(caplog.messages[0]) < 400


def test_baselines_are_given_though_a_metric_fails() -> None:
    metric = mean_of("odd", "", breaks("", overflow))
    assert baselines(metric, QUESTIONS).empty == 0.0


def embedding(text: str) -> list[float]:
    """As by a model whose context is short."""
    if len(text) > 20:
        raise RuntimeRefusedError("the input length exceeds the context length")
    return [1.0, float(len(text))]


def test_a_text_that_the_embedding_model_refuses_is_a_failure_of_that_answer() -> None:
    found = score(given("a", "one", "x" * 30, "three", "four"), QUESTIONS, [semantic(embedding)])
    assert found.unmeasured == {"semantic": 1}
    assert found.metrics["semantic"] == pytest.approx(0.75)


def test_a_runtime_that_refuses_everything_is_no_fault_of_the_answers() -> None:
    with pytest.raises(RuntimeRefusedError, match="exceeds"):
        score(given("a", *["x" * 30] * 4), QUESTIONS, [semantic(embedding)])


@pytest.mark.parametrize("error", [RuntimeUnavailableError("Ollama does not answer"), MemoryError()])
def test_an_error_that_says_nothing_of_the_answer_stops_the_run(error: Exception) -> None:
    def gone(text: str) -> list[float]:
        raise error

    with pytest.raises(type(error)):
        score(given("a", "one", "two", "x", "y"), QUESTIONS, [semantic(gone)])
