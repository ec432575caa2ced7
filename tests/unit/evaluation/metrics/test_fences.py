"""An answer that is one fenced code block is scored by what is in it, where the application reads it so."""

import pytest

from adapterd.config import Task
from adapterd.evaluation.metrics.catalogue import metrics_for
from adapterd.evaluation.metrics.text_forms import without_fence
from tests.unit.evaluation.asking import answer, question

VALUE = '{"a": 1}'


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{VALUE}\n```", f"```\n{VALUE}\n```", f"\n ```json  \n{VALUE}\n```\n", f"~~~json\n{VALUE}\n~~~",
        f"```json {VALUE}```", f"```{VALUE}```", f"````json\n{VALUE}\n````", f"```JSON\r\n{VALUE}\r\n```",
    ],
)  # fmt: skip
def test_what_is_in_a_fence_is_read(text: str) -> None:
    assert without_fence(text) == VALUE


@pytest.mark.parametrize(
    "text",
    [
        VALUE, "", "`", "```", "``````", "``a``",
        f"Here it is:\n```json\n{VALUE}\n```", f"```json\n{VALUE}\n```\nDone.",
        f"```json\n{VALUE}\n```\nor\n```json\n{VALUE}\n```", f"```json\n{VALUE}", f"{VALUE}\n```",
        f"```\n{VALUE}\n````",
    ],
)  # fmt: skip
def test_what_is_more_or_less_than_one_fenced_block_stays(text: str) -> None:
    assert without_fence(text) == text


def test_only_with_the_setting_a_fenced_answer_is_right_and_it_stays_as_it_was() -> None:
    questions, given = [question(VALUE)], answer(f"```json\n{VALUE}\n```")
    for strip, value in ((True, 1.0), (False, 0.0)):
        metrics = {each.name: each for each in metrics_for(Task.JSON, questions, strip_fences=strip)}
        for name in ("json_valid", "field_f1", "exact"):
            assert metrics[name].over(questions, [given]) == value, name
    assert given.text == f"```json\n{VALUE}\n```"


def test_labels_may_be_fenced_too() -> None:
    questions = [question("war")]
    [accuracy] = (each for each in metrics_for(Task.CLASSIFICATION, questions, strip_fences=True)
                  if each.name == "accuracy")  # fmt: skip
    assert accuracy.over(questions, [answer("```\nwar\n```")]) == 1.0
