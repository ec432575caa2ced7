"""Files that are never half there: atomic writes, clones that cost no space where the file system can, digests."""

import errno
import hashlib
import io
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from adapterd.errors import InputError, reason

PRIVATE_FILE = 0o600
_NO_FILES = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
)  # fmt: skip
CHUNK_BYTES = 1 << 22
_SWAP = 2  # RENAME_EXCHANGE of Linux, from linux/fs.h, and RENAME_SWAP of macOS, from sys/stdio.h
_AT_FDCWD_LINUX = -100
_CANNOT = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
_FICLONE = 0x40049409  # Linux ioctl number, from linux/fs.h
_AT_FDCWD = -2  # of macOS, from sys/fcntl.h: a relative path is meant from the working folder


def named_path(path: Path) -> Path:
    """The absolute path of what somebody named, with `~` as the home of a user. Raises InputError where there is no
    such user, and for links that lead to themselves."""
    try:
        found = path.expanduser().absolute()
    except RuntimeError as exc:
        raise InputError(
            f"{path} names the home of a user who is not known here",
            hint="a file or folder of that name is given by its whole path",
        ) from exc
    try:
        found.resolve()
    except (OSError, RuntimeError) as exc:  # which of them, depends on the release of Python
        raise InputError(f"{found} cannot be reached: {reason(exc)}", hint="give another place") from exc
    return found


def open_given(path: Path, max_bytes: int | None = None) -> io.BufferedReader:
    """A file that somebody named, open for reading; links are followed. What is read, copied or checked afterwards is
    this very file, whatever has its name by then.

    Raises InputError, at once, for what is not there, no regular file (a pipe would hang, a device has no end), larger
    than `max_bytes`, or not to be read.
    """
    try:
        _require_regular(path, path.stat().st_mode)  # opening a device may already do something
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the name
        if isinstance(exc, FileNotFoundError):
            raise InputError(f"{path} is not there") from exc
        raise InputError(f"{path} cannot be read: {getattr(exc, 'strerror', None) or exc}") from exc
    stream: io.BufferedReader = io.BufferedReader(io.FileIO(handle))
    try:
        status = os.fstat(stream.fileno())
        _require_regular(path, status.st_mode)
        if max_bytes is not None and status.st_size > max_bytes:
            raise InputError(f"{path} has {status.st_size} bytes, and {max_bytes} are the most that is read")
    except BaseException:
        stream.close()
        raise
    return stream


def read_given(path: Path, max_bytes: int) -> bytes:
    """All of a file that somebody named; raises InputError as `open_given` does, also for one that grows meanwhile."""
    with open_given(path, max_bytes) as stream:
        try:
            data = stream.read(max_bytes + 1)
        except OSError as exc:
            raise InputError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    if len(data) > max_bytes:
        raise InputError(f"{path} grew while it was read, to more than {max_bytes} bytes, the most that is read")
    return data


def no_file(mode: int) -> str | None:
    """What something with this mode (`st_mode`) is; None for a regular file."""
    if stat.S_ISREG(mode):
        return None
    return next((what for is_such, what in _NO_FILES if is_such(mode)), "something else")


def _require_regular(path: Path, mode: int) -> None:
    if what := no_file(mode):
        raise InputError(f"{path} is {what}, not a file")


@contextmanager
def atomic_path(target: Path, ending: str = ".partial") -> Iterator[Path]:
    """A temporary path beside `target` that becomes it, synced to disk, when the block ends without an exception. Its
    name ends with `ending`."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=ending)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(target)
        sync_folder(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_atomic(target: Path, data: bytes | str) -> None:
    """Replace the file's content in one step, 0600; a reader sees the old content or the new one, never a part."""
    with atomic_path(target) as partial:
        partial.write_bytes(data.encode() if isinstance(data, str) else data)


