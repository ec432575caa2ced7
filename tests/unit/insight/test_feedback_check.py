"""What a file would teach, beside what was taken back."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapterd.feedback.formats import ReadingOptions
from adapterd.insight.feedback_check import check_file
from adapterd.intake.http_intake import take_posted
from adapterd.record import FeedbackRecord
from adapterd.store import Store

MODEL = "m"
REMOVED = {"prompt": "Who met?", "output": "The mayor.", "rating": 5}
TAKEN = {"prompt": "Who rang?", "correction": "The cook."}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state.db") as opened:
        yield opened


def checked(store: Store, file: Path, *records: object) -> list[tuple[int, str]]:
    """The lines with what they would teach."""
    file.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    found = check_file(store, MODEL, file, ReadingOptions())
    return [(each.line, str(each.teaches)) for each in found.records]


def test_what_was_taken_back_is_refused_and_the_others_are_as_before(store: Store, tmp_path: Path) -> None:
    others = [{**TAKEN, "prompt": prompt} for prompt in ("Who rang?", "Who left?")]
    said = [others[0], REMOVED, {**REMOVED, "rating": 4}, others[1]]
    before = checked(store, tmp_path / "a.jsonl", *said)
    assert before == [(1, "example"), (2, "replaced"), (3, "example"), (4, "example")]
    take_posted(store, MODEL, [REMOVED])
    row = store.feedback.all(MODEL)[0]
    with store.transaction():
        hashes = [row.content_hash, FeedbackRecord.from_json(row.record).statement_hash]
        store.removals.begin(MODEL, "test", going=[], hashes=hashes, versions={})
        store.feedback.forget([row.id])
    after = checked(store, tmp_path / "a.jsonl", *said)
    assert [text.partition(",")[0] for _, text in after] == [
        "example", "refused: it was taken back earlier", "refused: it was taken back earlier", "example",
    ]  # fmt: skip
