"""Whose the examples are that are trained on."""

from datetime import UTC, datetime

import pytest

from adapterd.chat import Message, Role
from adapterd.dataset.curation.whose import whose
from adapterd.formats.encoded import EncodedExample, EncodedPair
from adapterd.formats.synthetic import TeacherExample

ASKED = (Message(Role.USER, "Who?"),)
SYNTHETIC = [
    TeacherExample(number, ASKED, "Ada", "answer", teacher, datetime(2026, 1, 2, tzinfo=UTC))
    for number, teacher in ((1, "big"), (2, "people"), (3, "unused"))
]


def example(record: str, weight: float = 1.0, tokens: int = 10) -> EncodedExample:
    return EncodedExample(tuple(range(tokens + 1)), 1, record, weight=weight)


def pair(record: str) -> EncodedPair:
    return EncodedPair((1, 2), (1, 3), 1, record)


def test_shares_are_of_examples_and_of_weighted_target_tokens() -> None:
    train = [example("a"), example("b", tokens=20), example("synthetic:1", 0.5), example("synthetic:2", 0.5)]
    found = whose(train, [], SYNTHETIC)
    assert list(found) == ["people", "teacher big", "teacher people"]  # whatever a teacher is called
    assert found["people"] == {"examples": 2, "pairs": 0, "share": 0.5, "loss_share": pytest.approx(0.75)}
    assert found["teacher big"] == {"examples": 1, "pairs": 0, "share": 0.25, "loss_share": pytest.approx(0.125)}
    assert sum(each["loss_share"] for each in found.values()) == pytest.approx(1.0)


def test_pairs_are_counted_and_the_loss_is_not_divided_then() -> None:
    found = whose([example("a")], [pair("a"), pair("synthetic:1")], SYNTHETIC)
    assert found == {
        "people": {"examples": 1, "pairs": 1, "share": 1.0, "loss_share": None},
        "teacher big": {"examples": 0, "pairs": 1, "share": 0.0, "loss_share": None},
    }


def test_shares_are_of_pairs_where_only_these_are_trained_on() -> None:
    found = whose([], [pair("a"), pair("synthetic:1"), pair("synthetic:1"), pair("synthetic:2")], SYNTHETIC)
    assert [(name, each["examples"], each["share"]) for name, each in found.items()] == [
        ("people", 0, 0.25), ("teacher big", 0, 0.5), ("teacher people", 0, 0.25),
    ]  # fmt: skip


def test_nothing_is_nobodys() -> None:
    assert whose([], [], SYNTHETIC) == {}