def sync_folder(folder: Path) -> None:
    """Make renames inside the folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def exchange(one: Path, other: Path) -> bool:
    """Give two files or folders each other's name in one step; False where the system or the file system cannot.

    renamex_np(2) on macOS, renameat2(2) on Linux. Raises OSError where it is not allowed, or one is not there.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin":
        failed = libc.renamex_np(*names, _SWAP)
    elif hasattr(libc, "renameat2"):
        failed = libc.renameat2(_AT_FDCWD_LINUX, names[0], _AT_FDCWD_LINUX, names[1], _SWAP)
    else:
        return False
    code = ctypes.get_errno()
    if failed and code not in _CANNOT:
        raise OSError(code, os.strerror(code), str(one), None, str(other))
    return not failed


def clone(source: Path, target: Path, *, without: Sequence[range] = ()) -> str:
    """Copy a file, sharing its blocks where the file system can; returns how: `clone` or `copy`.

    The bytes of `without` (ranges in order, none over another) are going to be written anew; a copy has holes there, so
    that they are not written twice.

    APFS clones by fclonefileat(2), Btrfs and XFS by the FICLONE ioctl; elsewhere the bytes are copied, in the
    kernel where it offers that. `target` must not exist: else FileExistsError is raised, and it stays as it is. On
    any other failure nothing is left behind.
    """
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    try:
        if _clone_blocks(source, target):
            return "clone"
        _copy(source, target, without)
    except FileExistsError:
        raise
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return "copy"


def _copy(source: Path, target: Path, without: Sequence[range]) -> None:
    """Copy all bytes but those; there, the target has holes."""
    if not without:
        shutil.copyfile(source, target)
        return
    size = source.stat().st_size
    starts, ends = [0, *(hole.stop for hole in without)], [*(hole.start for hole in without), size]
    with source.open("rb") as reader, target.open("wb") as writer:
        for start, end in zip(starts, ends, strict=True):
            reader.seek(start)
            writer.seek(start)
            while data := reader.read(min(CHUNK_BYTES, end - start)):
                start += writer.write(data)
        writer.truncate(size)


def clone_atomic(source: Path, target: Path) -> None:
    """Clone a file in one step, 0600 and with its time of change, replacing whatever the target was."""
    with source.open("rb") as reader:
        clone_open(reader, target)


def clone_open(source: IO[bytes], target: Path, progress: Callable[[float], Any] = lambda _: None) -> None:
    """Clone an open file in one step, 0600 and with its time of change, replacing whatever the target was.

    It is the file that was opened and looked at, whatever has its name by now; at most the bytes that it has now.
    `progress` gets the share that is copied, where it has to be.
    """
    status = os.fstat(source.fileno())
    with atomic_path(target) as partial:
        partial.unlink()
        if not _clone_open(source, partial):
            _copy_open(source, partial, status.st_size, progress)
        partial.chmod(PRIVATE_FILE)
        os.utime(partial, ns=(status.st_mtime_ns, status.st_mtime_ns))


def _copy_open(source: IO[bytes], target: Path, size_bytes: int, progress: Callable[[float], Any]) -> None:
    source.seek(0)
    with target.open("wb") as writer:
        while data := source.read(min(CHUNK_BYTES, size_bytes - writer.tell())):
            writer.write(data)
            progress(writer.tell() / size_bytes)


def _clone_blocks(source: Path, target: Path) -> bool:
    with source.open("rb") as reader:
        return _clone_open(reader, target)


def _clone_open(source: IO[bytes], target: Path) -> bool:
    return _fclonefileat(source, target) if sys.platform == "darwin" else _ficlone(source, target)


def _fclonefileat(source: IO[bytes], target: Path) -> bool:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fclonefileat(source.fileno(), _AT_FDCWD, os.fsencode(target), 0) == 0:
        return True
    if ctypes.get_errno() == errno.EEXIST:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    return False


def _ficlone(reader: IO[bytes], target: Path) -> bool:
    import fcntl

    with target.open("xb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError as exc:
            if exc.errno not in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM):
                raise
            return False
    return True


def sha256_file(path: Path, progress: Callable[[float], Any] = lambda _: None) -> str:
    """The file's SHA-256 in hex; `progress` gets the share done, 0…1, every few megabytes."""
    digest = hashlib.sha256()
    size = max(path.stat().st_size, 1)
    done = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            progress(done / size)
    return digest.hexdigest()
