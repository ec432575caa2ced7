"""Notes about what was not read at all: they hold as long as their cause."""

from datetime import UTC, datetime

from adapterd.chat import Message, Role
from adapterd.record import FailureTag, FeedbackRecord
from adapterd.store import Store
from adapterd.store.feedback import FileRead, NewFeedback

READ = FileRead("in/read.json", size_bytes=10, mtime_ns=2**62, lines=1, accepted=0, duplicates=0, quarantined=1)


def note(store: Store, file: str, *, line: int = 0, kept: str = "", model: str = "m") -> None:
    store.feedback.quarantine(model, file=file, line=line, reason=f"no {file}", excerpt="", kept=kept)


def test_a_file_that_was_never_read_is_refused_until_it_is_forgotten(store: Store) -> None:
    note(store, "in/pipe.json")
    note(store, "in/link.json")
    assert store.feedback.refusals("m") == {"in/pipe.json": "no in/pipe.json", "in/link.json": "no in/link.json"}
    assert store.feedback.refusals("n") == {}
    with store.transaction():
        store.feedback.forget_refusals("m", ["in/pipe.json", "in/unknown.json"])
    assert list(store.feedback.refusals("m")) == ["in/link.json"]


def test_faults_of_files_that_were_read_are_no_refusals_and_are_not_forgotten(store: Store) -> None:
    store.feedback.record_file("m", READ)
    note(store, READ.path)
    note(store, "in/a.jsonl", line=3, kept="m/3.raw")
    note(store, "in/b.json", kept="m/b.json")
    assert store.feedback.refusals("m") == {}
    with store.transaction():
        store.feedback.forget_refusals("m", ["in/a.jsonl", "in/b.json"])
    assert len(store.feedback.quarantined("m")) == 3


def test_stamps_are_those_of_the_files_that_were_read(store: Store) -> None:
    store.feedback.record_file("m", READ)
    assert store.feedback.stamps("m") == {"in/read.json": (10, 2**62)}
    assert store.feedback.stamps("n") == {}


def test_a_row_has_what_lists_search_by(store: Store) -> None:
    record = FeedbackRecord(
        (Message(Role.USER, "Who?"),),
        output="x",
        rating=2,
        failure_tags=(FailureTag.TRUNCATION,),
        source_id="s",
        output_type="t",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert store.feedback.add("m", NewFeedback.of(record, "in/a.jsonl", 7))
    (row,) = store.feedback.all("m")
    assert (row.content_hash, row.prompt_hash, row.record) == (
        record.content_hash,
        record.prompt_hash,
        record.to_json(),
    )
    assert (row.file, row.line, row.output_type, row.source_id, row.rating) == ("in/a.jsonl", 7, "t", "s", 2)
    assert (row.failure_tags, row.created_at) == (("truncation",), record.created_at)
