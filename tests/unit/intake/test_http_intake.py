"""Taking posted records in: all of them, or none."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapterd.feedback.formats import ReadingOptions
from adapterd.intake.http_intake import FaultyRecordsError, Posted, RecordFault, take_posted
from adapterd.intake.teaching import TeachingCounts
from adapterd.record import FeedbackRecord
from adapterd.store import Store

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD = {"prompt": "Who met?", "output": "Us.", "rating": 2, "source_id": "a7"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state.db", clock=lambda: AT) as opened:
        yield opened


def test_records_are_stored_in_order_with_their_hashes_and_place(store: Store) -> None:
    posted = take_posted(store, "m", [GOOD, {"prompt": "Why?", "correction": "So."}])
    rows = store.feedback.all("m")
    assert posted.ids == tuple(row.content_hash for row in rows)
    assert (posted.accepted, posted.duplicates) == (2, 0)
    assert [(row.file, row.line, row.rating, row.source_id) for row in rows] == [
        ("http", 1, 2, "a7"),
        ("http", 2, None, None),
    ]
    assert FeedbackRecord.from_json(rows[1].record).correction == "So."


def test_a_record_without_a_time_is_as_old_as_its_arrival(store: Store) -> None:
    take_posted(store, "m", [GOOD])
    assert store.feedback.all("m")[0].created_at == AT


def test_a_post_tells_what_its_records_teach_beside_those_before(store: Store) -> None:
    liked = {"prompt": "Who met?", "output": "We.", "rating": 5}
    assert take_posted(store, "m", [liked, GOOD]).teaches == TeachingCounts(examples=1, bad=1)
    assert take_posted(store, "m", [{**liked, "rating": 1}]).teaches == TeachingCounts(bad=1)
    assert take_posted(store, "m", [{"prompt": "Why?", "output": "So."}]).as_dict()["teaches"] == {
        "examples": 0, "preferences": 0, "bad": 0, "replaced": 0, "not_judged": 1, "refused": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "known"),
    [({"application": "news"}, "news"), ({"app": "news"}, "news"), ({"app": {"version": "1.2"}}, None), ({}, None)],
)
def test_a_record_may_name_its_application(store: Store, given: dict[str, object], known: str | None) -> None:
    take_posted(store, "m", [{**GOOD, **given}])
    (row,) = store.feedback.all("m")
    assert (row.application, row.origin) == (known, "http")


def test_posting_again_gives_the_same_ids_and_stores_nothing(store: Store) -> None:
    first = take_posted(store, "m", [GOOD])
    assert take_posted(store, "m", [GOOD, GOOD]) == Posted(first.ids * 2, accepted=0, duplicates=2)
    assert store.feedback.count("m") == 1


def test_one_faulty_record_keeps_all_out_and_every_fault_is_named(store: Store) -> None:
    with pytest.raises(FaultyRecordsError, match="2 of 3 records cannot be used; nothing was stored") as caught:
        take_posted(store, "m", [{"prompt": ""}, GOOD, 7])
    assert caught.value.faults == (
        RecordFault(0, "prompt is empty"),
        RecordFault(2, "a record must be a JSON object, not 7"),
    )
    assert store.feedback.count("m") == 0


def test_an_empty_post_is_no_fault(store: Store) -> None:
    assert take_posted(store, "m", []) == Posted((), 0, 0)


@pytest.mark.parametrize("given", ["2026-03-01T12:00:00.001Z", "2099-01-01", "9999-12-31T23:59:59.999999Z"])
def test_a_record_of_the_future_is_as_old_as_its_arrival(store: Store, given: str) -> None:
    take_posted(store, "m", [{**GOOD, "created_at": given}])
    (row,) = store.feedback.all("m")
    assert row.created_at == FeedbackRecord.from_json(row.record).created_at == AT


def test_a_record_of_the_past_keeps_its_time(store: Store) -> None:
    take_posted(store, "m", [{**GOOD, "created_at": "1999-01-01T00:00:00Z"}])
    assert store.feedback.all("m")[0].created_at == datetime(1999, 1, 1, tzinfo=UTC)


def test_the_settings_of_the_model_hold_for_posts(store: Store) -> None:
    options = ReadingOptions.of({"rating": "points"}, "0..10", ["mood"])
    take_posted(store, "m", [{"prompt": "Who?", "output": "Us.", "points": 10, "mood": 3}], options)
    assert store.feedback.all("m")[0].rating == 5
