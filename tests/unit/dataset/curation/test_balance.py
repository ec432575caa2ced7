"""No group of a balanced training set is much larger than the others."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapterd.chat import Message, Role
from adapterd.config import Balance
from adapterd.dataset.curation.balance import MOST_LABELS, balanced
from adapterd.dataset.examples import Example

START = datetime(2026, 1, 1, tzinfo=UTC)


def newest_first(answers: list[str], **more: list[Any]) -> list[Example]:
    """Examples with these answers, the newest first, and values of other fields."""
    return [
        Example(
            (Message(Role.USER, f"prompt {number}"),), answer, f"record {number}", f"hash {number}",
            START - timedelta(hours=number), **{name: values[number] for name, values in more.items()},
        )
        for number, answer in enumerate(answers)
    ]  # fmt: skip


def test_largest_group_keeps_its_newest() -> None:
    examples = newest_first(["politics"] * 30 + ["sport"] * 4 + ["arts"] * 4)
    kept = balanced(examples, Balance.LABEL, 3.0)
    assert Counter(each.completion for each in kept) == {"politics": 12, "sport": 4, "arts": 4}
    assert kept[:12] == examples[:12]


@pytest.mark.parametrize(("by", "field"), [(Balance.OUTPUT_TYPE, "output_type"), (Balance.SOURCE, "source_id")])
def test_groups_are_those_of_the_field(by: Balance, field: str) -> None:
    values: list[str | None] = ["a"] * 20 + ["b"] * 2 + ["c"] * 2 + [None] * 9
    examples = newest_first([f"answer {number}" for number in range(33)], **{field: values})
    kept = balanced(examples, by, 1.5)
    assert Counter(getattr(each, field) for each in kept) == {"a": 3, "b": 2, "c": 2, None: 9}


def test_of_two_groups_the_larger_one_is_cut() -> None:
    examples = newest_first(["yes"] * 90 + ["no"] * 10)
    kept = balanced(examples, Balance.LABEL, 3.0)
    assert Counter(each.completion for each in kept) == {"yes": 30, "no": 10}


def test_labels_that_are_slips_cut_no_other() -> None:
    examples = newest_first(["politics"] * 90 + ["sport"] * 60 + ["polities", "sports", "Sport!", "sprot"])
    assert balanced(examples, Balance.LABEL, 3.0) == examples


def test_nothing_is_dropped_when_it_is_off() -> None:
    examples = newest_first(["politics"] * 30 + ["sport"] * 2)
    assert balanced(examples, Balance.OFF, 1.0) == examples


def test_free_answers_are_no_labels() -> None:
    examples = newest_first(["same"] * 60 + [f"answer {number}" for number in range(MOST_LABELS)])
    assert balanced(examples, Balance.LABEL, 1.0) == examples
