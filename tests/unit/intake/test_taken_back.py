"""What was taken back is not taken again, whichever way it comes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapterd.feedback.inbox import import_file, write_records
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.intake.ingest import IngestReport, ingest
from adapterd.record import FeedbackRecord
from adapterd.store import Store

MODEL = "m"
RECORD = {"prompt": "Who met  in Łódź?", "output": "The mayor.", "rating": 2, "correction": "The council."}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    made.inbox(MODEL).mkdir(parents=True)
    return made


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    with Store(home.database) as opened:
        yield opened


def take(store: Store, home: Home) -> IngestReport:
    return ingest(store, home, MODEL, home.inbox(MODEL), settle_s=0)


def take_back(store: Store) -> None:
    """Note every record of the store as taken back, and delete it."""
    rows = store.feedback.all(MODEL)
    records = [FeedbackRecord.from_json(row.record) for row in rows]
    hashes = [each for record in records for each in (record.content_hash, record.statement_hash)]
    with store.transaction():
        store.removals.begin(MODEL, "test", going=[], hashes=hashes, versions={})
        store.feedback.forget(row.id for row in rows)


def given(**changes: Any) -> dict[str, Any]:
    return {**RECORD, **changes}


@pytest.mark.parametrize(
    ("again", "removed"),
    [
        (RECORD, 1),
        (given(rating=5, output_type="summary", source_id="7"), 1),  # other fields of the same file were read
        (given(prompt="Who met in Ło\u0301dz\u0301?"), 1),  # another normal form, and other white space
        (given(output="The council.", correction="The mayor."), 1),  # turned round
        (given(prompt="Who met in Kraków?"), 0),
        (given(correction="The parliament."), 0),
    ],
)
def test_the_same_statement_is_not_taken_again(store: Store, home: Home, again: dict[str, Any], removed: int) -> None:
    take_posted(store, MODEL, [RECORD])
    take_back(store)
    posted = take_posted(store, MODEL, [again])
    assert (posted.accepted, posted.duplicates, posted.removed) == (1 - removed, 0, removed)


def test_a_verdict_that_is_stored_stays_although_one_of_the_same_answer_was_taken_back(store: Store) -> None:
    take_posted(store, MODEL, [RECORD])
    take_back(store)
    other = given(rating=1)
    take_posted(store, "other", [other])
    store.execute("UPDATE feedback SET model = ?", (MODEL,))
    posted = take_posted(store, MODEL, [other])
    assert (posted.duplicates, posted.removed) == (1, 0)


def test_a_file_that_is_imported_again_leaves_no_copy_of_it(store: Store, home: Home, tmp_path: Path) -> None:
    source = tmp_path / "old.jsonl"
    source.write_text(f"{json.dumps(RECORD)}\n{json.dumps(given(prompt='Who else?'))}\n", encoding="utf-8")
    take_posted(store, MODEL, [RECORD])
    take_back(store)
    copy = import_file(home.inbox(MODEL), source)
    report = take(store, home)
    assert (report.accepted, report.removed, report.quarantined) == (1, 1, 0)
    assert "1 taken back earlier and not taken again" in str(report)
    assert "Łódź" not in json.dumps(copy.read_text(encoding="utf-8"), ensure_ascii=False)
    assert [row.line for row in store.feedback.all(MODEL)] == [2]
    assert take(store, home).lines == 0  # the shorter copy counts as read


def test_a_record_that_is_given_again_leaves_no_file(store: Store, home: Home) -> None:
    take_posted(store, MODEL, [RECORD])
    take_back(store)
    file = write_records(home.inbox(MODEL), json.dumps(RECORD).encode())
    assert take(store, home).removed == 1
    assert not file.exists()
    assert store.feedback.files(MODEL) == []


def test_a_file_of_an_application_is_not_changed(store: Store, home: Home) -> None:
    take_posted(store, MODEL, [RECORD])
    take_back(store)
    file = home.inbox(MODEL) / "theirs.jsonl"
    file.write_text(json.dumps(RECORD), encoding="utf-8")
    assert take(store, home).removed == 1
    assert json.loads(file.read_text(encoding="utf-8")) == RECORD


def test_elements_behind_one_that_is_cut_are_found_at_their_new_places(store: Store, home: Home) -> None:
    take_posted(store, MODEL, [RECORD])
    take_back(store)
    others = [given(prompt="First?"), RECORD, given(prompt="Third?"), {"prompt": "", "rating": 9}]
    file = write_records(home.inbox(MODEL), json.dumps(others).encode(), suffix=".json")
    take(store, home)
    assert len(json.loads(file.read_text(encoding="utf-8"))) == 3
    assert [row.line for row in store.feedback.all(MODEL)] == [1, 2]
    assert [piece.line for piece in store.feedback.quarantined(MODEL)] == [3]
