"""A process that sleeps until something happens, here or in another process: a named pipe (FIFO) that it waits at.

Every byte is a reason to look; what there is to do is found by looking.
"""

import os
import select
import signal
import stat
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_BYTE = b"\0"
_READ_BYTES = 1 << 16


class Wakeup:
    """What one process waits at; to be closed at the end.

    `is_reachable` says whether other processes can wake it by `wake_up(fifo)`: some file systems have no FIFOs.
    """

    def __init__(self, fifo: Path) -> None:
        try:
            self._reading, self._writing = _opened(fifo)
            self.is_reachable = True
        except OSError:
            self._reading, self._writing = os.pipe()
            self.is_reachable = False
            for handle in (self._reading, self._writing):
                os.set_blocking(handle, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def by_signals(self) -> None:
        """Be woken by every signal that has a handler; without effect in a thread other than the main one.

        A handler alone would not do: one that comes just before the waiting begins is not heard before its end.
        """
        if threading.current_thread() is threading.main_thread():
            signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)

    def set(self) -> None:
        """Wake it, from any thread; before the waiting begins, it does not begin."""
        with suppress(OSError):  # full: it is woken anyway; closed: nobody waits any more
            os.write(self._writing, _BYTE)

    def wait(self, seconds: float) -> bool:
        """Sleep until woken, at most so long; returns whether it was."""
        ready, _, _ = select.select([self._reading], [], [], max(seconds, 0))
        if ready:
            with suppress(BlockingIOError):
                os.read(self._reading, _READ_BYTES)
        return bool(ready)

    def close(self) -> None:
        """Wait no more."""
        if threading.current_thread() is threading.main_thread():
            signal.set_wakeup_fd(-1)
        reading, writing = self._reading, self._writing
        self._reading = self._writing = -1
        os.close(writing)
        os.close(reading)


def wake_up(fifo: Path) -> bool:
    """Wake the process that waits at the FIFO; returns whether there was one. It never waits and never raises."""
    try:
        handle = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return stat.S_ISFIFO(os.fstat(handle).st_mode) and os.write(handle, _BYTE) == 1
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


def _opened(fifo: Path) -> tuple[int, int]:
    """Both ends of the FIFO, which is made where there is none, or where something else has its name.

    The writing end stays open here, too: else the reading one were at its end whenever no other process writes.
    """
    if not _is_fifo(fifo):
        fifo.unlink(missing_ok=True)
        os.mkfifo(fifo, 0o600)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return reading, os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        os.close(reading)
        raise


def _is_fifo(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.lstat().st_mode)
    except FileNotFoundError:
        return False
