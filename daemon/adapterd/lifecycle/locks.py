"""Locks between processes: the kernel gives them back when their holder dies, so none is ever stale."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapterd.errors import BusyError


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
    """Whether some process holds the lock right now."""
    try:
        with exclusive(path, timeout_s=0, busy=""):
            return False
    except BusyError:
        return True
