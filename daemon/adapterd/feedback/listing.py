"""Lists an inbox: the files to be read, and what is refused, each with the reason.

Only names and attributes are read. Nothing is opened, so that no pipe can block, and no link is followed out.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import BinaryIO

from adapterd.errors import InputError
from adapterd.feedback.kinds import Kind, Layout, is_silent, kind_of, log_name, passed_over

BUFFER_BYTES = 1 << 16

_READING = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_LISTING = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_FOLDER = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
Attributes = os.stat_result
_LARGEST = (1 << 63) - 1  # what a database takes; times beyond the year 2262 are beyond it in nanoseconds
_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


@dataclass(frozen=True)
class PassedOver:
    """A file that is not read for the ending of its name, with the reason, and when it was changed."""

    reason: str
    mtime_ns: int


@dataclass(frozen=True)
class InboxFile:
    """A file to be read, as it was before it is read: should it change meanwhile, it is read once more.

    One that `is_growing` was not at rest, so that its last line may be half there. `link_to` is the device and inode
    of what a link within the inbox led to, None if the file is no link. `inbox` is the folder below which it was found,
    `identity` the device and inode of what is read.
    """

    path: Path
    size_bytes: int
    mtime_ns: int
    is_growing: bool = False
    link_to: tuple[int, int] | None = None
    inbox: Path | None = field(default=None, compare=False)
    identity: tuple[int, int] | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The path as text that a database takes, even where the file system's names are not UTF-8."""
        return name_of(str(self.path))

    @property
    def log(self) -> str:
        """The name, without its folder, that it had before a rotation."""
        return log_name(self.name.rpartition("/")[2])

    @property
    def stamp(self) -> tuple[int, int]:
        """Size in bytes and time of change in nanoseconds: it shows whether a file has changed."""
        return self.size_bytes, self.mtime_ns

    @cached_property
    def kind(self) -> Kind:
        """What its ending says of its content; that of a link without one of ours is JSON Lines."""
        return kind_of(self.path.name) or Kind(Layout.LINES)

    @property
    def has_lines(self) -> bool:
        """Whether every line or row stands for itself, so that the file is of use before it is whole."""
        return self.kind.layout is not Layout.DOCUMENT and not self.kind.is_packed

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
    parent = _opened_folder(folder, parents)
    try:
        return os.open(name, _READING | os.O_NOFOLLOW, dir_fd=parent)
    finally:
        os.close(parent)


def _opened_folder(folder: Path, parts: Iterable[str]) -> int:
    """A descriptor of a folder below this one, reached without following any link."""
    parent = os.open(folder, _LISTING)
    for each in parts:
        try:
            child = os.open(each, _LISTING | os.O_NOFOLLOW, dir_fd=parent)
        finally:
            os.close(parent)
        parent = child
    return parent


def name_of(path: str) -> str:
    """A path as text that a database takes."""
    return path if path.isascii() else os.fsencode(path).decode(errors="backslashreplace")


def stamp_of(status: Attributes) -> tuple[int, int]:
    """Size in bytes and time of change in nanoseconds, such as a database takes them."""
    return status.st_size, max(min(status.st_mtime_ns, _LARGEST), -_LARGEST)


def inbox_file(path: str, status: Attributes, inbox: Path | None = None) -> InboxFile:
    """A file that `walk` found below the inbox."""
    link_to = _identity(status) if os.path.islink(path) else None  # noqa: PTH114 - it need not be a path to be asked
    return InboxFile(Path(path), *stamp_of(status), link_to=link_to, inbox=inbox, identity=_identity(status))


def walk(folder: Path) -> Iterator[tuple[str, Attributes | PassedOver | str]]:
    """Every feedback file in the folder and below it, with its attributes, or the reason why it is refused.

    Files of other endings are passed over; hidden and temporary ones without a word. Each folder is reached from the
    inbox by descriptors, so that one that a link takes the place of meanwhile is not followed. Raises InputError if the
    folder itself cannot be listed.
    """
    _check(folder)
    inside = folder.resolve()
    folders: list[tuple[str, ...]] = [()]
    while folders:
        parts = folders.pop()
        path = os.path.join(folder, *parts)  # noqa: PTH118 - thousands of times
        try:
            os.lstat(path)  # raises where the path is longer than the system takes
            handle = _opened_folder(folder, parts)
            try:
                with os.scandir(handle) as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            folders.append((*parts, entry.name))
                        elif found := _inspect(f"{path}/{entry.name}", _status_of(entry), inside):
                            yield f"{path}/{entry.name}", found
            finally:
                os.close(handle)
        except OSError as exc:
            if parts and exc.errno in _NO_FOLDER:
                continue
            if not parts:
                raise InputError(f"the feedback folder {folder} cannot be read: {exc.strerror}") from exc
            yield path, f"the folder cannot be read: {exc.strerror}"


def _status_of(entry: "os.DirEntry[str]") -> Callable[[], Attributes]:
    return lambda: entry.stat(follow_symlinks=False)


def look_at(folder: Path, paths: Iterable[str]) -> Iterator[tuple[str, Attributes | PassedOver | str]]:
    """What `walk` would find at these paths below the folder; nothing of one that has gone, and of a folder."""
    _check(folder)
    inside = folder.resolve()
    for path in paths:
        *parents, name = Path(path).relative_to(folder).parts
        if any(part.startswith(".") for part in (*parents, name)):
            continue
        try:
            handle = _opened_folder(folder, parents)
        except OSError:
            continue
        try:
            if found := _inspect(path, partial(os.stat, name, dir_fd=handle, follow_symlinks=False), inside):
                yield path, found
        finally:
            os.close(handle)


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


def _inspect(path: str, look: Callable[[], Attributes], inside: Path) -> Attributes | PassedOver | str | None:
    """The file's attributes, the reason why it is not read, or None if nothing is to be said of it or it has gone."""
    name = path.rpartition("/")[2]
    is_ours = kind_of(name) is not None
    if not is_ours and is_silent(name):
        return None
    try:
        status = look()
        if stat.S_ISDIR(status.st_mode):
            return None
        if stat.S_ISLNK(status.st_mode):
            return _inspect_link(Path(path), status, inside, is_ours=is_ours)
        return _if_regular(status) if is_ours else PassedOver(passed_over(name), status.st_mtime_ns)
    except FileNotFoundError:
        return None
    except OSError as exc:
        return f"the file cannot be looked at: {exc.strerror}"


def _inspect_link(link: Path, own: Attributes, inside: Path, *, is_ours: bool) -> Attributes | PassedOver | str | None:
    """The same of a link; None for one that leads to a folder within the inbox, in circles, or nowhere."""
    try:
        target = link.resolve()
        if not is_ours and not target.is_dir():
            return PassedOver(passed_over(link.name), own.st_mtime_ns) if target.exists() else None
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
