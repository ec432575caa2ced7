"""Quarantine: what cannot be used is kept byte for byte, under a name made from its content."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from adapterd.errors import StoreError
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


def keep_file(folder: Path, file: InboxFile) -> str:
    """Keep the whole file as it is now (0600), without using up space where the file system can share it.

    A later state of the file replaces the earlier one, to which no note refers any more, so that a file that grows
    from day to day does not fill the disk. Returns the name in the folder, empty if the file cannot be read or is too
    large to be kept twice; raises StoreError if it cannot be kept.
    """
    name = f"{hashlib.sha256(file.name.encode()).hexdigest()[:16]}{file.path.suffix}"
    stream = _opened(file)
    if stream is None:
        return ""
    with stream:
        stamp = stamp_of(os.fstat(stream.fileno()))
        if stamp[0] > MAX_KEPT_BYTES:
            return ""
        with _made(folder):
            if _stamp(folder / name) != stamp:
                clone_open(stream, folder / name)
    return name


def excerpt(raw: bytes) -> str:
    """The beginning of the bytes for people to recognise them by: at most MAX_EXCERPT printable characters."""
    text = " ".join(raw[: 4 * MAX_EXCERPT].decode(errors="replace").split())[:MAX_EXCERPT]
    return "".join(character if character.isprintable() else "�" for character in text)


def excerpt_of_file(file: InboxFile) -> str:
    """The same of a whole file; empty if it cannot be read."""
    try:
        with file.open() as stream:
            return excerpt(stream.read(4 * MAX_EXCERPT))
    except OSError:
        return ""


def _opened(file: InboxFile) -> BinaryIO | None:
    """The file as it was checked on opening: by its name something else might be found a moment later."""
    try:
        return file.open()
    except OSError:
        return None


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
