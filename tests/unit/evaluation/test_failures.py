"""Which answers fail, and how many would."""

from collections.abc import Sequence

import pytest

from adapterd.chat import Answer, Message, Role
from adapterd.config import Task
from adapterd.evaluation.failures import failures, share_of_failures
from adapterd.evaluation.metrics.catalogue import metrics_for, said
from adapterd.evaluation.metrics.metric import Question
from adapterd.evaluation.rules import CRITICAL

CUT = Answer('{"who": "council"', "length", 5, 8, 0.1, 0.1)


def questions(references: Sequence[str], sources: Sequence[str | None] | None = None) -> list[Question]:
    named: Sequence[str | None] = sources or [None] * len(references)
    return [
        Question(f"q{place}", (Message(Role.USER, f"{place}"),), reference, source)
        for place, (reference, source) in enumerate(zip(references, named, strict=True))
    ]


def failing(task: Task, references: list[str], answers: list[Answer]) -> dict[str, tuple[int, ...]]:
    asked = questions(references)
    return dict(failures(asked, answers, metrics_for(task, asked), CRITICAL[task]).by_metric)


def test_json_fails_by_its_form_by_its_fields_and_where_it_is_cut() -> None:
    wanted = '{"who": "council", "where": "Bern"}'
    answers = [said(wanted), said("Sure! The council."), said('{"who": "mayor", "where": "Basel"}'), CUT]
    assert failing(Task.JSON, [wanted] * 4, answers) == {
        "json_valid": (1, 3), "field_f1": (1, 2, 3), "truncated": (3,)
    }  # fmt: skip


def test_an_answer_of_which_half_is_right_does_not_fail() -> None:
    assert failing(Task.JSON, ['{"a": "x", "b": "y"}'], [said('{"a": "x", "b": "z"}')])["field_f1"] == ()


def test_a_label_fails_if_it_is_another() -> None:
    assert failing(Task.CLASSIFICATION, ["good", "bad"], [said("good"), said("good")])["accuracy"] == (1,)


def test_what_a_metric_does_not_apply_to_does_not_fail_by_it() -> None:
    found = failing(Task.GROUNDED_QA, ["The council met."], [said("The council met.")])
    assert found["source_hit"] == ()


@pytest.mark.parametrize(
    ("failed", "of", "low", "high"), [(0, 40, 0, 0.088), (40, 40, 0.912, 1), (4, 40, 0.028, 0.237)]
)
def test_the_interval_is_that_of_clopper_and_pearson(failed: int, of: int, low: float, high: float) -> None:
    share, interval = share_of_failures(questions(["x"] * of), [place < failed for place in range(of)])
    assert share == failed / of
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.001)


def test_a_source_counts_once() -> None:
    sources = ["one"] * 20 + ["two"] * 20
    _, interval = share_of_failures(questions(["x"] * 40, sources), [True] * 40)
    assert interval.low == pytest.approx(0.158, abs=0.001)


def test_where_all_is_of_one_source_every_question_counts() -> None:
    _, interval = share_of_failures(questions(["x"] * 40, ["one"] * 40), [True] * 40)
    assert interval.low == pytest.approx(0.912, abs=0.001)


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one answer"):
        share_of_failures([], [])
