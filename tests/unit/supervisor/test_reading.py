"""The inboxes are read beside the daemon's loop: by what changed, in small transactions, until it is told to end."""

import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapterd.feedback.formats import ReadingOptions
from adapterd.feedback.watch import MOST_CHANGES, Changes, FolderWatch
from adapterd.home import Home
from adapterd.intake import ingest as ingest_module
from adapterd.store import Store
from adapterd.store.feedback import Feedback
from adapterd.supervisor import reading
from adapterd.supervisor.reading import Inbox, InboxReader

MODEL = "news"


def line(number: int, padding: int = 0) -> bytes:
    return b'{"prompt": "p%d", "correction": "x"%b}\n' % (number, b" " * padding)


class Desk:
    """A home with one inbox, whose files were all written long ago."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.home.create()
        self.inbox = self.home.inbox(MODEL)
        self.inbox.mkdir(parents=True)
        self.watch = FolderWatch([self.inbox], lambda: None)
        self.ended = threading.Event()
        self.reader = InboxReader(self.home, ended=self.ended.set)

    def put(self, name: str, content: bytes) -> str:
        (self.inbox / name).write_bytes(content)
        os.utime(self.inbox / name, (1, 1))
        return str(self.inbox / name)

    def begin(self, **folders: Path) -> bool:
        """Begin to read the inboxes of these models, of the one if none is named."""
        inboxes = folders or {MODEL: self.inbox}
        return self.reader.begin(
            {name: Inbox(folder, ReadingOptions(), False) for name, folder in inboxes.items()}, self.watch
        )

    def read(self, **folders: Path) -> bool:
        has_begun = self.begin(**folders)
        self.reader.join()
        return has_begun

    @property
    def count(self) -> int:
        return self.count_of(MODEL)

    def count_of(self, model: str) -> int:
        with Store(self.home.database) as store:
            return store.feedback.count(model)


@pytest.fixture
def reading_desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "home")
    yield made
    made.reader.join()


def test_everything_is_read_at_first_and_then_what_has_changed(reading_desk: Desk) -> None:
    reading_desk.put("a.jsonl", line(1))
    assert reading_desk.read()
    assert (reading_desk.count, reading_desk.ended.is_set(), reading_desk.reader.busy) == (1, True, False)
    unseen, seen = reading_desk.put("b.jsonl", line(2)), reading_desk.put("c.jsonl", line(3))
    assert not reading_desk.read(), "no event told of either"
    reading_desk.watch.changes.add(reading_desk.inbox, [seen])
    assert reading_desk.read()
    assert reading_desk.count == 2
    reading_desk.watch.changes.add(reading_desk.inbox, None)
    reading_desk.read()
    assert (reading_desk.count, unseen != seen) == (3, True)


def test_a_walk_finds_what_no_event_told_of(reading_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "WALK_UNWATCHED_EVERY_S", 0.0)
    monkeypatch.setattr(reading, "WALKS_UNWATCHED_TAKE_A_SHARE_OF", 0)
    reading_desk.read()
    reading_desk.put("a.jsonl", line(1))
    assert reading_desk.reader.due_in_s() <= reading.WALK_EVERY_S
    assert reading_desk.read()
    assert reading_desk.count == 1


def test_a_file_that_has_not_settled_is_looked_at_again(reading_desk: Desk) -> None:
    reading_desk.read()
    (reading_desk.inbox / "a.jsonl").write_bytes(line(1))
    reading_desk.watch.changes.add(reading_desk.inbox, [str(reading_desk.inbox / "a.jsonl")])
    reading_desk.read()
    assert (reading_desk.count, reading_desk.reader.due_in_s() <= reading.SETTLING_S) == (0, True)
    assert not reading_desk.read(), "not before its time"
    reading_desk.put("a.jsonl", line(1))
    reading_desk.watch.changes.add(reading_desk.inbox, [str(reading_desk.inbox / "a.jsonl")])
    reading_desk.read()
    assert reading_desk.count == 1


def test_a_reading_that_is_told_to_end_does_so_at_its_next_look_and_keeps_what_was_taken(
    reading_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading_desk.put("a.jsonl", b"".join(line(number, 400) for number in range(2_000)))
    looks: list[int] = []
    stored: list[int] = []
    original, add_many = InboxReader._look, Feedback.add_many

    def look(self: InboxReader) -> None:
        looks.append(len(stored))
        if stored:
            self._stopping.set()
        original(self)

    def add(self: Feedback, model: str, records: list[object], *more: object) -> int:
        stored.append(len(records))
        return add_many(self, model, records, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(InboxReader, "_look", look)
    monkeypatch.setattr(Feedback, "add_many", add)
    reading_desk.read()
    assert looks.count(1) == 1, "nothing is read after that"
    assert reading_desk.count == sum(stored) == reading.LIMIT.pieces
    assert not reading_desk.begin(), "a daemon that ends begins no reading"
    monkeypatch.undo()
    reading_desk.reader = InboxReader(reading_desk.home)
    reading_desk.read()
    assert reading_desk.count == 2_000


def test_no_transaction_is_larger_than_what_others_can_wait_for(
    reading_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading_desk.put("a.jsonl", b"".join(map(line, range(1_200))))
    for number in range(40):
        reading_desk.put(f"{number}.jsonl", line(10_000 + number))
    stored: list[int] = []
    original = Feedback.add_many

    def add_many(self: Feedback, model: str, records: list[object], *more: object) -> int:
        stored.append(len(records))
        return original(self, model, records, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Feedback, "add_many", add_many)
    reading_desk.read()
    assert (sum(stored), max(stored)) == (1_240, reading.LIMIT.pieces)


def test_the_event_that_ends_a_reading_comes_when_another_may_begin(reading_desk: Desk) -> None:
    was_busy: list[bool] = []
    reading_desk.reader = InboxReader(reading_desk.home, ended=lambda: was_busy.append(reading_desk.reader.busy))
    reading_desk.read()
    assert was_busy == [False]


def test_without_a_model_there_is_nothing_to_be_looked_at(reading_desk: Desk) -> None:
    assert not reading_desk.reader.begin({}, reading_desk.watch)
    assert reading_desk.reader.due_in_s() == math.inf


def test_a_model_that_is_configured_no_more_is_not_waited_for(
    reading_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = reading_desk.home.inbox("mail")
    other.mkdir()
    for name in ("WALK_EVERY_S", "WALKS_TAKE_A_SHARE_OF"):
        monkeypatch.setattr(reading, name, 0)
    reading_desk.read(news=reading_desk.inbox, mail=other)
    assert reading_desk.reader.due_in_s() == 0
    reading_desk.read()
    assert reading_desk.reader.due_in_s() > 0


def test_what_comes_into_an_inbox_of_two_models_is_read_for_both(reading_desk: Desk) -> None:
    shared = {"news": reading_desk.inbox, "mail": reading_desk.inbox}
    reading_desk.read(**shared)
    reading_desk.watch.changes.add(reading_desk.inbox, [reading_desk.put("a.jsonl", line(1))])
    assert reading_desk.read(**shared)
    assert [reading_desk.count_of(name) for name in shared] == [1, 1]


def test_each_of_two_models_waits_for_itself_for_a_file_to_rest(
    reading_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    trackers: list[object] = []
    original = ingest_module.ingest

    def ingest(*given: Any, tracker: object, **more: Any) -> object:
        trackers.append(tracker)
        return original(*given, tracker=tracker, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "ingest", ingest)
    reading_desk.read(news=reading_desk.inbox, mail=reading_desk.inbox)
    assert len(set(map(id, trackers))) == 2, "a reading for one of them does not make the other wait anew"


def test_a_model_with_another_folder_looks_at_nothing_of_the_first(
    reading_desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reading_desk.read()
    (reading_desk.inbox / "a.jsonl").write_bytes(line(1))
    reading_desk.watch.changes.add(reading_desk.inbox, [str(reading_desk.inbox / "a.jsonl")])
    reading_desk.read()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "b.jsonl").write_bytes(line(2))
    os.utime(elsewhere / "b.jsonl", (1, 1))
    assert reading_desk.read(news=elsewhere), "no event is needed"
    assert (reading_desk.count, caplog.messages) == (1, [])


def test_what_nobody_thought_of_is_said_and_keeps_no_other_model_from_being_read(
    reading_desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    other = reading_desk.home.inbox("mail")
    other.mkdir()
    (other / "a.jsonl").write_bytes(line(1))
    os.utime(other / "a.jsonl", (1, 1))
    original = ingest_module.ingest

    def ingest(store: Store, home: Home, model: str, *given: Any, **more: Any) -> object:
        if model == MODEL:
            raise ValueError("nobody thought of this")
        return original(store, home, model, *given, **more)

    monkeypatch.setattr(reading, "ingest", ingest)
    reading_desk.read(news=reading_desk.inbox, mail=other)
    assert (reading_desk.count_of("mail"), reading_desk.reader.busy, reading_desk.ended.is_set()) == (1, False, True)
    assert caplog.messages == ["news: feedback could not be read this time: nobody thought of this"]
    assert reading_desk.reader.due_in_s() > 0, "it is not tried again at once"
    assert not reading_desk.begin(news=reading_desk.inbox, mail=other)


def test_changes_are_paths_and_of_too_many_everything() -> None:
    changes, folder = Changes(), Path("/inbox")
    changes.add(folder, ["/inbox/a"])
    changes.add(folder, ["/inbox/b"])
    assert changes.take(folder) == frozenset({"/inbox/a", "/inbox/b"})
    assert changes.take(folder) == frozenset()
    changes.add(folder, map(str, range(MOST_CHANGES + 1)))
    assert changes.take(folder) is None
    changes.add(folder, None)
    changes.add(folder, ["/inbox/a"])
    assert changes.take(folder) is None
