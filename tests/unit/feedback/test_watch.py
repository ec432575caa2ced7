"""Hints from a real observer. The tests wait for them, and never sleep."""

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import watchdog.observers
from watchdog.events import FileClosedNoWriteEvent, FileOpenedEvent

from adapterd.feedback import watch
from adapterd.feedback.watch import FolderWatch
from adapterd.system import mounts

NOWHERE: tuple[Path, ...] = ()
WAIT_S = 20.0


class Watching:
    """A started watch, and a way to wait for its next hint."""

    def __init__(self, *folders: Path) -> None:
        self.hint = threading.Event()
        self.watch = FolderWatch(folders, self.hint.set)

    def hinted(self) -> bool:
        arrived = self.hint.wait(WAIT_S)
        self.hint.clear()
        return arrived

    def end(self) -> None:
        self.watch.stop()
        self.watch.join()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def watching(inbox: Path) -> Iterator[Watching]:
    watching = Watching(inbox)
    watching.watch.start()
    yield watching
    watching.end()


def test_a_new_file_is_hinted_at(watching: Watching, inbox: Path) -> None:
    (inbox / "a.jsonl").write_bytes(b"{}")
    assert watching.hinted()


def test_an_appended_file_is_hinted_at(inbox: Path) -> None:
    (inbox / "a.jsonl").write_bytes(b"{}\n")
    watching = Watching(inbox)
    watching.watch.start()
    with (inbox / "a.jsonl").open("ab") as file:
        file.write(b"{}\n")
    assert watching.hinted()
    watching.end()


def test_a_file_that_is_renamed_into_place_is_hinted_at(watching: Watching, inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"{}")
    (tmp_path / "a.jsonl").rename(inbox / "a.jsonl")
    assert watching.hinted()


def test_a_file_in_a_new_subfolder_is_hinted_at(watching: Watching, inbox: Path) -> None:
    (inbox / "sub").mkdir()
    (inbox / "sub" / "a.jsonl").write_bytes(b"{}")
    assert watching.hinted()


def test_opening_and_reading_a_file_is_no_reason_to_hint() -> None:
    _, kinds = watch._handler(lambda _paths: None)
    assert not {FileOpenedEvent, FileClosedNoWriteEvent} & set(kinds)


