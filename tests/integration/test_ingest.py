"""Taking feedback in, with a real store: nothing is lost, nothing is doubled, and every count adds up."""

import gzip
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.dataset.statements import resolve
from adapterd.errors import InputError, StoreError
from adapterd.feedback import quarantine
from adapterd.feedback.inbox import pending, write_records
from adapterd.feedback.settling import SettleTracker
from adapterd.home import Home
from adapterd.intake import file_intake
from adapterd.intake import ingest as ingest_module
from adapterd.intake import notes as notes_room
from adapterd.intake.ingest import IngestReport, ingest
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.feedback import Quarantined
from adapterd.system.files import clone_open
from tests.support.without_rights import give_away

MODEL = "newsbrief-synth"


class Place:
    """A home, a store and an inbox."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root / "home")
        self.home.create()
        self.inbox = root / "inbox"
        self.inbox.mkdir()
        self.store = Store(self.home.database)

    def put(self, name: str, content: bytes) -> Path:
        path = self.inbox / name
        path.write_bytes(content)
        return path

    def ingest(self, *, model: str = MODEL, settle_s: float = 0.0, **options: Any) -> IngestReport:
        return ingest(self.store, self.home, model, self.inbox, settle_s=settle_s, **options)

    def prompts(self) -> list[str]:
        rows = self.store.feedback.all(MODEL)
        return [FeedbackRecord.from_json(row.record).messages[-1].content for row in rows]

    def notes(self) -> list[tuple[int, str]]:
        return [(note.line, note.reason) for note in self.store.feedback.quarantined(MODEL)]

    def kept(self, note: Quarantined) -> bytes:
        return (self.home.quarantine / note.kept).read_bytes()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.store.close()


def line(prompt: str, **fields: Any) -> bytes:
    return json.dumps({"prompt": prompt, "output": "x", "created_at": "2026-01-01", **fields}).encode() + b"\n"


def lines(count: int) -> bytes:
    return b"".join(line(f"prompt {number}") for number in range(count))


def counts(report: IngestReport) -> dict[str, int]:
    return {name: getattr(report, name) for name in ("files", "lines", "accepted", "duplicates", "quarantined")}


def taken(files: int, *, accepted: int = 0, duplicates: int = 0, quarantined: int = 0) -> dict[str, int]:
    return {
        "files": files,
        "lines": accepted + duplicates + quarantined,
        "accepted": accepted,
        "duplicates": duplicates,
        "quarantined": quarantined,
    }


def test_records_are_stored_with_what_lists_search_by(place: Place) -> None:
    path = place.put(
        "a.jsonl", b"\n" + line("Who?", rating=2, failure_tags=["truncation"], source_id="s", output_type="t")
    )
    assert counts(place.ingest()) == taken(1, accepted=1)
    (row,) = place.store.feedback.all(MODEL)
    record = FeedbackRecord.from_json(row.record)
    assert (row.file, row.line) == (str(path), 2)
    assert (row.rating, row.failure_tags, row.source_id, row.output_type) == (2, ("truncation",), "s", "t")
    assert (row.content_hash, row.prompt_hash, row.created_at) == (
        record.content_hash,
        record.prompt_hash,
        datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_a_record_without_a_time_is_as_old_as_its_file(place: Place) -> None:
    path = place.put("a.jsonl", b'{"prompt": "Who?", "output": "x"}')
    os.utime(path, (1_700_000_000, 1_700_000_000))
    place.ingest()
    assert place.store.feedback.all(MODEL)[0].created_at == datetime.fromtimestamp(1_700_000_000, UTC)


def test_a_second_ingest_takes_nothing(place: Place) -> None:
    place.put("a.jsonl", lines(3))
    place.ingest()
    assert counts(place.ingest()) == taken(0)
    assert place.prompts() == ["prompt 0", "prompt 1", "prompt 2"]


def test_a_file_that_is_read_again_doubles_nothing(place: Place) -> None:
    path = place.put("a.jsonl", lines(3))
    place.ingest()
    os.utime(path, (1, 1))
    assert counts(place.ingest()) == taken(1, duplicates=3)
    assert len(place.prompts()) == 3


def test_an_appended_file_gives_its_new_lines(place: Place) -> None:
    path = place.put("a.jsonl", lines(2))
    place.ingest()
    path.write_bytes(lines(4))
    assert counts(place.ingest()) == taken(1, accepted=2)
    assert place.prompts() == [f"prompt {number}" for number in range(4)]


def test_the_same_record_twice_is_a_duplicate_within_a_file_and_between_files(place: Place) -> None:
    place.put("a.jsonl", line("Who?") + line("Who?"))
    place.put("b.json", b"[" + line("Who?") + b"]")
    assert counts(place.ingest()) == taken(2, accepted=1, duplicates=2)


def test_each_model_has_its_own_feedback(place: Place) -> None:
    place.put("a.jsonl", lines(2))
    place.ingest(model="other")
    assert counts(place.ingest()) == taken(1, accepted=2)


def test_unusable_pieces_are_kept_with_the_reason(place: Place) -> None:
    path = place.put("a.jsonl", line("Who?") + b'{"prompt": "Who?", "rating": 2.5, "output": ""}\r\n\xff{\n')
    assert counts(place.ingest()) == taken(1, accepted=1, quarantined=2)
    unrated, garbled = place.store.feedback.quarantined(MODEL)
    assert (unrated.file, unrated.line) == (str(path), 2)
    way_on = "state another scale with --scale, as in 0..1"
    assert unrated.reason == f"rating must be a whole number from 1 to 5, not 2.5; {way_on}"
    assert unrated.excerpt == '{"prompt": "Who?", "rating": 2.5, "output": ""}'
    assert place.kept(unrated) == b'{"prompt": "Who?", "rating": 2.5, "output": ""}'
    assert (garbled.line, garbled.reason) == (3, "the line is not UTF-8 at its byte 1")
    assert place.kept(garbled) == b"\xff{"
    assert garbled.kept == f"{MODEL}/b26f99543485cab0.raw"


def test_the_quarantine_is_private(place: Place) -> None:
    place.put("a.jsonl", b"{")
    place.put("b.json", b"{")
    place.ingest()
    kept = [place.home.quarantine / note.kept for note in place.store.feedback.quarantined(MODEL)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
    assert stat.S_IMODE(kept[0].parent.stat().st_mode) == 0o700


def test_an_element_of_an_array_is_kept_by_itself(place: Place) -> None:
    place.put("a.json", b"[" + line("Who?") + b', {"prompt":  ""} ]')
    place.ingest()
    (note,) = place.store.feedback.quarantined(MODEL)
    assert (note.line, note.reason, place.kept(note)) == (2, "prompt is empty", b'{"prompt":  ""}')


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jsonl", "{}".encode("utf-16"), "the file is not text in UTF-8: it has NUL bytes or is UTF-16"),
        ("a.json", b'{"prompt": ', "the file is not JSON: expecting value at column 12"),
        ("a.json", b"[" * 100_000, "the file is not JSON that can be used: it is nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_used_is_kept_as_a_whole(place: Place, name: str, content: bytes, reason: str) -> None:
    place.put(name, content)
    assert counts(place.ingest()) == taken(1, quarantined=1)
    (note,) = place.store.feedback.quarantined(MODEL)
    assert (note.line, note.reason) == (0, reason)
    assert place.kept(note) == content
    assert len(note.excerpt) <= 200
    assert note.excerpt.isprintable()
    assert counts(place.ingest()) == taken(0)


def test_a_line_that_is_too_long_for_memory_is_kept_with_its_file(place: Place) -> None:
    content = line("before") + b"x" * (5 << 20) + b"\n" + line("after")
    place.put("a.jsonl", content)
    assert counts(place.ingest()) == taken(1, accepted=2, quarantined=1)
    (note,) = place.store.feedback.quarantined(MODEL)
    assert (note.line, note.reason) == (2, "the line is longer than 4 MiB")
    assert place.kept(note) == content


def test_a_file_full_of_faults_does_not_fill_the_quarantine_with_files(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes_room, "PIECES_KEPT_APART", 3)
    content = b"".join(b"broken %d\n" % number for number in range(2500))
    place.put("a.jsonl", content)
    assert counts(place.ingest()) == taken(1, quarantined=2500)
    notes = place.store.feedback.quarantined(MODEL)
    assert [place.kept(note) for note in notes[:4]] == [b"broken 0", b"broken 1", b"broken 2", content]
    assert len(notes) == 2500
    assert len({note.kept for note in notes}) == 4
    assert notes[-1].excerpt == "broken 2499"


def test_faults_beyond_number_are_counted_in_one_note(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes_room, "PIECES_KEPT_APART", 3)
    monkeypatch.setattr(notes_room, "MAX_NOTES", 5)
    monkeypatch.setattr(file_intake, "BATCH_PIECES", 4)
    content = b"broken\n" * 20 + line("one")
    path = place.put("a.jsonl", content)
    for _ in range(2):
        report = place.ingest()
        assert (report.lines, report.quarantined, report.accepted + report.duplicates) == (21, 20, 1)
        *single, rest = place.store.feedback.quarantined(MODEL)
        assert [note.line for note in single] == [1, 2, 3, 4, 5]
        assert (rest.line, rest.reason) == (6, "from here on 15 more cannot be used")
        assert place.kept(rest) == content
        os.utime(path, (0, 0))


def test_a_file_that_grows_is_kept_once_however_often_it_is_read(place: Place) -> None:
    for size in range(5):
        place.put("a.json", b"[" * (size + 1))
        place.ingest()
    (note,) = place.store.feedback.quarantined(MODEL)
    assert place.kept(note) == b"[" * 5
    assert len(list((place.home.quarantine / MODEL).iterdir())) == 1


def test_notes_that_no_longer_hold_are_forgotten_when_the_file_is_corrected(place: Place) -> None:
    path = place.put("a.jsonl", line("one") + b"{\n" + b"[]\n")
    place.put("b.jsonl", b"{\n")
    place.ingest()
    path.write_bytes(line("one") + line("two") + b"[]\n")
    assert counts(place.ingest()) == taken(1, accepted=1, duplicates=1, quarantined=1)
    assert place.notes() == [
        (3, "a record must be a JSON object, not a list"),
        (1, "the line is not JSON: expecting property name enclosed in double quotes at column 2"),
    ]


def test_a_half_written_file_is_taken_when_it_is_whole(place: Place) -> None:
    path = place.put("a.json", b"[" + line("one") + b"," + line("two")[:20])
    assert counts(place.ingest()) == taken(1, accepted=1, quarantined=1)
    path.write_bytes(b"[" + line("one") + b"," + line("two") + b"]")
    assert counts(place.ingest()) == taken(1, accepted=1, duplicates=1)
    assert (place.prompts(), place.notes()) == (["one", "two"], [])


def test_an_empty_file_is_read_once_and_is_no_event(place: Place) -> None:
    place.put("a.jsonl", b"")
    assert [counts(place.ingest()), counts(place.ingest())] == [taken(1), taken(0)]
    assert place.store.events.latest() == []


def test_a_file_that_is_still_being_written_is_reported_and_left(place: Place) -> None:
    path = place.put("a.jsonl", lines(1))
    now = path.stat().st_mtime
    report = place.ingest(settle_s=1.0, clock=lambda: now + 0.9)
    assert (counts(report), report.unsettled) == (taken(0), (path,))
    report = place.ingest(settle_s=1.0, clock=lambda: now + 1.1)
    assert (counts(report), report.unsettled) == (taken(1, accepted=1), ())


def test_a_written_file_is_ingested(place: Place) -> None:
    write_records(place.inbox, lines(2))
    assert counts(place.ingest()) == taken(1, accepted=2)


def test_a_link_out_of_the_inbox_is_noted_once_and_never_followed(place: Place, tmp_path: Path) -> None:
    (tmp_path / "secret.jsonl").write_bytes(lines(1))
    link = place.inbox / "a.jsonl"
    link.symlink_to(tmp_path / "secret.jsonl")
    assert [counts(place.ingest()), counts(place.ingest())] == [taken(0, quarantined=1), taken(0)]
    (note,) = place.store.feedback.quarantined(MODEL)
    assert (note.file, note.line, note.kept, note.excerpt) == (str(link), 0, "", "")
    assert note.reason == (
        f"the link leads out of the feedback folder, to {tmp_path}/secret.jsonl, and is not followed; put a copy there"
    )
    assert len(place.store.events.latest()) == 1


def test_a_file_of_another_kind_is_noted_once_and_forgotten_when_it_has_gone(place: Place) -> None:
    path = place.put("records.parquet", b"PAR1")
    assert [counts(place.ingest()), counts(place.ingest())] == [taken(0, quarantined=1), taken(0)]
    assert place.notes() == [
        (0, "files of this ending are not read; write it as JSON Lines, with pandas or DuckDB, for instance")
    ]
    assert len(place.store.events.latest()) == 1
    path.unlink()
    place.ingest()
    assert place.notes() == []


def test_a_packed_file_that_is_cut_off_gives_its_whole_lines_and_a_note(place: Place) -> None:
    place.put("a.jsonl.gz", gzip.compress(lines(3))[:-4])
    assert counts(place.ingest()) == taken(1, accepted=3, quarantined=1)
    assert place.notes() == [(0, "the gzip file is cut off: its end is missing")]


def test_rows_of_a_table_are_records_and_faulty_rows_are_noted_by_line(place: Place) -> None:
    place.put("a.csv", b"prompt,correction\nWho met?,The council.\nWhen?\nWhere?,Here.\n")
    assert counts(place.ingest()) == taken(1, accepted=2, quarantined=1)
    assert [number for number, _ in place.notes()] == [3]


def test_a_refusal_is_forgotten_when_its_cause_has_gone(place: Place, tmp_path: Path) -> None:
    link = place.inbox / "a.jsonl"
    link.symlink_to(tmp_path / "elsewhere.jsonl")
    os.mkfifo(place.inbox / "b.jsonl")
    place.ingest()
    assert len(place.notes()) == 2
    link.unlink()
    assert counts(place.ingest()) == taken(0)
    assert place.notes() == [(0, "this is a pipe, not a file")]
    (place.inbox / "b.jsonl").unlink()
    place.put("b.jsonl", line("one") + b"{\n")
    assert counts(place.ingest()) == taken(1, accepted=1, quarantined=1)
    assert [number for number, _ in place.notes()] == [2]


def test_notes_on_the_lines_of_a_file_are_not_forgotten_with_the_file(place: Place) -> None:
    place.put("a.jsonl", b"{\n")
    place.ingest()
    (place.inbox / "a.jsonl").unlink()
    place.ingest()
    assert len(place.notes()) == 1


def test_a_scan_that_finds_nothing_new_writes_nothing(place: Place, tmp_path: Path) -> None:
    place.put("a.jsonl", lines(1) + b"{\n")
    (place.inbox / "b.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    place.ingest()
    before = place.store.row("PRAGMA data_version"), place.store.execute("SELECT total_changes()").fetchone()[0]
    place.ingest()
    after = place.store.row("PRAGMA data_version"), place.store.execute("SELECT total_changes()").fetchone()[0]
    assert before == after


def test_hard_links_are_read_each_and_stored_once(place: Place) -> None:
    path = place.put("a.jsonl", lines(2))
    os.link(path, place.inbox / "b.jsonl")
    assert counts(place.ingest()) == taken(2, accepted=2, duplicates=2)


def test_a_file_of_another_owner_is_taken(place: Place) -> None:
    give_away(place.put("a.jsonl", lines(1)))
    assert counts(place.ingest()) == taken(1, accepted=1)


@pytest.mark.parametrize("year", [1800, 2300, 2440])
def test_a_file_of_any_time_is_taken_once(place: Place, year: int) -> None:
    path = place.put("a.jsonl", b'{"prompt": "Who?", "output": "x"}')
    at = (datetime(year, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    os.utime(path, (at, at))
    assert [counts(place.ingest()), counts(place.ingest())] == [taken(1, accepted=1), taken(0)]


@pytest.mark.parametrize("head", [b"", line("one")])
def test_a_sparse_file_of_ten_gigabytes_takes_neither_memory_nor_disk(place: Place, head: bytes) -> None:
    path = place.put("a.jsonl", head)
    os.truncate(path, (10 if not head else 1) << 30)
    place.ingest()
    (note,) = place.store.feedback.quarantined(MODEL)
    assert note.kept == ""
    assert counts(place.ingest()) == taken(0)
    assert sum(kept.stat().st_size for kept in place.home.quarantine.rglob("*")) < 1 << 20


def test_names_of_every_kind_are_taken_once(place: Place) -> None:
    for number, name in enumerate(("a\nb", "\x1b[2J", "ü" * 120, "x" * 240, "'; DROP TABLE feedback; --", "a b")):
        place.put(f"{name}.jsonl", line(str(number)) + b"{\n")
    assert counts(place.ingest()) == taken(6, accepted=6, quarantined=6)
    assert counts(place.ingest()) == taken(0)


class Growing:
    """A file that is looked at just after every change, by someone who is patient."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._path = place.inbox / "a.jsonl"
        self._passed_s = 0.0
        self._tracker = SettleTracker(lambda: self._passed_s)

    def look(self, content: bytes | None = None, *, after_s: float = 0.0) -> dict[str, int]:
        """Let time pass, change the file, and take in what there is."""
        self._passed_s += after_s
        if content is not None:
            self._path.write_bytes(content)
        now = self._path.stat().st_mtime + 0.1
        return counts(self._place.ingest(clock=lambda: now, settle_s=1.0, tracker=self._tracker))


