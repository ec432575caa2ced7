"""The inbox: a folder into which applications put files, whenever and however they like."""

import os
import stat
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from adapterd.errors import InputError
from adapterd.feedback.reader import ENDINGS
from adapterd.system.files import clone_atomic, sha256_file, write_atomic


@dataclass(frozen=True)
class InboxFile:
    """A file to be read, as it was before it is read: should it change meanwhile, it is read once more."""

    path: Path
    size_bytes: int
    mtime_ns: int

    @property
    def name(self) -> str:
        """The path as text that a database takes, even where the file system's names are not UTF-8."""
        return os.fsencode(self.path).decode(errors="backslashreplace")

    @property
    def stamp(self) -> tuple[int, int]:
        """Size in bytes and time of change in nanoseconds: what tells that a file is not what it was."""
        return self.size_bytes, self.mtime_ns


@dataclass(frozen=True)
class Pending:
    """New and changed files, longest unchanged first; those in `unsettled` may still be being written."""

    ready: tuple[InboxFile, ...]
    unsettled: tuple[Path, ...]


def pending(
    folder: Path, known: Callable[[str], tuple[int, int] | None], *, now: float, settle_s: float = 1.0
) -> Pending:
    """The files in the folder and below it whose stamp is not the one that is known for their name.

    `now` is in seconds since the epoch. A file is settled when its time of change is `settle_s` seconds from now,
    on either side: a clock that is ahead must not hide it for ever. Raises InputError if there is no such folder.
    """
    changed = [file for file in _files(folder) if known(file.name) != file.stamp]
    changed.sort(key=lambda file: (file.mtime_ns, file.path))
    settled = [abs(now - file.mtime_ns / 1e9) >= settle_s for file in changed]
    return Pending(
        ready=tuple(file for file, is_settled in zip(changed, settled, strict=True) if is_settled),
        unsettled=tuple(file.path for file, is_settled in zip(changed, settled, strict=True) if not is_settled),
    )


def drop(folder: Path, records: bytes, *, suffix: str = ".jsonl") -> Path:
    """Put records into the inbox as a new file (0600), in one step; raises InputError if that is impossible."""
    target = folder / f"feedback-{uuid.uuid4().hex}{suffix}"
    try:
        write_atomic(target, records)
    except OSError as exc:
        raise InputError(f"{folder} cannot be written: {exc.strerror}") from exc
    return target


def adopt(folder: Path, source: Path) -> Path:
    """Copy a file into the inbox in one step, named by its content, so that importing it again changes nothing.

    Raises InputError for an ending that is not read, or if the copy is impossible.
    """
    if source.suffix.lower() not in ENDINGS:
        raise InputError(f"{source} is none of: {', '.join(ENDINGS)}", hint="feedback is JSON or JSON Lines")
    try:
        target = folder / f"import-{sha256_file(source)[:16]}-{source.name.lstrip('.')}"
        if not target.exists():
            clone_atomic(source, target)
    except OSError as exc:
        raise InputError(f"{source} cannot be copied into {folder}: {exc.strerror}") from exc
    return target


def _files(folder: Path) -> Iterator[InboxFile]:
    if not folder.is_dir():
        raise InputError(f"the feedback folder {folder} does not exist", hint="create it, or correct the configuration")
    inside = folder.resolve()
    for parent, subfolders, names in os.walk(folder, onerror=_refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in ENDINGS:
                yield from _file(Path(parent, name), inside)


def _refuse(exc: OSError) -> None:
    if not isinstance(exc, FileNotFoundError):
        raise InputError(f"the feedback folder {exc.filename} cannot be read: {exc.strerror}") from exc


def _file(path: Path, inside: Path) -> Iterator[InboxFile]:
    """The file, unless it is not a regular one, has gone, or is a link to somewhere outside."""
    try:
        status = path.stat()
    except OSError:
        return
    if stat.S_ISREG(status.st_mode) and (not path.is_symlink() or path.resolve().is_relative_to(inside)):
        yield InboxFile(path, status.st_size, status.st_mtime_ns)
