"""Quarantine: what cannot be used is kept byte for byte, under a name made from its content."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from adapterd.errors import StoreError
from adapterd.feedback.following.open_file import OpenFile
from adapterd.feedback.listing import InboxFile, stamp_of
from adapterd.system.files import clone_open, write_atomic

MAX_EXCERPT = 200
MAX_KEPT_BYTES = 256 << 20
"""Larger files are not copied: they stay where they are, and a copy could fill the disk."""


def keep(folder: Path, raw: bytes) -> str:
    """Keep the bytes (0600), once; returns the file's name in the folder, which is made (0700) if it is missing.

    Raises StoreError if that is impossible.
    """
    name = f"{hashlib.sha256(raw).hexdigest()[:16]}.raw"
    with _made(folder):
        if not (folder / name).exists():
            write_atomic(folder / name, raw)
    return name


def keep_file(folder: Path, file: InboxFile, opened: OpenFile) -> str:
    """Keep the whole file that was opened (0600), without using up space where the file system can share it.

    A later state of the file replaces the earlier one, to which no note refers any more, so that a file that grows
    from day to day does not fill the disk. Returns the name in the folder, empty if the file is too large to be kept
    twice; raises StoreError if it cannot be kept.
    """
    name, stamp = name_of_copy(file.name), stamp_of(opened.status())
    if stamp[0] > MAX_KEPT_BYTES:
        return ""
    with _made(folder), opened.stream() as stream:
        if _stamp(folder / name) != stamp:
            clone_open(stream, folder / name)
    return name


def name_of_copy(file: str) -> str:
    """The name of the copy of a whole file."""
    return f"{hashlib.sha256(file.encode()).hexdigest()[:16]}{Path(file).suffix}"


def move_copy(folder: Path, old: str, new: str) -> None:
    """Follow a file to its new name with the copy that is kept of it; raises StoreError."""
    with _made(folder), suppress(FileNotFoundError):
        (folder / name_of_copy(old)).replace(folder / name_of_copy(new))


def excerpt(raw: bytes) -> str:
    """The beginning of the bytes for people to recognise them by: at most MAX_EXCERPT printable characters."""
    text = " ".join(raw[: 4 * MAX_EXCERPT].decode(errors="replace").split())[:MAX_EXCERPT]
    return "".join(character if character.isprintable() else "�" for character in text)


def excerpt_of_file(file: InboxFile, opened: OpenFile) -> str:
    """The same of a whole file that was opened; empty if it is packed."""
    return "" if file.kind.is_packed else excerpt(opened.bytes_at(0, 4 * MAX_EXCERPT))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        return stamp_of(path.stat())
    except FileNotFoundError:
        return None


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        yield
    except OSError as exc:
        raise StoreError(f"the quarantine {folder} cannot be written: {exc.strerror}") from exc
