"""Files that keep changing: they are waited for, but not for ever, and large ones are not read at every change."""

import os
from pathlib import Path

import pytest

from adapterd.feedback import settling as room
from adapterd.feedback.inbox import pending
from adapterd.feedback.listing import InboxFile
from adapterd.feedback.settling import SettleTracker

WALL_S = 1_000_000.0


class Looks:
    """An inbox that is looked at again and again; `at` is the seconds that have passed."""

    def __init__(self, inbox: Path) -> None:
        self.inbox = inbox
        self.at = 0.0
        self.wall_ahead_s = 0.0
        self.tracker = SettleTracker(lambda: self.at)
        self.read: dict[str, tuple[int, int]] = {}

    def write(self, name: str, size_bytes: int = 10, *, ahead_s: float = 0.0) -> None:
        path = self.inbox / name
        path.touch()
        os.truncate(path, size_bytes)
        changed_ns = round((WALL_S + self.at + ahead_s) * 1e9)
        os.utime(path, ns=(changed_ns, changed_ns))

    def look(self) -> list[InboxFile]:
        """What is given to be read, which counts as read."""
        now = WALL_S + self.at + self.wall_ahead_s
        ready = pending(self.inbox, self.read.get, now=now, settle_s=1.0, tracker=self.tracker).ready
        self.read |= {file.name: (file.size_bytes, 0 if file.is_growing else file.mtime_ns) for file in ready}
        return list(ready)

    def looks(self, name: str, seconds: int, *, size_bytes: int = 10, every_s: int = 1) -> list[int]:
        """The seconds at which a file was given that changed every so often."""
        given = []
        for _ in range(seconds):
            if self.at % every_s == 0:
                self.write(name, size_bytes + int(self.at))
            self.at += 1
            given += [int(self.at) for _ in self.look()]
        return given


@pytest.fixture
def looks(tmp_path: Path) -> Looks:
    return Looks(tmp_path)


def changing(looks: Looks, name: str, seconds: int) -> list[InboxFile]:
    """What is given of a file that changes half a second before every look."""
    given = []
    for _ in range(seconds):
        looks.at += 0.5
        looks.write(name, 10 + int(looks.at))
        looks.at += 0.5
        given += looks.look()
    return given


def test_a_file_is_given_once_it_is_at_rest(looks: Looks) -> None:
    looks.write("a.jsonl")
    looks.at = 0.9
    assert looks.look() == []
    looks.at = 1.0
    (file,) = looks.look()
    assert not file.is_growing
    assert looks.look() == []


def test_a_file_of_lines_that_never_rests_is_given_every_minute_and_once_more_at_the_end(looks: Looks) -> None:
    given = changing(looks, "a.jsonl", 200)
    assert [file.is_growing for file in given] == [True] * 3
    looks.at += 2
    (last,) = looks.look()
    assert not last.is_growing


def test_a_document_that_never_rests_is_never_given(looks: Looks) -> None:
    assert changing(looks, "a.json", 200) == []


def test_a_small_file_is_given_after_every_change(looks: Looks) -> None:
    assert looks.looks("a.jsonl", 30, every_s=10) == [1, 11, 21]


def test_a_large_file_that_is_known_rests_longer_before_it_is_given_again(looks: Looks) -> None:
    size_bytes = 5 * room.REREAD_BYTES_PER_S
    assert looks.looks("a.jsonl", 30, size_bytes=size_bytes, every_s=10) == [1, 16, 26]


def test_a_large_file_that_is_changed_all_the_time_is_given_seldom(looks: Looks) -> None:
    size_bytes = 100 * room.REREAD_BYTES_PER_S
    given = looks.looks("a.jsonl", 700, size_bytes=size_bytes, every_s=5)
    assert given[0] == 1
    assert 5 <= len(given) <= 7


def test_a_time_in_the_future_does_not_keep_a_file_from_being_given(looks: Looks) -> None:
    looks.write("a.jsonl", ahead_s=3600)
    assert looks.look() == []
    looks.at += 1
    assert len(looks.look()) == 1


def test_a_wall_clock_that_is_set_back_does_not_keep_a_file_from_being_given(looks: Looks) -> None:
    looks.write("a.jsonl")
    looks.look()
    looks.wall_ahead_s = -86_400
    looks.at += 1
    assert len(looks.look()) == 1


def test_a_wall_clock_that_is_behind_the_times_of_files_does_not_have_them_given_at_every_change(looks: Looks) -> None:
    looks.wall_ahead_s = -3600
    assert len(changing(looks, "a.jsonl", 100)) == 1


def test_inboxes_do_not_make_each_other_forget(tmp_path: Path) -> None:
    one, two = Looks(tmp_path / "one"), Looks(tmp_path / "two")
    two.tracker = one.tracker
    for each in (one, two):
        each.inbox.mkdir()
        each.write("a.jsonl", ahead_s=3600)
        assert each.look() == []
    one.at = two.at = 1.0
    assert [len(each.look()) for each in (one, two)] == [1, 1]


def test_a_file_that_has_gone_is_forgotten(looks: Looks) -> None:
    looks.write("a.jsonl")
    looks.look()
    (looks.inbox / "a.jsonl").unlink()
    looks.look()
    assert looks.tracker._seen == {looks.inbox: {}}
