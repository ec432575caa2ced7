"""Logs that are appended to and rotated in every usual way: nothing is lost, nothing is taken twice, and only what is
new is read. Real files and a real database."""

import gzip
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapterd.feedback.following.open_file import OpenFile
from adapterd.home import Home
from adapterd.intake.ingest import IngestReport, ingest
from adapterd.record import FeedbackRecord
from adapterd.store import Store

MODEL = "m"


def lines(*numbers: int) -> bytes:
    return b"".join(line(f"prompt {number}") for number in numbers)


def line(prompt: str, correction: str = "x", **fields: object) -> bytes:
    return json.dumps({"prompt": prompt, "correction": correction, **fields}).encode() + b"\n"


class Log:
    """A log in an inbox, an application that writes it, and somebody who rotates it."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "home")
        self.home.create()
        self.store = Store(self.home.database)
        self.inbox = folder / "inbox"
        self.inbox.mkdir()
        self.path = self.inbox / "log.jsonl"
        self.seconds = 1_700_000_000
        self.looks = 0

    def append(self, content: bytes, name: str = "log.jsonl") -> None:
        with (self.inbox / name).open("ab") as file:
            file.write(content)
        self.seconds += 1
        os.utime(self.inbox / name, (self.seconds, self.seconds))

    def read(self, *, withdraw: bool = False, paths: list[str] | None = None) -> IngestReport:
        def look() -> None:
            self.looks += 1

        return ingest(
            self.store, self.home, MODEL, self.inbox, settle_s=0, withdraw_vanished=withdraw, paths=paths, look=look
        )

    @property
    def prompts(self) -> list[str]:
        rows = self.store.feedback.all(MODEL)
        return [FeedbackRecord.from_json(row.record).messages[-1].content for row in rows]

    @property
    def stored(self) -> int:
        return len(self.store.feedback.everything(MODEL))

    @property
    def faults(self) -> list[str]:
        return [note.excerpt for note in self.store.feedback.quarantined(MODEL)]

    def kept(self) -> list[bytes]:
        notes = self.store.feedback.quarantined(MODEL)
        return [(self.home.quarantine / note.kept).read_bytes() for note in notes if note.kept]


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path)
    yield made
    made.store.close()


def renamed(growing: Log) -> None:
    """logrotate as it is by default: .1 becomes .2, the log becomes .1, and a new one is begun."""
    for number in (2, 1):
        if (older := growing.inbox / f"log.jsonl.{number}").exists():
            older.rename(growing.inbox / f"log.jsonl.{number + 1}")
    growing.path.rename(growing.inbox / "log.jsonl.1")


def copied(growing: Log) -> None:
    """logrotate with copytruncate."""
    for number in (2, 1):
        if (older := growing.inbox / f"log.jsonl.{number}").exists():
            older.rename(growing.inbox / f"log.jsonl.{number + 1}")
    shutil.copy2(growing.path, growing.inbox / "log.jsonl.1")
    os.truncate(growing.path, 0)


def packed(growing: Log) -> None:
    """The same, packed at once."""
    for number in (2, 1):
        if (older := growing.inbox / f"log.jsonl.{number}.gz").exists():
            older.rename(growing.inbox / f"log.jsonl.{number + 1}.gz")
    target = growing.inbox / "log.jsonl.1.gz"
    target.write_bytes(gzip.compress(growing.path.read_bytes()))
    os.utime(target, (growing.seconds, growing.seconds))
    growing.path.unlink()


def copied_and_packed(growing: Log) -> None:
    copied(growing)
    packed_as(growing, growing.inbox / "log.jsonl.1", "log.jsonl.1.gz")


def packed_as(growing: Log, source: Path, name: str) -> None:
    (growing.inbox / name).write_bytes(gzip.compress(source.read_bytes()))
    os.utime(growing.inbox / name, (growing.seconds, growing.seconds))
    source.unlink()


def dated(growing: Log) -> None:
    """dateext, or an application that names its logs by the day."""
    growing.path.rename(growing.inbox / f"log.jsonl-2026113{len(list(growing.inbox.iterdir()))}")


def named_by_the_day(growing: Log) -> None:
    growing.path.rename(growing.inbox / f"log.2026-11-{10 + len(list(growing.inbox.iterdir()))}.jsonl")


def moved_to_a_folder(growing: Log) -> None:
    folder = growing.inbox / "old"
    folder.mkdir(exist_ok=True)
    growing.path.rename(folder / f"log.jsonl.{len(list(folder.iterdir())) + 1}")


ROTATIONS = (renamed, copied, packed, dated, named_by_the_day, moved_to_a_folder)


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_a_rotation_loses_nothing_and_takes_nothing_twice(growing: Log, rotate: Callable[[Log], None]) -> None:
    growing.append(lines(0, 1))
    growing.read()
    first = 2
    for _ in range(3):
        growing.append(lines(first))
        growing.read()
        growing.append(lines(first + 1))  # it was not read when the log is rotated
        rotate(growing)
        growing.append(lines(first + 2))
        growing.read()
        first += 3
    assert growing.prompts == [f"prompt {number}" for number in range(first)]
    assert growing.stored == first
    assert growing.read().lines == 0


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_what_is_said_again_is_known_by_where_it_stands_in_spite_of_rotations(
    growing: Log, rotate: Callable[[Log], None]
) -> None:
    growing.append(line("p", "A") + line("p", "B"))
    growing.read()
    growing.append(line("p", "C"))
    rotate(growing)
    growing.append(line("p", "A"))
    growing.read()
    growing.read()
    said = [FeedbackRecord.from_json(row.record).correction for row in growing.store.feedback.all(MODEL)]
    assert said == ["A", "B", "C", "A"]


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_a_quarantined_line_keeps_its_note_and_its_bytes(growing: Log, rotate: Callable[[Log], None]) -> None:
    growing.append(lines(0) + b"{broken\n")
    growing.read()
    growing.append(lines(1))
    growing.read()
    rotate(growing)
    growing.append(lines(2) + b"{broken too\n")
    growing.read()
    assert (sorted(growing.faults), sorted(growing.kept())) == (
        ["{broken", "{broken too"],
        [b"{broken", b"{broken too"],
    )


def test_a_rotation_that_takes_the_file_out_of_the_inbox_keeps_what_it_said_and_its_notes(growing: Log) -> None:
    growing.append(lines(0) + b"{broken\n")
    growing.read()
    growing.append(lines(1))
    growing.read()
    growing.path.unlink()
    growing.append(lines(2))
    growing.read()
    assert (growing.prompts, growing.faults) == (["prompt 0", "prompt 1", "prompt 2"], ["{broken"])


def test_a_log_that_is_packed_later_is_found_again(growing: Log) -> None:
    growing.append(lines(0, 1))
    growing.read()
    growing.append(lines(2))
    growing.read()
    content = growing.path.read_bytes() + lines(3)
    os.truncate(growing.path, 0)
    growing.append(lines(4))
    growing.read()
    (growing.inbox / "log.jsonl.1.gz").write_bytes(gzip.compress(content))
    assert growing.read().accepted == 1
    assert sorted(growing.prompts) == [f"prompt {number}" for number in range(5)]
    assert growing.stored == 5


def test_a_copy_of_a_log_that_goes_on_says_nothing_twice(growing: Log) -> None:
    growing.append(line("p", "A") + line("p", "B"))
    growing.read()
    shutil.copy2(growing.path, growing.inbox / "log.jsonl.1")
    assert growing.read().accepted == 0
    assert growing.stored == 2


@pytest.mark.parametrize("withdraw", [False, True])
def test_a_log_that_is_packed_and_removed_between_two_readings_says_nothing_new(growing: Log, withdraw: bool) -> None:
    growing.append(lines(1, 2))
    growing.read(withdraw=withdraw)
    (growing.inbox / "log.jsonl.1.gz").write_bytes(gzip.compress(growing.path.read_bytes()))
    growing.path.unlink()
    report = growing.read(withdraw=withdraw)
    assert (report.accepted, report.withdrawn, growing.prompts) == (0, 0, ["prompt 1", "prompt 2"])


def cut_off_after_its_copy_was_read(log: Log, *, withdraw: bool) -> None:
    log.append(b"no json\n" + lines(1))
    log.read(withdraw=withdraw)
    shutil.copy2(log.path, log.inbox / "log.jsonl.1")
    log.read(withdraw=withdraw)
    os.truncate(log.path, 0)
    log.append(lines(2))
    log.read(withdraw=withdraw)


def test_a_log_that_is_cut_off_after_its_copy_was_read_keeps_its_notes(growing: Log) -> None:
    cut_off_after_its_copy_was_read(growing, withdraw=False)
    assert sorted(growing.prompts) == ["prompt 1", "prompt 2"]
    assert (growing.faults, growing.stored) == (["no json"], 2)


def test_with_withdraw_vanished_what_the_copy_of_a_log_says_stays_when_the_log_is_cut_off(growing: Log) -> None:
    cut_off_after_its_copy_was_read(growing, withdraw=True)
    assert sorted(growing.prompts) == ["prompt 1", "prompt 2"]


@pytest.mark.parametrize("rotate", [renamed, copied])
def test_a_table_is_followed_with_its_header(growing: Log, rotate: Callable[[Log], None]) -> None:
    growing.path = growing.inbox / "log.csv"

    def append(*rows: bytes) -> None:
        growing.append(b"".join(rows), "log.csv")

    header = b"prompt;correction\n"
    append(header, b"p0;x\n")
    growing.read()
    append(b'"p\n1";y\n', b"p2;only half a r")
    growing.read()
    append(b"ow\n")
    assert growing.read().accepted >= 1
    append(b"p3;x\n")
    if rotate is renamed:
        growing.path.rename(growing.inbox / "log.csv.1")
    else:
        shutil.copy2(growing.path, growing.inbox / "log.csv.1")
        os.truncate(growing.path, 0)
    append(header, b"p4;x\n")
    growing.read()
    assert growing.prompts[0] == "p0"
    assert set(growing.prompts) >= {"p0", "p\n1", "p2", "p3", "p4"}
    assert growing.faults == []
    answers = [FeedbackRecord.from_json(row.record).correction for row in growing.store.feedback.all(MODEL)]
    assert answers.count("only half a row") == 1


def test_only_what_is_new_is_read(growing: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    growing.append(lines(*range(1_000)) + (b" " * 999 + b"\n") * 8_000)
    growing.read()
    whole = growing.looks
    growing.looks = 0
    read: list[int] = []
    original = OpenFile.stream

    def stream(self: OpenFile, start_bytes: int = 0) -> object:
        read.append(start_bytes)
        return original(self, start_bytes)

    monkeypatch.setattr(OpenFile, "stream", stream)
    size_bytes = growing.path.stat().st_size
    growing.append(lines(1_000))
    assert growing.read().lines == 1
    assert (read, growing.looks < whole / 8) == ([size_bytes], True)


def test_a_line_that_is_changed_in_the_middle_of_a_log_replaces_what_it_said(growing: Log) -> None:
    good = line("p", "x", output="o", rating=1)
    growing.append(lines(0) + good + lines(1))
    growing.read()
    growing.append(lines(2))
    growing.read()
    content = growing.path.read_bytes().replace(b'"x", "output"', b'"y", "output"') + lines(3)
    growing.path.write_bytes(content)
    report = growing.read()
    assert (report.accepted, report.withdrawn) == (2, 1)
    assert growing.stored == 6


def test_a_log_of_which_the_first_lines_are_cut_off_says_nothing_new(growing: Log) -> None:
    growing.append(lines(0, 1))
    growing.read()
    growing.append(lines(2, 3))
    growing.read()
    growing.path.write_bytes(lines(2, 3, 4))
    report = growing.read()
    assert (report.accepted, growing.stored) == (1, 5)


def test_a_half_written_line_waits_and_is_taken_once(growing: Log) -> None:
    whole = line("one")
    growing.append(lines(0) + whole[:-2])
    assert growing.read().quarantined == 1
    growing.append(whole[-2:] + lines(1))
    growing.read()
    assert sorted(growing.prompts) == ["one", "prompt 0", "prompt 1"]
    assert growing.faults == []


def test_a_last_line_without_an_end_is_gone_on_from_when_it_gets_one(growing: Log) -> None:
    growing.append(lines(0) + line("one").rstrip(b"\n"))
    growing.read()
    growing.append(b"\n" + lines(1))
    report = growing.read()
    assert (report.lines, growing.prompts) == (1, ["prompt 0", "one", "prompt 1"])
    assert [row.line for row in growing.store.feedback.all(MODEL)] == [1, 2, 3]


def test_lines_keep_their_numbers_through_appends(growing: Log) -> None:
    growing.append(lines(0) + b"\n")
    growing.read()
    growing.append(b"\n" + lines(1) + b"{\n")
    growing.read()
    assert [row.line for row in growing.store.feedback.all(MODEL)] == [1, 4]
    assert [note.line for note in growing.store.feedback.quarantined(MODEL)] == [5]


def test_a_log_with_a_rating_off_its_scale_stays_stopped_however_much_it_grows(growing: Log) -> None:
    growing.append(lines(0))
    growing.read()
    growing.append(line("q", rating=9, output="o"))
    assert growing.read().quarantined == 1
    growing.append(lines(1))
    assert growing.read().lines == 0
    assert growing.prompts == ["prompt 0"]
    assert len(growing.faults) == 1
    growing.path.write_bytes(lines(0, 1))
    growing.read()
    assert (growing.prompts, growing.faults) == (["prompt 0", "prompt 1"], [])


def test_with_withdraw_vanished_a_rotation_withdraws_nothing_while_the_file_is_there(growing: Log) -> None:
    growing.append(lines(0))
    growing.read(withdraw=True)
    growing.append(lines(1))
    renamed(growing)
    growing.append(lines(2))
    assert growing.read(withdraw=True).withdrawn == 0
    (growing.inbox / "log.jsonl.1").unlink()
    assert growing.read(withdraw=True).withdrawn == 2
    assert growing.prompts == ["prompt 2"]


def test_an_inode_that_is_used_again_is_not_taken_for_a_renamed_file(growing: Log) -> None:
    growing.append(lines(0))
    growing.read()
    growing.path.rename(growing.inbox / "new.jsonl")
    (growing.inbox / "new.jsonl").write_bytes(lines(1))
    growing.read()
    assert sorted(growing.prompts) == ["prompt 0", "prompt 1"]


def test_only_the_paths_that_changed_are_looked_at(growing: Log) -> None:
    growing.append(lines(0))
    growing.append(lines(1), "other.jsonl")
    assert growing.read(paths=[str(growing.path)]).accepted == 1
    assert growing.prompts == ["prompt 0"]
    renamed(growing)
    growing.append(lines(2))
    changed = [str(growing.path), str(growing.inbox / "log.jsonl.1"), str(growing.inbox / "gone.jsonl")]
    assert growing.read(paths=changed).accepted == 1
    assert growing.prompts == ["prompt 0", "prompt 2"]


def test_history_has_one_line_a_day_for_a_log(growing: Log) -> None:
    for number in range(3):
        growing.append(lines(number) + b"{\n")
        growing.read()
    (event,) = growing.store.events.latest(model=MODEL)
    assert event.text == "took in feedback: 3 new, 0 known already, 3 in quarantine (files: 3)"
    assert event.detail["readings"] == 3
