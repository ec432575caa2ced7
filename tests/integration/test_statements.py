"""Statements: what is said again, changed in its file, or gone from it; real files and a real database."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.dataset.statements import resolve
from adapterd.feedback.inbox import import_file, write_records
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.intake.ingest import IngestReport, ingest
from adapterd.record import FeedbackRecord
from adapterd.store import Store

MODEL = "m"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ASKED = "Title: the mill burned down."


def said(**fields: object) -> dict[str, object]:
    return {"prompt": ASKED, **fields}


def lines(*records: dict[str, object]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


class Desk:
    """An inbox that is read, and time that goes on by an hour at each reading."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "home")
        self.home.create()
        self.now = NOON
        self.store = Store(self.home.database, clock=lambda: self.now)
        self.inbox = folder / "inbox"
        self.inbox.mkdir()
        self.outside = folder

    def read(self, name: str, content: bytes, *, withdraw: bool = False) -> IngestReport:
        """Write a file anew, and read it."""
        (self.inbox / name).write_bytes(content)
        return self.look(name, withdraw=withdraw)

    def look(self, *names: str, withdraw: bool = False) -> IngestReport:
        """Read what is new; these files were changed an hour after the last reading."""
        self.now += timedelta(hours=1)
        for name in names:
            os.utime(self.inbox / name, (self.now.timestamp(), self.now.timestamp()))
        return ingest(self.store, self.home, MODEL, self.inbox, settle_s=0, withdraw_vanished=withdraw)

    def bring(self, content: bytes, name: str = "corrections.jsonl") -> IngestReport:
        """Import a file of this name."""
        (self.outside / name).write_bytes(content)
        self.now += timedelta(hours=1)
        import_file(self.inbox, self.outside / name)
        return ingest(self.store, self.home, MODEL, self.inbox, settle_s=0)

    def post(self, *records: dict[str, object]) -> tuple[int, int]:
        self.now += timedelta(hours=1)
        posted = take_posted(self.store, MODEL, records)
        return posted.accepted, posted.duplicates

    @property
    def taught(self) -> list[str]:
        rows = self.store.feedback.all(MODEL)
        return [each.completion for each in resolve(FeedbackRecord.from_json(row.record) for row in rows).examples]

    @property
    def outputs(self) -> list[str | None]:
        return [FeedbackRecord.from_json(row.record).output for row in self.store.feedback.all(MODEL)]

    @property
    def count(self) -> int:
        return self.store.feedback.count(MODEL)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.store.close()


