"""An inbox that is left alone: a real observer, real files, and a loop as the daemon has it. Nothing here sleeps."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from adapterd.errors import InputError
from adapterd.feedback.settling import SettleTracker
from adapterd.feedback.watch import FolderWatch
from adapterd.home import Home
from adapterd.intake.ingest import ingest
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.system import mounts

MODEL = "newsbrief-synth"
WAIT_S = 30.0
SETTLE_S = 0.02


class Left:
    """An inbox that nobody looks after but the watch: every hint is followed by a look, and so is a rescan."""

    def __init__(self, root: Path, *, rescan_s: float) -> None:
        self.inbox = root / "inbox"
        self.inbox.mkdir()
        self._home = Home(root / "home")
        self._home.create()
        self.store = Store(self._home.database)
        self._hint = threading.Event()
        self.watch = FolderWatch([self.inbox], self._hint.set)
        self._tracker = SettleTracker()
        self._rescan_s = rescan_s
        self.watch.start()
        self._is_settled = False

    def until(self, is_so: Callable[[], bool]) -> bool:
        """Go on until it is so, or too much time has passed."""
        deadline = time.monotonic() + WAIT_S
        while not is_so() and time.monotonic() < deadline:
            self._hint.wait(self._rescan_s if self._is_settled else SETTLE_S)
            self._hint.clear()
            self._look()
        return is_so()

    def _look(self) -> None:
        self.watch.refresh()
        self._is_settled = True
        with suppress(InputError):
            report = ingest(self.store, self._home, MODEL, self.inbox, settle_s=SETTLE_S, tracker=self._tracker)
            self._is_settled = not report.unsettled

    def prompts(self) -> set[str]:
        return {FeedbackRecord.from_json(row.record).messages[-1].content for row in self.store.feedback.all(MODEL)}

    def has(self, *prompts: str) -> bool:
        """Whether these prompts come to be stored."""
        return self.until(lambda: self.prompts() >= set(prompts))

    def reasons(self) -> list[str]:
        return [note.reason for note in self.store.feedback.quarantined(MODEL)]

    def end(self) -> None:
        self.watch.stop()
        self.watch.join()
        self.store.close()


@pytest.fixture
def left(tmp_path: Path) -> Iterator[Left]:
    """Only events lead to a look: the rescan comes too late."""
    left = Left(tmp_path, rescan_s=2 * WAIT_S)
    assert left.until(lambda: left._is_settled)
    yield left
    left.end()


@pytest.fixture
def rescanned(tmp_path: Path) -> Iterator[Left]:
    """A rescan follows soon where no event comes."""
    left = Left(tmp_path, rescan_s=0.05)
    yield left
    left.end()


def line(prompt: str) -> bytes:
    return b'{"prompt": "%s", "output": "x"}\n' % prompt.encode()


def test_a_file_is_taken_when_it_is_written(left: Left) -> None:
    (left.inbox / "a.jsonl").write_bytes(line("one"))
    assert left.has("one")


def test_a_file_that_is_written_in_pieces_is_taken_as_a_whole(left: Left) -> None:
    with (left.inbox / "a.json").open("wb") as file:
        file.write(b"[" + line("one"))
        file.flush()
        left._look()
        file.write(b"," + line("two") + b"]")
    assert left.has("one", "two")
    assert left.reasons() == []


def test_lines_that_are_appended_are_taken(left: Left) -> None:
    path = left.inbox / "a.jsonl"
    path.write_bytes(line("one"))
    assert left.has("one")
    with path.open("ab") as file:
        file.write(line("two"))
    assert left.has("one", "two")


def test_a_file_that_is_renamed_into_place_is_taken(left: Left) -> None:
    (left.inbox / "a.jsonl.tmp").write_bytes(line("one"))
    assert left.until(lambda: True)
    (left.inbox / "a.jsonl.tmp").rename(left.inbox / "a.jsonl")
    assert left.has("one")


def test_a_folder_of_files_that_is_moved_into_the_inbox_is_taken(left: Left, tmp_path: Path) -> None:
    (tmp_path / "day" / "hour").mkdir(parents=True)
    (tmp_path / "day" / "hour" / "a.jsonl").write_bytes(line("one"))
    (tmp_path / "day").rename(left.inbox / "day")
    assert left.has("one")


def test_a_file_in_folders_that_were_just_made_is_taken(left: Left) -> None:
    (left.inbox / "a" / "b" / "c").mkdir(parents=True)
    (left.inbox / "a" / "b" / "c" / "a.jsonl").write_bytes(line("one"))
    assert left.has("one")


def test_a_renamed_file_doubles_nothing_and_a_deleted_one_takes_nothing_away(left: Left) -> None:
    path = left.inbox / "a.jsonl"
    path.write_bytes(line("one"))
    assert left.has("one")
    path = path.rename(left.inbox / "b.jsonl")
    assert left.until(lambda: str(path) in left.store.feedback.stamps(MODEL))
    path.unlink()
    (left.inbox / "c.jsonl").write_bytes(line("two"))
    assert left.has("two")
    assert left.store.feedback.count(MODEL) == 2


def test_thousands_of_files_at_once_are_all_taken(left: Left) -> None:
    count = 3000
    for number in range(count):
        folder = left.inbox / str(number % 7)
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.jsonl").write_bytes(line(str(number)))
    assert left.has(*map(str, range(count)))
    assert left.store.feedback.count(MODEL) == count


def test_an_inbox_that_is_deleted_and_made_again_is_taken_up_again(left: Left) -> None:
    for name in ("one", "two", "three"):
        shutil.rmtree(left.inbox)
        assert left.until(lambda: left.watch.blind == (left.inbox,))
        left.inbox.mkdir()
        (left.inbox / "a.jsonl").write_bytes(line(name))
        left._hint.set()  # nothing tells of a folder's birth: this stands for the rescan
        assert left.has(name)
        assert left.watch.blind == ()


def test_an_inbox_that_is_deleted_and_made_again_between_two_looks_is_taken_up_again(rescanned: Left) -> None:
    for name in ("one", "two", "three"):
        shutil.rmtree(rescanned.inbox)
        rescanned.inbox.mkdir()
        (rescanned.inbox / "a.jsonl").write_bytes(line(name))
        assert rescanned.has(name)


def test_an_inbox_that_a_link_takes_the_place_of_is_taken_up_again(rescanned: Left, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    rescanned.inbox.rename(tmp_path / "away")
    rescanned.inbox.symlink_to(tmp_path / "other")
    (tmp_path / "other" / "a.jsonl").write_bytes(line("one"))
    assert rescanned.has("one")


def test_an_inbox_that_is_a_file_for_a_while_is_taken_up_again(rescanned: Left) -> None:
    rescanned.inbox.rmdir()
    rescanned.inbox.write_bytes(line("none"))
    assert rescanned.until(lambda: rescanned.watch.blind != ())
    rescanned.inbox.unlink()
    rescanned.inbox.mkdir()
    (rescanned.inbox / "a.jsonl").write_bytes(line("one"))
    assert rescanned.has("one")
    assert rescanned.prompts() == {"one"}


def test_on_a_share_without_events_the_rescan_finds_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "_mounts", lambda: [("/", "smbfs")])
    monkeypatch.setattr("adapterd.feedback.watch._handler", deaf)
    left = Left(tmp_path, rescan_s=0.05)
    assert left.watch.blind == (left.inbox,)
    (left.inbox / "a.jsonl").write_bytes(line("one"))
    assert left.has("one")
    left.end()


def deaf(_: Callable[[], None]) -> tuple[object, list[type]]:
    """The handler of a file system that tells nothing."""
    from watchdog.events import FileSystemEventHandler

    return FileSystemEventHandler(), []


def test_a_refused_run_is_noted_and_all_else_goes_on(left: Left, tmp_path: Path) -> None:
    (tmp_path / "secret.jsonl").write_bytes(line("secret"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.jsonl").write_bytes(line("secret"))
    (left.inbox / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (left.inbox / "folder").symlink_to(tmp_path / "folder")
    os.mkfifo(left.inbox / "pipe.jsonl")
    (left.inbox / "a.jsonl").write_bytes(line("one"))
    assert left.has("one")
    assert left.until(lambda: len(left.reasons()) == 3)
    assert sum("leads out" in reason for reason in left.reasons()) == 2
    assert left.prompts() == {"one"}


def test_a_refused_link_is_taken_once_a_copy_takes_its_place(left: Left, tmp_path: Path) -> None:
    (tmp_path / "outside.jsonl").write_bytes(line("one"))
    link = left.inbox / "a.jsonl"
    link.symlink_to(tmp_path / "outside.jsonl")
    assert left.until(lambda: len(left.reasons()) == 1)
    shutil.copy(link, left.inbox / "copy.tmp")
    (left.inbox / "copy.tmp").replace(link)
    assert left.has("one")
    assert left.until(lambda: left.reasons() == [])


def test_a_file_that_is_written_without_a_pause_is_taken_nevertheless(
    rescanned: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapterd.feedback.settling.LONGEST_WAIT_S", 0.5)
    stop = threading.Event()
    writer = threading.Thread(target=write_without_a_pause, args=(rescanned.inbox / "a.jsonl", stop))
    writer.start()
    try:
        assert rescanned.has("0", "1")
    finally:
        stop.set()
        writer.join()
    total = (rescanned.inbox / "a.jsonl").read_bytes().count(b"\n")
    assert rescanned.until(lambda: rescanned.store.feedback.count(MODEL) == total)
    assert rescanned.reasons() == []


def write_without_a_pause(path: Path, stop: threading.Event) -> None:
    number = 0
    with path.open("wb", buffering=0) as file:
        while not stop.wait(SETTLE_S / 10):
            whole = line(str(number))
            file.write(whole[:15])
            file.write(whole[15:])
            number += 1
