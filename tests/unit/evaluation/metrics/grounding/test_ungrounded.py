"""The metric `ungrounded`."""

import pytest

from adapterd.config import Task
from adapterd.evaluation.metrics.grounding.ungrounded import UNGROUNDED
from adapterd.evaluation.rules import CRITICAL, PRIMARY
from tests.unit.evaluation.asking import score

ASKED = "Summarise: The ferry of Dunmore belongs to Grace Whitfield, who paid 12,000 dollars in 1987."


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("The ferry belongs to Grace Whitfield.", 0.0),
        ("She paid 12000 dollars in 1986.", 0.5),
        ("She paid 13,577 dollars.", 1.0),
        ("She is happy.", None),
        ("", None),
    ],
)
def test_ungrounded_is_the_share_of_what_can_be_checked(answer: str, value: float | None) -> None:
    assert score(UNGROUNDED, answer, "text", ASKED) == value


def test_what_the_reference_says_is_right_wherever_it_is_from() -> None:
    assert score(UNGROUNDED, "She paid 13,577 dollars.", "Whitfield paid 13,577 dollars.", ASKED) == 0.0


def test_thoughts_are_not_checked() -> None:
    assert score(UNGROUNDED, "<think>99 or 98?</think>She paid in 1987.", "text", ASKED) == 0.0


def test_no_task_is_gated_by_it_unless_somebody_says_so() -> None:
    assert all(UNGROUNDED.name not in CRITICAL[task] and UNGROUNDED.name != PRIMARY[task] for task in Task)