class Teller:
    """Somebody who says one thing after the other, on any way."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._logs: dict[str, list[dict[str, object]]] = {}

    def say(self, way: str, record: dict[str, object]) -> None:
        if way == "post":
            self._desk.post(record)
        elif way == "new file":
            self._desk.read(f"file-{len(list(self._desk.inbox.iterdir()))}.jsonl", lines(record))
        else:
            log = self._logs.setdefault(way, [])
            log.append(record)
            self._desk.read(way, lines(*log) if way.endswith("l") else json.dumps(log).encode())

    def touch(self) -> None:
        self._desk.look(*(path.name for path in self._desk.inbox.iterdir()))


WAYS = st.sampled_from(["post", "new file", "log.jsonl", "log.json"])


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(WAYS, st.sampled_from("ABC"), st.booleans()), min_size=1, max_size=8))
def test_what_was_said_last_on_any_way_is_taught_however_often_files_are_read(
    said_so: list[tuple[str, str, bool]],
) -> None:
    with TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        teller = Teller(desk)
        for way, text, touched in said_so:
            teller.say(way, said(correction=text))
            assert desk.taught == [text]
            if touched:
                teller.touch()
                assert desk.taught == [text]
        desk.store.close()


A, B = said(correction="Mill burns"), said(correction="Fire at the mill")
LIKED, DISLIKED = said(output="Mill toast", rating=5), said(output="Mill toast", rating=1)


def test_what_is_said_again_after_something_else_counts_within_a_file(desk: Desk) -> None:
    assert desk.read("log.jsonl", lines(A, B, A)).accepted == 3
    assert desk.taught == ["Mill burns"]


def test_what_is_said_again_at_the_same_time_counts_by_its_place_in_the_file(desk: Desk) -> None:
    on_one_day = [{**record, "created_at": "2026-11-01"} for record in (A, B, A)]
    assert desk.read("log.jsonl", lines(*on_one_day)).accepted == 3
    assert desk.taught == ["Mill burns"]
    assert desk.look("log.jsonl").accepted == 0
    assert desk.read("copy.jsonl", lines(*on_one_day[:2])).accepted == 0
    assert desk.taught == ["Mill burns"]


@pytest.mark.parametrize("name", ["log.jsonl", "log.json"])
def test_what_is_said_again_after_something_else_counts_in_a_file_that_grows(desk: Desk, name: str) -> None:
    for said_so_far in ([A], [A, B], [A, B, A]):
        content = lines(*said_so_far) if name.endswith("l") else json.dumps(said_so_far).encode()
        assert desk.read(name, content).accepted == 1
    assert desk.taught == ["Mill burns"]


def test_what_is_said_again_after_something_else_counts_in_files_and_posts(desk: Desk) -> None:
    desk.read("one.jsonl", lines(A))
    desk.post(B)
    assert desk.taught == ["Fire at the mill"]
    desk.read("two.jsonl", lines(A))
    assert desk.taught == ["Mill burns"]
    assert desk.post(B) == (1, 0)
    assert desk.taught == ["Fire at the mill"]


def test_what_is_added_by_hand_again_counts(desk: Desk) -> None:
    for record in (A, B, A):
        desk.look(write_records(desk.inbox, lines(record)).name)
    assert desk.taught == ["Mill burns"]


@pytest.mark.parametrize("again", [LIKED, {**LIKED, "created_at": "2026-11-01"}])
def test_a_post_that_is_sent_twice_is_one_statement(desk: Desk, again: dict[str, object]) -> None:
    assert (desk.post(again), desk.post(again), desk.count) == ((1, 0), (0, 1), 1)


def test_what_is_said_again_with_a_later_time_counts_from_then_on(desk: Desk) -> None:
    early, late = ({**A, "created_at": f"2026-11-0{day}"} for day in (1, 5))
    desk.read("one.jsonl", lines(early, late))
    desk.read("two.jsonl", lines({**B, "created_at": "2026-11-03"}))
    assert desk.taught == ["Mill burns"]


def test_a_file_that_is_touched_says_nothing_new(desk: Desk) -> None:
    desk.read("old.jsonl", lines(A, said(output="Mill", rating=5)))
    desk.read("new.jsonl", lines(B))
    report = desk.look("old.jsonl")
    assert (report.accepted, report.duplicates, desk.taught) == (0, 2, ["Fire at the mill"])


def test_a_file_whose_lines_move_says_nothing_new(desk: Desk) -> None:
    desk.read("old.jsonl", lines(A))
    desk.read("new.jsonl", lines(B))
    report = desk.read("old.jsonl", lines({"prompt": "Another", "correction": "x"}, A))
    assert (report.accepted, report.duplicates) == (1, 1)
    assert "Fire at the mill" in desk.taught
    assert [row.line for row in desk.store.feedback.all(MODEL) if row.file.endswith("old.jsonl")] == [2, 1]


def test_a_log_that_loses_its_first_lines_says_nothing_new_and_withdraws_nothing(desk: Desk) -> None:
    others = [{"prompt": f"p{number}", "output": "x", "rating": 5} for number in range(4)]
    desk.read("log.jsonl", lines(*others))
    report = desk.read("log.jsonl", lines(*others[2:]))
    assert (report.accepted, report.withdrawn, desk.count) == (0, 0, 4)


def test_a_line_that_was_changed_replaces_what_it_said(desk: Desk) -> None:
    desk.read("log.jsonl", lines(LIKED))
    report = desk.read("log.jsonl", lines(DISLIKED))
    assert (report.accepted, report.withdrawn, desk.taught, desk.count) == (1, 1, [], 1)


@pytest.mark.parametrize(
    ("before", "after", "taught"),
    [
        ({"output": "Mill", "correction": "A"}, {"output": "Mill", "correction": "B"}, ["B"]),
        ({"output": "Mill", "correction": "A"}, {"output": "Mill", "rating": 1}, []),
        ({"correction": "A"}, {"correction": "B"}, ["B"]),
        ({"output": "Mill", "rating": 1}, {"output": "Mill", "rating": 5}, ["Mill"]),
    ],
)
def test_a_line_that_was_changed_replaces_what_it_said_at_the_same_time(
    desk: Desk, before: dict[str, object], after: dict[str, object], taught: list[str]
) -> None:
    at = {"created_at": "2026-11-01"}
    other = {"prompt": "Another", "output": "x", "rating": 5}
    desk.read("log.jsonl", lines(said(**before, **at), other))
    desk.read("log.jsonl", lines(said(**after, **at), other))
    assert [text for text in desk.taught if text != "x"] == taught
    assert desk.count == 2


def test_a_line_that_is_changed_back_counts_again(desk: Desk) -> None:
    for record in (LIKED, DISLIKED, LIKED):
        desk.read("log.jsonl", lines(record))
    assert (desk.taught, desk.count) == (["Mill toast"], 1)


def test_what_comes_back_is_something_new(desk: Desk) -> None:
    desk.read("log.jsonl", lines(LIKED))
    desk.read("log.jsonl", lines(DISLIKED))
    learned = desk.store.feedback.last_id(MODEL)
    desk.read("log.jsonl", lines(LIKED))
    assert desk.store.feedback.count(MODEL, after_id=learned) == 1


def test_a_line_that_is_gone_withdraws_nothing_by_itself(desk: Desk) -> None:
    desk.read("log.jsonl", lines(said(output="One", rating=5), said(output="Two", rating=5)))
    report = desk.read("log.jsonl", lines(said(output="Two", rating=5)))
    (desk.inbox / "log.jsonl").unlink()
    desk.look()
    assert (report.withdrawn, desk.count) == (0, 2)


def test_a_line_that_is_gone_is_withdrawn_where_that_is_set_and_may_come_back(desk: Desk) -> None:
    one, two = said(output="One", rating=5), said(output="Two", rating=5)
    desk.read("log.jsonl", lines(one, two), withdraw=True)
    assert desk.read("log.jsonl", lines(two), withdraw=True).withdrawn == 1
    assert desk.outputs == ["Two"]
    assert desk.read("log.jsonl", lines(one, two), withdraw=True).accepted == 1
    assert desk.outputs == ["Two", "One"]


def test_a_file_that_is_gone_is_withdrawn_where_that_is_set_and_may_come_back(desk: Desk) -> None:
    desk.read("log.jsonl", lines(A), withdraw=True)
    (desk.inbox / "log.jsonl").unlink()
    assert desk.look(withdraw=True).withdrawn == 1
    assert desk.taught == []
    assert desk.look(withdraw=True).withdrawn == 0
    desk.read("log.jsonl", lines(A), withdraw=True)
    assert desk.taught == ["Mill burns"]


def test_what_another_file_says_as_well_stays_when_one_file_goes(desk: Desk) -> None:
    for name in ("one.jsonl", "two.jsonl"):
        desk.read(name, lines(A), withdraw=True)
    (desk.inbox / "two.jsonl").unlink()
    desk.look(withdraw=True)
    assert desk.taught == ["Mill burns"]


def test_a_file_with_a_rating_off_its_scale_withdraws_nothing(desk: Desk) -> None:
    desk.read("log.jsonl", lines(LIKED), withdraw=True)
    report = desk.read("log.jsonl", lines({**LIKED, "rating": 9}), withdraw=True)
    assert (report.withdrawn, desk.count) == (0, 1)


def test_an_import_that_was_corrected_replaces_what_it_said(desk: Desk) -> None:
    desk.bring(lines(LIKED, {"prompt": "Another", "output": "x", "rating": 5}))
    report = desk.bring(lines(DISLIKED, {"prompt": "Another", "output": "x", "rating": 5}))
    assert (report.accepted, report.duplicates, report.withdrawn) == (1, 1, 1)
    assert desk.taught == ["x"]


def test_an_import_that_is_given_as_it_was_at_first_counts_again(desk: Desk) -> None:
    for record in (LIKED, DISLIKED, LIKED):
        desk.bring(lines(record))
    assert desk.taught == ["Mill toast"]


def test_an_import_of_another_name_is_another_document(desk: Desk) -> None:
    desk.bring(lines(said(output="One", rating=5)))
    assert desk.bring(lines(said(output="One", rating=1)), "others.jsonl").withdrawn == 0


def test_an_import_that_was_corrected_clears_the_quarantine_of_the_former_one(desk: Desk) -> None:
    desk.bring(lines(A) + b"{broken\n")
    desk.bring(b"{broken\n", "others.jsonl")
    assert len(desk.store.feedback.quarantined(MODEL)) == 2
    desk.bring(lines(A, said(output="Mill", rating=1)))
    (left,) = desk.store.feedback.quarantined(MODEL)
    assert left.file.endswith("others.jsonl")


@pytest.mark.parametrize("at", [{}, {"created_at": "2026-11-01"}])
def test_a_note_that_is_added_later_is_kept(desk: Desk, at: dict[str, object]) -> None:
    record = said(output="Mill", correction="Mill burns", **at)
    desk.read("log.jsonl", lines(record))
    desk.read("log.jsonl", lines({**record, "correction_notes": "a title needs a verb"}))
    (row,) = desk.store.feedback.all(MODEL)
    assert FeedbackRecord.from_json(row.record).correction_notes == "a title needs a verb"
    desk.read("log.jsonl", lines(record))
    (row,) = desk.store.feedback.all(MODEL)
    assert FeedbackRecord.from_json(row.record).correction_notes == "a title needs a verb"


def test_a_note_in_another_file_is_kept(desk: Desk) -> None:
    desk.read("one.jsonl", lines(A))
    report = desk.read("two.jsonl", lines({**A, "correction_notes": "a verb"}))
    (row,) = desk.store.feedback.all(MODEL)
    assert (report.accepted, FeedbackRecord.from_json(row.record).correction_notes) == (0, "a verb")


def test_what_two_files_say_is_in_force_while_one_of_them_says_it(desk: Desk) -> None:
    desk.read("one.jsonl", lines(LIKED))
    assert desk.read("two.jsonl", lines(LIKED)).duplicates == 1
    assert desk.count == 1
    desk.read("one.jsonl", lines({**LIKED, "correction": "Mill burns"}))
    assert sorted(filter(None, desk.outputs)) == ["Mill toast", "Mill toast"]
    assert desk.taught == ["Mill burns"]


def test_a_note_with_a_later_time_is_kept(desk: Desk) -> None:
    noted = said(correction="Mill burns", correction_notes="a verb", created_at="2026-11-02")
    desk.read("log.jsonl", lines(said(correction="Mill burns", created_at="2026-11-01"), noted))
    (example,) = resolve(FeedbackRecord.from_json(r.record) for r in desk.store.feedback.all(MODEL)).examples
    assert example.created_at == datetime(2026, 11, 2, tzinfo=UTC)


def test_tags_that_are_added_later_in_the_file_replace_the_statement_without_them(desk: Desk) -> None:
    desk.read("log.jsonl", lines(said(output="Mill", rating=2)))
    desk.read("log.jsonl", lines(said(output="Mill", rating=2, failure_tags=["truncation"])))
    (row,) = desk.store.feedback.all(MODEL)
    assert row.failure_tags == ("truncation",)


def test_each_statement_knows_the_way_on_which_it_came(desk: Desk) -> None:
    desk.read("log.jsonl", lines({"prompt": "1", "output": "x", "rating": 5}))
    desk.bring(lines({"prompt": "2", "output": "x", "rating": 5}))
    desk.look(write_records(desk.inbox, lines({"prompt": "3", "output": "x", "rating": 5})).name)
    desk.post({"prompt": "4", "output": "x", "rating": 5})
    assert [row.origin for row in desk.store.feedback.all(MODEL)] == ["file", "import", "add", "http"]


def test_a_file_that_was_changed_is_read_in_batches_as_well(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from adapterd.intake import file_intake

    monkeypatch.setattr(file_intake, "BATCH_PIECES", 3)
    records = [{"prompt": f"p{number}", "output": "x", "rating": 5} for number in range(10)]
    desk.read("log.jsonl", lines(*records))
    report = desk.read(
        "log.jsonl", lines(*[{**each, "rating": 1} if n in (0, 9) else each for n, each in enumerate(records)])
    )
    assert (report.accepted, report.duplicates, report.withdrawn, desk.count) == (2, 8, 2, 10)
    assert len(desk.taught) == 8
