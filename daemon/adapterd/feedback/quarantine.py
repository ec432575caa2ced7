"""Quarantine: what cannot be used is kept byte for byte, under a name made from its content."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapterd.errors import StoreError
from adapterd.feedback.inbox import InboxFile
from adapterd.system.files import clone_atomic, write_atomic

MAX_EXCERPT = 200


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

    Returns the name in the folder, empty if the file itself cannot be read; raises StoreError if it cannot be kept.
    """
    identity = f"{file.name}\n{file.size_bytes}\n{file.mtime_ns}"
    name = f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}{file.path.suffix}"
    if not _readable(file.path):
        return ""
    with _made(folder):
        if not (folder / name).exists():
            clone_atomic(file.path, folder / name)
    return name


def excerpt(raw: bytes) -> str:
    """The beginning of the bytes for people to recognise them by: at most MAX_EXCERPT printable characters."""
    text = " ".join(raw[: 4 * MAX_EXCERPT].decode(errors="replace").split())[:MAX_EXCERPT]
    return "".join(character if character.isprintable() else "�" for character in text)


def excerpt_of_file(path: Path) -> str:
    """The same of a whole file; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return excerpt(file.read(4 * MAX_EXCERPT))
    except OSError:
        return ""


def _readable(path: Path) -> bool:
    try:
        path.open("rb").close()
    except OSError:
        return False
    return True


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        yield
    except OSError as exc:
        raise StoreError(f"the quarantine {folder} cannot be written: {exc.strerror}") from exc
