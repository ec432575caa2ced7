"""A correction that further answers need, too."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.page.views.review import difference
from adapterd.review.repairs import Repair


@pytest.mark.parametrize(
    ("answer", "correction", "other", "becomes"),
    [
        ('```json\n{"a": 1}\n```', '{"a": 1}', '```json\n{"b": 2}\n```', '{"b": 2}'),
        ('Sure! Here it is:\n{"a": 1}', '{"a": 1}', "Sure! Here it is:\nyes", "yes"),
        ("yes. I hope this helps!", "yes.", "no. I hope this helps!", "no."),
        ("the colour is grey", "the color is grey", "one colour more", None),
        ("It is in Constantinople now", "It is in Istanbul now", "Constantinople is old", "Istanbul is old"),
        ("It is in Constantinople now", "It is in Istanbul now", "Rome", None),
        ("It is Constantinople", "It is Istanbul", "Constantinople, Constantinople", None),
    ],
)
def test_a_repair_fits_what_has_the_same_fault(answer: str, correction: str, other: str, becomes: str | None) -> None:
    repair = Repair.of(answer, correction)
    if repair is None:
        assert becomes is None
        return
    assert repair.applied(answer) == correction
    assert repair.applied(other) == becomes
    assert str(repair)


@pytest.mark.parametrize(
    ("answer", "correction"), [("a", ""), ("a", " a "), ("abc", "xbz"), ("a.", "a"), ("", "all of it"), ("x", "y")]
)
def test_what_is_no_repair_of_others(answer: str, correction: str) -> None:
    assert Repair.of(answer, correction) is None


def test_a_repair_that_leaves_nothing_does_not_fit() -> None:
    repair = Repair.of("```json\n{}\n```", "{}")
    assert repair
    assert repair.applied("```json\n\n```") is None
    assert repair.applied("```json\n") is None


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_repair_makes_the_correction_of_its_answer(answer: str, correction: str) -> None:
    repair = Repair.of(answer, correction)
    assert repair is None or (repair.applied(answer) or "").strip() == correction.strip()


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_difference_has_both_texts(before: str, after: str) -> None:
    pieces = difference(before, after)
    assert "".join(piece.text for piece in pieces if piece.kind != "added") == before
    assert "".join(piece.text for piece in pieces if piece.kind != "removed") == after


def test_the_difference_of_long_texts_takes_no_minutes() -> None:
    words = [f"word{number % 97} " for number in range(100_000)]
    before, after = "".join(words), "".join([*words[:500], "new ", *words[501:]])
    began = time.monotonic()
    assert [piece.kind for piece in difference(before, after)] == ["same", "removed", "added", "same"]
    assert [piece.kind for piece in difference(f"one {before}one", f"two {before}two")] == ["removed", "added"]
    assert time.monotonic() - began < 5
