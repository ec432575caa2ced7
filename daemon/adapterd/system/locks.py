"""Locks between processes: the kernel gives them back when their holder dies, so none is ever stale."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from adapterd.errors import BusyError
from adapterd.home import Home

TAGS_TIMEOUT_S = 20.0
LOCK_TIMEOUT_S = 1.0
"""Long enough for a process that only checks whether the lock is held."""


@contextmanager
def exclusive(path: Path, *, timeout_s: float, busy: str) -> Iterator[None]:
    """Hold the lock of that file; raises BusyError with the sentence `busy` if it is not free in time."""
    from filelock import FileLock, Timeout

    lock = FileLock(path, mode=0o600)
    try:
        lock.acquire(timeout=timeout_s)
    except Timeout as exc:
        raise BusyError(busy, hint="`adapterctl status` shows what is going on") from exc
    try:
        yield
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether some process holds the lock right now. Asking is cheap, and several may ask at once."""
    import fcntl

    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe is not waited for
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given back when the handle is closed
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Hold a lock on a file while it is written, so that one whose writer died is known (`remove_abandoned`). Raises
    BusyError where somebody took the file for such a one before the lock was held."""
    import fcntl

    with path.open("r+b") as held:
        with suppress(OSError):  # a file system without locks: nothing is taken for abandoned there
            fcntl.flock(held.fileno(), fcntl.LOCK_EX)
        if not os.path.lexists(path):
            raise BusyError(f"another process does the same in {path.parent} at this moment", hint="give it again")
        yield


def remove_abandoned(paths: Iterable[Path]) -> None:
    """Remove those of our own files that nobody holds (`claimed`); what cannot be looked at stays."""
    for path in paths:
        with suppress(OSError):
            _remove_if_abandoned(path)


def _remove_if_abandoned(path: Path) -> None:
    import fcntl

    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(handle)
        if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid():
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    finally:
        os.close(handle)


@contextmanager
def tags_lock(home: Home) -> Iterator[None]:
    """One process at a time may change tags: Ollama itself has no lock around its manifests."""
    busy = "another process is changing tags and does not finish"
    with exclusive(home.tags_lock, timeout_s=TAGS_TIMEOUT_S, busy=busy):
        yield
