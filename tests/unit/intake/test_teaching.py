"""Counting what new feedback teaches."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapterd.dataset.statements import Teaching, Use
from adapterd.intake import teaching
from adapterd.intake.http_intake import take_posted
from adapterd.intake.teaching import TeachingCounts, teachings_since
from adapterd.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state.db", clock=lambda: datetime(2026, 11, 1, tzinfo=UTC)) as opened:
        yield opened


def liked(number: int, rating: int = 5) -> dict[str, object]:
    return {"prompt": f"prompt {number}", "output": "x", "rating": rating, "created_at": f"2026-10-0{rating}"}


@pytest.mark.parametrize("at_once", [1, 1000])
def test_only_new_records_are_counted_however_many_there_are(
    store: Store, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(teaching, "_AT_ONCE", at_once)
    take_posted(store, "m", [liked(number, 1) for number in range(5)])
    last_id = store.feedback.last_id("m")
    take_posted(store, "m", [liked(number) for number in range(3, 40)])
    assert TeachingCounts.of(teachings_since(store, "m", last_id)) == TeachingCounts(examples=37)
    assert list(teachings_since(store, "m", store.feedback.last_id("m"))) == []


def test_counts_are_said_in_one_sentence_with_the_most_frequent_reasons() -> None:
    counts = TeachingCounts.of(
        [Teaching((Use.EXAMPLE, Use.PREFERENCE)), Teaching((Use.BAD,)), Teaching((Use.REFUSED,), "c")],
        ["a", "b", "a", "d", "e", "d"],
        not_judged=40,
    )
    assert str(counts) == "1 example, 1 preference, 1 only bad, 40 not judged, 7 refused: a (2); d (2); b; and 2 more"


def test_reasons_that_differ_by_a_value_alone_are_one() -> None:
    said = "which could be a verdict: say what it is"
    counts = TeachingCounts.of([], [f"score is {value}, {said}" for value in (1, "'good'")])
    assert counts.refused_for == ((f"score is 1, {said}", 2),)
