"""What cannot be used is kept as it came."""

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.errors import StoreError
from adapterd.feedback import quarantine
from adapterd.feedback.following.open_file import OpenFile
from adapterd.feedback.listing import InboxFile


def inbox_file(path: Path, content: bytes) -> InboxFile:
    path.write_bytes(content)
    return InboxFile(path, len(content), path.stat().st_mtime_ns)


def keep_file(folder: Path, file: InboxFile) -> str:
    with OpenFile(file) as opened:
        return quarantine.keep_file(folder, file, opened)


def excerpt_of_file(file: InboxFile) -> str:
    with OpenFile(file) as opened:
        return quarantine.excerpt_of_file(file, opened)


def test_bytes_are_kept_privately_under_a_name_made_of_them(tmp_path: Path) -> None:
    name = quarantine.keep(tmp_path, b"\xff{")
    assert name == "b26f99543485cab0.raw"
    assert (tmp_path / name).read_bytes() == b"\xff{"
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_missing_folder_is_made_private(tmp_path: Path) -> None:
    quarantine.keep(tmp_path / "model", b"x")
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o700


def test_the_same_bytes_are_kept_once(tmp_path: Path) -> None:
    first = quarantine.keep(tmp_path, b"x")
    kept_at = (tmp_path / first).stat().st_ino
    assert quarantine.keep(tmp_path, b"x") == first
    assert (tmp_path / first).stat().st_ino == kept_at


def test_a_whole_file_is_kept_privately_with_its_ending(tmp_path: Path) -> None:
    file = inbox_file(tmp_path / "a.json", b"\0" * 5000)
    name = keep_file(tmp_path, file)
    assert name.endswith(".json")
    assert len(name) == len("0123456789abcdef.json")
    assert (tmp_path / name).read_bytes() == b"\0" * 5000
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_later_state_of_a_file_replaces_the_earlier(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    names = {keep_file(tmp_path / "kept", inbox_file(path, content)) for content in (b"[", b"[1")}
    assert {path.name: path.read_bytes() for path in (tmp_path / "kept").iterdir()} == {names.pop(): b"[1"}
    assert not names


def test_the_same_state_of_a_file_is_kept_once(tmp_path: Path) -> None:
    file = inbox_file(tmp_path / "a.json", b"[")
    kept = tmp_path / keep_file(tmp_path, file)
    kept_at = kept.stat().st_ino
    keep_file(tmp_path, file)
    assert kept.stat().st_ino == kept_at


def test_a_file_that_would_fill_the_disk_is_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.touch()
    os.truncate(path, 10 << 30)
    assert keep_file(tmp_path / "kept", InboxFile(path, 10 << 30, path.stat().st_mtime_ns)) == ""
    assert list(tmp_path.iterdir()) == [path]


def test_a_quarantine_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"the quarantine .*/nowhere/model cannot be written: No such file"):
        quarantine.keep(tmp_path / "nowhere" / "model", b"x")


def test_an_excerpt_shows_the_beginning_on_one_line() -> None:
    assert quarantine.excerpt(b'{"a":\n\t"\xc3\xa9"}' + b"x" * 1000) == ('{"a": "é"}' + "x" * 190)


def test_an_excerpt_of_a_file_is_that_of_its_beginning(tmp_path: Path) -> None:
    file = inbox_file(tmp_path / "a.json", b"ab\0" + b"c" * 5000)
    assert excerpt_of_file(file) == "ab�" + "c" * 197


@given(st.binary(max_size=2000))
def test_an_excerpt_is_always_short_and_printable(raw: bytes) -> None:
    shown = quarantine.excerpt(raw)
    assert len(shown) <= 200
    assert shown.isprintable()


@pytest.mark.parametrize("becomes", ["pipe", "link", "another file", "nothing"])
def test_the_kept_file_is_the_one_that_was_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, becomes: str
) -> None:
    """Whatever takes its name right after it was opened: a pipe would be waited for, a link followed."""
    file = inbox_file(tmp_path / "a.json", b"checked")
    (tmp_path / "secret").write_bytes(b"secret")

    def opened_and_then_gone(opened: InboxFile) -> BinaryIO:
        stream = original(opened)
        file.path.unlink()
        if becomes == "pipe":
            os.mkfifo(file.path)
        elif becomes == "link":
            file.path.symlink_to(tmp_path / "secret")
        elif becomes == "another file":
            file.path.write_bytes(b"another")
        return stream

    original = InboxFile.open
    monkeypatch.setattr(InboxFile, "open", opened_and_then_gone)
    with kept_within_seconds():
        name = keep_file(tmp_path / "kept", file)
    assert (tmp_path / "kept" / name).read_bytes() == b"checked"


@contextmanager
def kept_within_seconds() -> Iterator[None]:
    """Whoever waits for the other end of a pipe is interrupted, so that the test fails rather than hangs."""

    def interrupt(*_: object) -> None:
        raise TimeoutError("it waits for something that never comes")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(20)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_a_file_that_became_too_large_since_it_was_listed_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "MAX_KEPT_BYTES", 10)
    file = inbox_file(tmp_path / "a.json", b"small")
    file.path.write_bytes(b"x" * 11)
    assert keep_file(tmp_path / "kept", file) == ""
    assert not (tmp_path / "kept").exists()