def test_a_folder_behind_a_link_is_watched(inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(inbox, target_is_directory=True)
    watching = Watching(tmp_path / "link")
    watching.watch.start()
    (inbox / "a.jsonl").write_bytes(b"{}")
    assert watching.hinted()
    watching.end()


def test_a_folder_that_two_models_share_under_two_names_is_watched(inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(inbox, target_is_directory=True)
    watching = Watching(inbox, inbox, tmp_path / "link")
    watching.watch.start()
    inbox.rename(tmp_path / "away")
    watching.watch.refresh()
    inbox.mkdir()
    watching.watch.refresh()
    assert watching.hinted()
    watching.end()


def test_a_missing_folder_is_hinted_at_when_it_appears_and_watched_from_then_on(tmp_path: Path) -> None:
    watching = Watching(tmp_path / "later")
    watching.watch.start()
    watching.watch.refresh()
    assert not watching.hint.is_set()
    (tmp_path / "later").mkdir()
    watching.watch.refresh()
    assert watching.hinted()
    (tmp_path / "later" / "a.jsonl").write_bytes(b"{}")
    assert watching.hinted()
    watching.end()


def test_a_folder_that_was_replaced_is_watched_again(watching: Watching, inbox: Path, tmp_path: Path) -> None:
    inbox.rename(tmp_path / "away")
    inbox.mkdir()
    watching.watch.refresh()
    assert watching.hinted()
    (inbox / "a.jsonl").write_bytes(b"{}")
    assert watching.hinted()


def test_a_refresh_without_news_hints_at_nothing(watching: Watching) -> None:
    watching.watch.refresh()
    watching.end()
    assert not watching.hint.is_set()


def test_nothing_is_hinted_at_after_the_end(watching: Watching, inbox: Path) -> None:
    watching.end()
    (inbox / "a.jsonl").write_bytes(b"{}")
    watching.watch.refresh()
    assert not watching.hint.is_set()


def test_ending_a_watch_twice_or_before_it_began_is_harmless(inbox: Path) -> None:
    watching = Watching(inbox)
    watching.end()
    watching.watch.start()
    watching.watch.stop()
    watching.end()
    watching.end()


def test_a_folder_that_was_deleted_and_made_again_is_watched_again(watching: Watching, inbox: Path) -> None:
    for _ in range(3):
        inbox.rmdir()
        assert watching.hinted()
        watching.watch.refresh()
        assert watching.watch.blind == (inbox,)
        inbox.mkdir()
        watching.watch.refresh()
        assert watching.hinted()
        (inbox / "a.jsonl").write_bytes(b"{}")
        assert watching.hinted()
        (inbox / "a.jsonl").unlink()


def test_a_folder_that_a_link_took_the_place_of_is_watched(watching: Watching, inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    inbox.rmdir()
    inbox.symlink_to(tmp_path / "elsewhere")
    assert watching.hinted()
    watching.watch.refresh()
    assert watching.hinted()
    (tmp_path / "elsewhere" / "a.jsonl").write_bytes(b"{}")
    assert watching.hinted()


def test_a_file_in_the_place_of_the_folder_is_blind_until_there_is_a_folder(inbox: Path) -> None:
    inbox.rmdir()
    inbox.touch()
    watching = Watching(inbox)
    watching.watch.start()
    assert watching.watch.blind == (inbox,)
    inbox.unlink()
    inbox.mkdir()
    watching.watch.refresh()
    assert watching.hinted()
    assert watching.watch.blind == NOWHERE
    watching.end()


def test_folders_of_every_name_are_watched(tmp_path: Path) -> None:
    folders = [tmp_path / "new\nline", tmp_path / ("x" * 255), tmp_path / "ü"]
    for folder in folders:
        folder.mkdir()
    watching = Watching(*folders)
    watching.watch.start()
    for folder in folders:
        (folder / "a.jsonl").touch()
        assert watching.hinted()
    watching.end()


def out_of_watches(*args: object, **kwargs: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_folders_are_blind_where_the_system_has_no_more_observers_and_watched_as_soon_as_it_has(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = Watching(inbox)
    with monkeypatch.context() as scarce:
        scarce.setattr(watchdog.observers, "Observer", out_of_watches)
        watching.watch.start()
        watching.watch.refresh()
    assert watching.watch.blind == (inbox,)
    watching.watch.refresh()
    assert watching.hinted()
    assert watching.watch.blind == NOWHERE
    watching.end()


def test_a_folder_is_blind_where_the_system_has_no_more_watches(
    watching: Watching, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Watching(inbox, tmp_path / "later")
    both.watch.start()
    (tmp_path / "later").mkdir()
    with monkeypatch.context() as scarce:
        scarce.setattr(type(both.watch._observer), "schedule", out_of_watches)
        both.watch.refresh()
        assert both.watch.blind == (tmp_path / "later",)
    both.watch.refresh()
    assert both.hinted()
    assert both.watch.blind == NOWHERE
    both.end()


def test_a_folder_on_a_share_is_blind_and_yet_hints_at_what_is_written_here(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "_mounts", lambda: [("/", "nfs4")])
    watching = Watching(inbox)
    watching.watch.start()
    assert watching.watch.blind == (inbox,)
    (inbox / "a.jsonl").touch()
    assert watching.hinted()
    watching.end()


def test_the_room_does_not_load_watchdog_until_it_watches() -> None:
    code = (
        "import sys; import adapterd.record, adapterd.feedback.formats, adapterd.feedback.watch, "
        "adapterd.intake.ingest; heavy = {'watchdog', 'numpy', 'mlx', 'llama_cpp', 'pydantic'}; "
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