def test_a_file_that_grows_for_ever_is_taken_line_by_whole_line(place: Place) -> None:
    growing = Growing(place)
    assert growing.look(line("one")) == taken(0)
    assert growing.look(line("one") + line("two")[:9], after_s=60) == taken(1, accepted=1)
    assert growing.look(line("one") + line("two"), after_s=1) == taken(0)
    assert growing.look(after_s=1) == taken(1, accepted=1)
    assert growing.look(after_s=100) == taken(0)
    assert place.notes() == []


def test_the_end_of_a_file_that_stopped_growing_is_read_even_if_nothing_changed_since(place: Place) -> None:
    growing = Growing(place)
    growing.look(line("one"))
    assert growing.look(line("one") + line("two").removesuffix(b"\n"), after_s=60) == taken(1, accepted=1)
    assert growing.look() == taken(0)
    assert growing.look(after_s=1) == taken(1, accepted=1)
    assert growing.look(after_s=100) == taken(0)


def test_a_missing_inbox_is_named(place: Place) -> None:
    place.inbox.rmdir()
    with pytest.raises(InputError, match=r"the feedback folder .*/inbox does not exist"):
        place.ingest()


def test_the_inbox_may_be_given_as_a_relative_path(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place.put("a.jsonl", lines(1))
    monkeypatch.chdir(place.inbox.parent)
    ingest(place.store, place.home, MODEL, Path("inbox"), settle_s=0)
    assert [file.path for file in place.store.feedback.files(MODEL)] == [str(path)]


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has only names in UTF-8")
def test_a_file_whose_name_is_not_utf8_is_taken_once(place: Place) -> None:
    place.put(os.fsdecode(b"\xff.jsonl"), lines(1) + b"{\n")
    assert [counts(place.ingest()), counts(place.ingest())] == [taken(1, accepted=1, quarantined=1), taken(0)]


def refuse_to_open(monkeypatch: pytest.MonkeyPatch, refused: Path) -> None:
    open_file = os.open

    def open_unless_refused(path: Any, *args: Any, **options: Any) -> int:
        if Path(path).name == refused.name:
            raise PermissionError(13, "Permission denied")
        return open_file(path, *args, **options)

    monkeypatch.setattr(os, "open", open_unless_refused)


def test_a_file_that_may_not_be_read_is_noted_once_and_tried_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.put("a.jsonl", line("one"))
    place.put("b.jsonl", line("two"))
    with monkeypatch.context() as patched:
        refuse_to_open(patched, path)
        assert counts(place.ingest()) == taken(1, accepted=1, quarantined=1)
        assert counts(place.ingest()) == taken(0)
    (note,) = place.store.feedback.quarantined(MODEL)
    assert (note.line, note.reason, note.kept) == (0, f"{path} cannot be read: Permission denied", "")
    assert len(place.store.events.latest()) == 1
    assert counts(place.ingest()) == taken(1, accepted=1)
    assert place.notes() == []


def test_a_file_that_may_not_be_read_and_goes_is_forgotten(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place.put("a.jsonl", line("one"))
    refuse_to_open(monkeypatch, path)
    place.ingest()
    path.unlink()
    place.ingest()
    assert place.notes() == []


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has only names in UTF-8")
def test_a_file_that_may_not_be_read_is_noted_whatever_its_name(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_to_open(monkeypatch, place.put(os.fsdecode(b"\xff.jsonl"), lines(1)))
    place.ingest()
    assert place.notes() == [(0, f"{place.inbox}/\\udcff.jsonl cannot be read: Permission denied")]


def after_the_look(monkeypatch: pytest.MonkeyPatch, action: Any) -> None:
    """Do something between the moment the inbox is listed and the moment its files are read."""

    def pending_then_action(*args: Any, **options: Any) -> Any:
        found = pending(*args, **options)
        action()
        return found

    monkeypatch.setattr(ingest_module, "pending", pending_then_action)


def test_a_file_that_goes_before_it_is_read_is_passed_over(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place.put("a.jsonl", line("one"))
    place.put("b.jsonl", line("two"))
    after_the_look(monkeypatch, path.unlink)
    assert counts(place.ingest()) == taken(1, accepted=1)
    assert place.notes() == []


def test_a_file_that_changes_while_it_is_read_is_read_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place.put("a.jsonl", line("one"))
    with monkeypatch.context() as patched:
        after_the_look(patched, lambda: path.write_bytes(line("one") + line("two")))
        assert counts(place.ingest()) == taken(1, accepted=1)
    assert counts(place.ingest()) == taken(1, accepted=1)
    assert counts(place.ingest()) == taken(0)


@pytest.mark.parametrize("replaced_by", ["pipe", "link"])
def test_a_file_that_something_else_takes_the_place_of_is_not_waited_for_nor_followed(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced_by: str
) -> None:
    path = place.put("a.jsonl", line("one"))
    (tmp_path / "secret.jsonl").write_bytes(line("secret"))

    def replace() -> None:
        path.unlink()
        os.mkfifo(path) if replaced_by == "pipe" else path.symlink_to(tmp_path / "secret.jsonl")

    with monkeypatch.context() as patched:
        after_the_look(patched, replace)
        place.ingest()
    place.ingest()
    (reason,) = [reason for _, reason in place.notes()]
    assert place.prompts() == []
    assert ("pipe" if replaced_by == "pipe" else "link leads out") in reason


class KilledError(Exception):
    """What stands for the end of the process."""


def die(*_: int) -> None:
    raise KilledError


def test_an_ingest_that_dies_between_batches_is_taken_up_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_intake, "BATCH_PIECES", 2000)
    place.put("a.jsonl", lines(2500) + b"{\n")
    with pytest.raises(KilledError):
        place.ingest(on_progress=die)
    assert len(place.prompts()) == 2000
    assert place.store.feedback.files(MODEL) == []
    assert counts(place.ingest()) == taken(1, accepted=500, duplicates=2000, quarantined=1)
    assert place.prompts() == [f"prompt {number}" for number in range(2500)]
    assert len(place.notes()) == 1


def test_an_ingest_that_dies_within_a_transaction_leaves_nothing_of_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put("a.jsonl", lines(10))
    with monkeypatch.context() as patched:
        patched.setattr(place.store.feedback, "record_file", die)
        with pytest.raises(KilledError):
            place.ingest()
    assert place.prompts() == []
    assert counts(place.ingest()) == taken(1, accepted=10)


def test_kill_9_loses_nothing(place: Place) -> None:
    place.put("a.jsonl", lines(4500))
    program = f"""
import os, pathlib
from adapterd.home import Home
from adapterd.intake import file_intake
from adapterd.intake import notes as notes_room
from adapterd.intake.ingest import ingest
from adapterd.store import Store
file_intake.BATCH_PIECES = 2000
home = Home(pathlib.Path({str(place.home.root)!r}))
told = []
def kill_the_second_time(done, total):
    told.append(done)
    if len(told) == 2:
        os.kill(os.getpid(), 9)
ingest(
    Store(home.database), home, {MODEL!r}, pathlib.Path({str(place.inbox)!r}), settle_s=0,
    on_progress=kill_the_second_time,
)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False)
    assert ended.returncode == -signal.SIGKILL
    report = place.ingest()
    assert report.duplicates in (2000, 4000)  # the first transaction was committed before the second one began
    assert counts(report) == taken(1, accepted=4500 - report.duplicates, duplicates=report.duplicates)
    assert len(place.prompts()) == 4500


def test_no_transaction_holds_more_than_a_batch(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_intake, "BATCH_PIECES", 1000)
    for number, count in enumerate((999, 2, 1000, 2001, 1)):
        path = place.put(f"{number}.jsonl", b"".join(line(f"{number}/{index}") for index in range(count)))
        os.utime(path, (number, number))
    stored: list[int] = []
    place.ingest(on_progress=lambda *_: stored.append(len(place.prompts())))
    sizes = [after - before for before, after in zip([0, *stored], stored, strict=False)]
    assert (sum(sizes), max(sizes)) == (4003, 1000)


def test_many_small_files_share_a_transaction(place: Place) -> None:
    for number in range(50):
        place.put(f"{number}.jsonl", line(str(number)))
    calls: list[tuple[int, int]] = []
    assert counts(place.ingest(on_progress=lambda *done: calls.append(done))) == taken(50, accepted=50)
    total = sum(path.stat().st_size for path in place.inbox.iterdir())
    assert calls == [(total, total)]


def test_progress_rises_to_the_size_of_all_files(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_intake, "BATCH_PIECES", 1000)
    place.put("a.jsonl", b"\n\n  \n" + lines(2500).removesuffix(b"\n"))
    place.put("b.json", b"[" + line("x") + b"]")
    calls: list[tuple[int, int]] = []
    place.ingest(on_progress=lambda *done: calls.append(done))
    total = sum(path.stat().st_size for path in place.inbox.iterdir())
    assert calls == sorted(set(calls))
    assert calls[-1] == (total, total)
    assert len(calls) == 3


def test_a_large_file_is_taken_completely(place: Place) -> None:
    record = [line(f"{number} " + "x" * 1000) for number in range(20_000)]
    path = place.put("a.jsonl", b"".join(record))
    assert path.stat().st_size > 19 << 20
    assert counts(place.ingest()) == taken(1, accepted=20_000)
    assert place.store.feedback.all(MODEL)[-1].line == 20_000


def test_large_records_are_stored_in_smaller_batches(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_intake, "BATCH_BYTES", 10_000)
    place.put("a.jsonl", b"".join(line(str(number) + "x" * 3000) for number in range(12)))
    calls: list[tuple[int, int]] = []
    assert counts(place.ingest(on_progress=lambda *done: calls.append(done))) == taken(1, accepted=12)
    assert len(calls) >= 3


def test_an_ingest_is_an_event(place: Place) -> None:
    place.put("a.jsonl", line("one") + line("one") + b"{\n")
    place.ingest()
    place.ingest()
    (event,) = place.store.events.latest(model=MODEL)
    assert event.kind == "feedback.ingested"
    assert event.text == "took in feedback: 1 new, 1 known already, 1 in quarantine (files: 1)"
    assert event.detail.items() >= taken(1, accepted=1, duplicates=1, quarantined=1).items()


def test_the_account_of_a_file_is_kept(place: Place) -> None:
    path = place.put("a.jsonl", line("one") + line("one") + b"{\n")
    place.ingest()
    (file,) = place.store.feedback.files(MODEL)
    status = path.stat()
    assert (file.path, file.size_bytes, file.mtime_ns) == (str(path), status.st_size, status.st_mtime_ns)
    assert (file.lines, file.accepted, file.duplicates, file.quarantined) == (3, 1, 1, 1)


def test_a_quarantine_that_cannot_be_written_stops_the_ingest_and_loses_nothing(place: Place) -> None:
    place.put("a.jsonl", line("one") + b"{\n")
    (place.home.quarantine / MODEL).touch()
    with pytest.raises(StoreError, match="cannot be written"):
        place.ingest()
    (place.home.quarantine / MODEL).unlink()
    assert counts(place.ingest()) == taken(1, accepted=1, quarantined=1)


pieces = st.sampled_from([line("one"), line("two"), line("one", rating=2.5), b"{\n", b"\n", b"\xff\n", b"[1, 2]\n"])
contents = st.lists(pieces, max_size=8).map(b"".join) | st.binary(max_size=40)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["a.json", "b.jsonl", "c.ndjson"]), contents), min_size=1, max_size=5))
def test_whatever_comes_in_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, states: list[tuple[str, bytes]]
) -> None:
    place = Place(tmp_path_factory.mktemp("any"))
    for age, (name, content) in enumerate(states):
        os.utime(place.put(name, content), (age, age))
        report = place.ingest()
        assert report.lines == report.accepted + report.duplicates + report.quarantined
        assert report.files == 1
    files = place.store.feedback.files(MODEL)
    assert sum(file.quarantined for file in files) == len(place.notes())
    assert all(
        place.kept(note) in (place.inbox / Path(note.file).name).read_bytes()
        for note in place.store.feedback.quarantined(MODEL)
    )
    place.store.close()


def test_of_a_growing_file_with_many_faults_one_copy_is_made(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every copy is later than what was listed, so that by its stamp alone each fault would make another one."""
    path = place.put("a.jsonl", b"{\n" * 200)
    made: list[Path] = []

    def clone_while_it_grows(source: IO[bytes], target: Path) -> None:
        with path.open("ab") as writer:
            writer.write(b"{\n")
        made.append(target)
        clone_open(source, target)

    monkeypatch.setattr(quarantine, "clone_open", clone_while_it_grows)
    assert place.ingest().quarantined == 200
    assert len(made) == 1


NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LATER = ["2026-11-29T12:00:00.001Z", "2026-11-29T13:00:00+00:30", "2099-01-01", "9999-12-31T23:59:59Z"]


@pytest.fixture
def at_noon(place: Place) -> Place:
    place.store.close()
    place.store = Store(place.home.database, clock=lambda: NOW)
    return place


@pytest.mark.parametrize("given", LATER)
def test_a_record_of_the_future_is_as_old_as_its_file(at_noon: Place, given: str) -> None:
    path = at_noon.put("a.jsonl", line("Who?", created_at=given))
    os.utime(path, (NOW.timestamp() - 60,) * 2)
    at_noon.ingest()
    (row,) = at_noon.store.feedback.all(MODEL)
    assert row.created_at == FeedbackRecord.from_json(row.record).created_at == NOW - timedelta(minutes=1)


@pytest.mark.parametrize("given", [*LATER, None])
def test_a_file_of_the_future_gives_nothing_that_is_later_than_now(at_noon: Place, given: str | None) -> None:
    path = at_noon.put("a.jsonl", line("Who?", created_at=given))
    os.utime(path, (NOW.timestamp() + 1e9,) * 2)
    at_noon.ingest()
    assert at_noon.store.feedback.all(MODEL)[0].created_at == NOW


def test_a_record_that_is_younger_than_its_file_and_older_than_now_is_believed(at_noon: Place) -> None:
    """Copies and archives often give files an old time."""
    os.utime(at_noon.put("a.jsonl", line("Who?", created_at="2026-11-28T00:00:00Z")), (1, 1))
    at_noon.ingest()
    assert at_noon.store.feedback.all(MODEL)[0].created_at == datetime(2026, 11, 28, tzinfo=UTC)


def test_an_answer_of_the_future_neither_wins_over_a_later_one_nor_fills_the_exam(at_noon: Place) -> None:
    """Whoever says 2099 is treated as what came when it came."""
    at_noon.put("stranger.jsonl", b"".join(
        line(f"prompt {number}", output=None, correction="a lie", created_at="2099-01-01") for number in range(10)
    ))  # fmt: skip
    at_noon.ingest()
    (at_noon.inbox / "stranger.jsonl").unlink()
    at_noon.store.close()
    at_noon.store = Store(at_noon.home.database, clock=lambda: NOW + timedelta(days=1))
    at_noon.put("people.jsonl", b"".join(
        line(f"prompt {number}", output=None, correction="the truth", created_at="2026-11-29T20:00:00Z")
        for number in range(20)
    ))  # fmt: skip
    at_noon.ingest()
    rows = at_noon.store.feedback.all(MODEL)
    taught = resolve(FeedbackRecord.from_json(row.record) for row in rows)
    assert {example.completion for example in taught.examples} == {"the truth"}
