"""Lists an inbox: the files to be read, and what is refused, each with the reason.

Only names and attributes are read. Nothing is opened, so that no pipe can block, and no link is followed out.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from adapterd.errors import InputError

ENDINGS = (".json", ".jsonl", ".ndjson")
BUFFER_BYTES = 1 << 16

_READING = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
Attributes = os.stat_result
_LARGEST = (1 << 63) - 1  # what a database takes; times beyond the year 2262 are beyond it in nanoseconds
_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


@dataclass(frozen=True)
class InboxFile:
    """A file to be read, as it was before it is read: should it change meanwhile, it is read once more.

    One that `is_growing` was not at rest, so that its last line may be half there. `link_to` is the device and inode
    of what a link within the inbox led to, None if the file is no link. `inbox` is the folder below which it was found.
    """

    path: Path
    size_bytes: int
    mtime_ns: int
    is_growing: bool = False
    link_to: tuple[int, int] | None = None
    inbox: Path | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The path as text that a database takes, even where the file system's names are not UTF-8."""
        return name_of(str(self.path))

    @property
    def stamp(self) -> tuple[int, int]:
        """Size in bytes and time of change in nanoseconds: it shows whether a file has changed."""
        return self.size_bytes, self.mtime_ns

    @property
    def has_lines(self) -> bool:
        """Whether every line stands for itself, so that the file is of use before it is whole."""
        return self.path.suffix.lower() != ".json"

    def open(self) -> BinaryIO:
        """The file for reading; raises OSError, also if a link, a pipe or the like has taken its place since, or that
        of a folder on the way to it."""
        if self.link_to or self.inbox is None:
            handle = os.open(self.path, _READING | (0 if self.link_to else os.O_NOFOLLOW))
        else:
            handle = _opened_below(self.inbox, self.path)
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or self.link_to not in (None, _identity(status)):
            os.close(handle)
            raise FileNotFoundError(0, "something else has taken its place")
        return os.fdopen(handle, "rb", BUFFER_BYTES)


def _opened_below(folder: Path, path: Path) -> int:
    """A descriptor of the file, reached from the folder step by step without following any link."""
    *parents, name = path.relative_to(folder).parts
    parent = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for each in parents:
            child = os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=parent)
            os.close(parent)
            parent = child
        return os.open(name, _READING | os.O_NOFOLLOW, dir_fd=parent)
    finally:
        os.close(parent)


def name_of(path: str) -> str:
    """A path as text that a database takes."""
    return path if path.isascii() else os.fsencode(path).decode(errors="backslashreplace")


def stamp_of(status: Attributes) -> tuple[int, int]:
    """Size in bytes and time of change in nanoseconds, such as a database takes them."""
    return status.st_size, max(min(status.st_mtime_ns, _LARGEST), -_LARGEST)


def inbox_file(path: str, status: Attributes, inbox: Path | None = None) -> InboxFile:
    """A file that `walk` found below the inbox."""
    link_to = _identity(status) if os.path.islink(path) else None  # noqa: PTH114 - it need not be a path to be asked
    return InboxFile(Path(path), *stamp_of(status), link_to=link_to, inbox=inbox)


def walk(folder: Path) -> Iterator[tuple[str, Attributes | str]]:
    """Every feedback file in the folder and below it, with its attributes, or the reason why it is refused.

    Hidden files and those of other endings are passed over. Raises InputError if the folder itself cannot be listed.
    """
    _check(folder)
    inside = folder.resolve()
    folders = [str(folder)]
    while folders:
        parent = folders.pop()
        try:
            with os.scandir(parent) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif found := _inspect(entry, inside):
                        yield entry.path, found
        except FileNotFoundError:
            continue
        except OSError as exc:
            if parent == str(folder):
                raise InputError(f"the feedback folder {folder} cannot be read: {exc.strerror}") from exc
            yield parent, f"the folder cannot be read: {exc.strerror}"


def _check(folder: Path) -> None:
    try:
        is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except FileNotFoundError:
        raise InputError(
            f"the feedback folder {folder} does not exist", hint="create it, or correct the configuration"
        ) from None
    except OSError as exc:
        raise InputError(f"the feedback folder {folder} cannot be read: {exc.strerror}") from exc
    if not is_folder:
        raise InputError(f"the feedback folder {folder} is not a folder", hint="move away what lies there")


def _inspect(entry: "os.DirEntry[str]", inside: Path) -> Attributes | str | None:
    """The file's attributes, the reason why it is refused, or None if it is no feedback file or has gone."""
    is_ours = entry.name.lower().endswith(ENDINGS)
    if entry.is_symlink():
        return _inspect_link(Path(entry.path), inside, is_ours=is_ours)
    if not is_ours:
        return None
    try:
        return _if_regular(entry.stat(follow_symlinks=False))
    except FileNotFoundError:
        return None
    except OSError as exc:
        return f"the file cannot be looked at: {exc.strerror}"


def _inspect_link(link: Path, inside: Path, *, is_ours: bool) -> Attributes | str | None:
    """The same of a link; None for one that leads to a folder within the inbox, in circles, or nowhere."""
    try:
        target = link.resolve()
        if not is_ours and not target.is_dir():
            return None
        if not target.is_relative_to(inside):
            return f"the link leads out of the feedback folder, to {target}, and is not followed; put a copy there"
        status = target.stat()
        return None if stat.S_ISDIR(status.st_mode) else _if_regular(status)
    except (OSError, RuntimeError):  # a circle is a RuntimeError up to Python 3.12
        return None


def _if_regular(status: Attributes) -> Attributes | str:
    kind = stat.S_IFMT(status.st_mode)
    return status if kind == stat.S_IFREG else f"this is {_KINDS.get(kind, 'something else')}, not a file"


def _identity(status: Attributes) -> tuple[int, int]:
    return status.st_dev, status.st_ino
