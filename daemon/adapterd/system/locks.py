"""Locks between processes: the kernel gives them back when their holder dies, so none is ever stale."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapterd.errors import BusyError
from adapterd.home import Home

TAGS_TIMEOUT_S = 20.0


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
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
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
def tags_lock(home: Home) -> Iterator[None]:
    """One process at a time may change tags: Ollama itself has no lock around its manifests."""
    busy = "another process is changing tags and does not finish"
    with exclusive(home.tags_lock, timeout_s=TAGS_TIMEOUT_S, busy=busy):
        yield
