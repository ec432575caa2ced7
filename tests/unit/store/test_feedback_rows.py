"""Feedback in the store: records once, files, quarantine; every model for itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.chat import Message, Role
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.feedback import FileRead, NewFeedback, Quarantined, StoredFeedback
from tests.support.hand_clock import HandClock

RECORD = NewFeedback(
    content_hash="c1",
    prompt_hash="p1",
    record='{"ü": 1}',
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    file="in/a.jsonl",
    line=7,
    output_type="summary",
    source_id="article-1",
    rating=2,
    failure_tags=("wrong_entity", "truncation"),
)
BARE = NewFeedback("c2", "p2", "{}", datetime(2026, 1, 1, tzinfo=UTC), "in/b.jsonl", 1)
FILE = FileRead("in/a.jsonl", size_bytes=10, mtime_ns=2**62, lines=4, accepted=1, duplicates=2, quarantined=1)


def records(count: int) -> list[NewFeedback]:
    return [BARE._replace(content_hash=f"c{number}") for number in range(count)]


def put_aside(store: Store, line: int, kept: str = "k", *, model: str = "m", file: str = "f") -> None:
    store.feedback.quarantine(model, file=file, line=line, reason="why", excerpt="…", kept=kept)


def lines_put_aside(store: Store, model: str = "m") -> list[tuple[str, int, str]]:
    return [(each.file, each.line, each.kept) for each in store.feedback.quarantined(model)]


def test_a_record_comes_back_as_it_was_stored(store: Store, clock: HandClock) -> None:
    assert store.feedback.add("m", RECORD)
    assert store.feedback.all("m") == [
        StoredFeedback(
            id=1, content_hash="c1", prompt_hash="p1", record='{"ü": 1}', file="in/a.jsonl", line=7,
            output_type="summary", source_id="article-1", rating=2, failure_tags=("wrong_entity", "truncation"),
            created_at=RECORD.created_at, received_at=clock.now,
        )
    ]  # fmt: skip


def test_fields_that_a_record_does_not_have_stay_empty(store: Store) -> None:
    store.feedback.add("m", BARE)
    (stored,) = store.feedback.all("m")
    assert (stored.output_type, stored.source_id, stored.rating, stored.failure_tags) == (None, None, None, ())


def test_the_time_of_a_record_keeps_its_zone(store: Store) -> None:
    moment = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    store.feedback.add("m", BARE._replace(created_at=moment))
    assert store.feedback.all("m")[0].created_at.isoformat() == "2026-01-01T12:00:00+05:30"


def test_the_same_content_is_stored_once(store: Store) -> None:
    assert store.feedback.add("m", RECORD)
    assert not store.feedback.add("m", RECORD._replace(file="elsewhere", line=1))
    assert [each.file for each in store.feedback.all("m")] == ["in/a.jsonl"]


def test_two_models_may_have_the_same_content(store: Store) -> None:
    assert store.feedback.add("m", RECORD)
    assert store.feedback.add("n", RECORD)
    assert store.feedback.count("m") == store.feedback.count("n") == 1


@pytest.mark.parametrize(("known", "given", "new"), [(0, 0, 0), (0, 3, 3), (2, 3, 1), (3, 3, 0)])
def test_adding_many_counts_only_what_is_new(store: Store, known: int, given: int, new: int) -> None:
    store.feedback.add_many("m", records(known))
    with store.transaction():
        assert store.feedback.add_many("m", records(given)) == new
    assert store.feedback.count("m") == max(known, given)


def test_content_that_is_twice_among_many_counts_once(store: Store) -> None:
    with store.transaction():
        assert store.feedback.add_many("m", [BARE, BARE]) == 1


def test_records_come_in_the_order_of_arrival(store: Store) -> None:
    for number in (3, 1, 2):
        created_at = datetime(2026, 1, number, tzinfo=UTC)
        store.feedback.add("m", BARE._replace(content_hash=str(number), created_at=created_at))
    assert [each.content_hash for each in store.feedback.all("m")] == ["3", "1", "2"]


def test_records_can_be_listed_up_to_an_id(store: Store) -> None:
    store.feedback.add_many("m", records(3))
    assert [each.id for each in store.feedback.all("m", up_to_id=2)] == [1, 2]
    assert store.feedback.all("m", up_to_id=0) == []


def test_records_after_an_id_are_counted(store: Store) -> None:
    store.feedback.add_many("m", records(3))
    assert store.feedback.count("m", after_id=1) == 2
    assert store.feedback.count("m", after_id=3) == 0


def test_the_last_id_is_that_of_the_model(store: Store) -> None:
    assert store.feedback.last_id("m") == 0
    store.feedback.add_many("m", records(2))
    store.feedback.add("n", BARE)
    assert (store.feedback.last_id("m"), store.feedback.last_id("n")) == (2, 3)


def test_a_file_that_was_read_is_remembered(store: Store) -> None:
    assert store.feedback.files("m") == []
    store.feedback.record_file("m", FILE)
    assert store.feedback.files("m") == [FILE]
    assert store.feedback.files("n") == []


def test_a_file_that_is_read_again_replaces_what_was_known(store: Store) -> None:
    store.feedback.record_file("m", FILE)
    changed = replace(FILE, size_bytes=11, accepted=2)
    store.feedback.record_file("m", changed)
    assert store.feedback.files("m") == [changed]


def test_files_are_listed_by_path(store: Store) -> None:
    for path in ("c", "a", "b"):
        store.feedback.record_file("m", replace(FILE, path=path))
    store.feedback.record_file("n", FILE)
    assert [file.path for file in store.feedback.files("m")] == ["a", "b", "c"]


def test_quarantined_pieces_come_back_with_their_reason(store: Store, clock: HandClock) -> None:
    store.feedback.quarantine("m", file="f", line=3, reason="is no JSON", excerpt="{…", kept="m/abc")
    assert store.feedback.quarantined("m") == [Quarantined(1, "f", 3, "is no JSON", "{…", "m/abc", clock.now)]
    assert store.feedback.quarantined("n") == []


def test_the_same_piece_is_noted_once_with_its_newest_reason(store: Store) -> None:
    for reason in ("old", "new"):
        store.feedback.quarantine("m", file="f", line=3, reason=reason, excerpt="…", kept="k")
    assert [each.reason for each in store.feedback.quarantined("m")] == ["new"]


def test_different_pieces_are_noted_each(store: Store) -> None:
    put_aside(store, 1)
    put_aside(store, 2)
    put_aside(store, 1, "other bytes")
    put_aside(store, 1, file="g")
    put_aside(store, 1, model="n")
    assert lines_put_aside(store) == [("f", 1, "k"), ("f", 2, "k"), ("f", 1, "other bytes"), ("g", 1, "k")]


def test_notes_that_no_longer_hold_are_forgotten(store: Store) -> None:
    put_aside(store, 1, "a")
    put_aside(store, 1, "b")
    put_aside(store, 2, "a")
    store.feedback.forget_quarantine_except("m", file="f", lines_kept=[(1, "b")])
    assert lines_put_aside(store) == [("f", 1, "b")]


def test_a_file_without_faults_has_no_notes_left(store: Store) -> None:
    put_aside(store, 1)
    put_aside(store, 0, "")
    store.feedback.forget_quarantine_except("m", file="f", lines_kept=[])
    assert lines_put_aside(store) == []


def test_forgetting_is_limited_to_the_file_and_the_model(store: Store) -> None:
    put_aside(store, 1, file="g")
    put_aside(store, 1, model="n")
    store.feedback.forget_quarantine_except("m", file="f", lines_kept=[])
    assert lines_put_aside(store) == [("g", 1, "k")]
    assert lines_put_aside(store, "n") == [("f", 1, "k")]


PIECES = st.lists(
    st.tuples(
        st.integers(0, 3), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)
    ),
    max_size=6,
)


@settings(deadline=None)
@given(noted=PIECES, kept=PIECES)
def test_exactly_the_notes_that_hold_are_kept(
    tmp_path_factory: pytest.TempPathFactory, noted: list[tuple[int, str]], kept: list[tuple[int, str]]
) -> None:
    with Store(tmp_path_factory.mktemp("store") / "state.db") as store:
        for line, name in noted:
            put_aside(store, line, name)
        store.feedback.forget_quarantine_except("m", file="f", lines_kept=kept)
        assert {(line, name) for _, line, name in lines_put_aside(store)} == set(noted) & set(kept)


def test_a_row_that_an_earlier_release_dated_in_the_future_is_as_old_as_its_arrival(
    store: Store, clock: HandClock
) -> None:
    future = clock.now + timedelta(days=365 * 70)
    record = FeedbackRecord((Message(Role.USER, "Who?"),), output="x", created_at=future)
    store.feedback.add("m", NewFeedback.of(record, "a.jsonl", 1))
    arrived = clock.now
    clock.now += timedelta(days=1)
    (row,) = store.feedback.all("m")
    assert row.created_at == arrived
    assert FeedbackRecord.from_json(row.record) == replace(record, created_at=arrived)


def test_a_row_that_came_while_the_clock_was_ahead_is_not_later_than_now(store: Store, clock: HandClock) -> None:
    right = clock.now
    clock.now += timedelta(days=1000)
    record = FeedbackRecord((Message(Role.USER, "Who?"),), output="x", created_at=clock.now)
    store.feedback.add("m", NewFeedback.of(record, "a.jsonl", 1))
    clock.now = right
    assert store.feedback.all("m")[0].created_at == right


@pytest.mark.parametrize("begins_with", ["", "p29"])
def test_what_is_new_of_a_prompt_is_found_without_a_look_at_all_others(store: Store, begins_with: str) -> None:
    records = [BARE._replace(content_hash=f"c{number}", prompt_hash=f"p{number}") for number in range(3000)]
    store.feedback.add_many("m", records)
    steps: list[int] = []
    store._connection.set_progress_handler(lambda: steps.append(1), 100)
    found = store.feedback.about_the_same("m", after_id=2999, begins_with=begins_with)
    assert [row.prompt_hash for row in found] == ["p2999"]
    assert len(steps) < 30
