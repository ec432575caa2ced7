"""A file that somebody names: opened once, at once, and only if it is one."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from adapterd.errors import InputError
from adapterd.system.files import open_given, read_given


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def a_sparse_file(path: Path) -> None:
    path.touch()
    os.truncate(path, 3 << 30)


ODD: dict[str, tuple[str, Callable[[Path], object]]] = {
    "pipe": ("is a pipe, not a file", os.mkfifo),
    "folder": ("is a folder, not a file", Path.mkdir),
    "device": ("is a device, not a file", lambda path: path.symlink_to("/dev/zero")),
    "terminal": ("is a device, not a file", lambda path: path.symlink_to("/dev/ptmx")),
    "socket": ("is a socket, not a file", a_socket),
    "loop": ("cannot be read: Too many levels of symbolic links", lambda path: path.symlink_to(path.name)),
    "nothing": ("is not there", lambda path: path.symlink_to("nowhere")),
    "sparse": ("has 3221225472 bytes, and 1000 are the most that is read", a_sparse_file),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    said, make = ODD[kind]
    make(path := Path("odd"))
    with pytest.raises(InputError, match=f"^odd {said}$"):
        read_given(path, 1000)


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    for name in ("a\0b", "x" * 300):
        with pytest.raises(InputError, match="cannot be read"):
            open_given(tmp_path / name)


def test_a_pipe_that_takes_the_place_of_a_file_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the opening."""
    path, opened = tmp_path / "file", os.open
    path.write_text("x")

    def swapped(name: Path, flags: int) -> int:
        path.unlink()
        os.mkfifo(path)
        return opened(name, flags)

    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(InputError, match="is a pipe, not a file"):
        open_given(path)


def test_what_was_opened_is_read_whatever_has_its_name_by_then(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("first")
    with open_given(path) as stream:
        path.unlink()
        path.write_text("second")
        assert stream.read() == b"first"


def test_a_link_to_a_file_is_followed_as_a_person_means_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    assert read_given(tmp_path / "link", 1) == b"x"


def test_a_file_that_grows_while_it_is_read_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, opened = tmp_path / "file", os.open
    path.write_bytes(b"x" * 1000)

    def growing(name: Path, flags: int) -> int:
        handle = opened(name, flags)
        monkeypatch.setattr(os, "fstat", lambda _: before)
        with path.open("ab") as file:
            file.write(b"y")
        return handle

    before = path.stat()
    monkeypatch.setattr(os, "open", growing)
    with pytest.raises(InputError, match="grew while it was read, to more than 1000 bytes"):
        read_given(path, 1000)


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch(mode=0o000)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        open_given(path)
