"""The process of a ChildStream: `python -P -m adapterd.system.child.streaming` (see stream.py)."""

import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

from adapterd.system.child.called import sendable
from adapterd.system.child.messages import PARENT_GONE
from adapterd.system.child.stream import LENGTH_BYTES, OVER, RAISED, RESULT, WANTED

WAITING_BYTES = 8 << 20
"""Of results that are made and not sent; while more wait, no other is made."""


def main() -> None:
    """Call the generator that standard input names with the items that follow there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this
    out = _Outbox(os.dup(1))
    os.dup2(2, 1)  # what libraries print must not get in between
    try:
        sys.path[:] = pickle.load(sys.stdin.buffer)  # noqa: S301 (from our parent)
        function, values = pickle.load(sys.stdin.buffer)  # noqa: S301
    except EOFError:
        return
    _say_all(function, values, out)
    out.close()
    os._exit(0)  # at another end Python would wait for the thread that reads


def _say_all(function: Callable[..., Iterator[Any]], values: tuple[Any, ...], out: "_Outbox") -> None:
    items = SimpleQueue[tuple[Any, ...]]()
    threading.Thread(target=_read, args=(items,), daemon=True).start()

    def given() -> Iterator[Any]:
        while item := items.get():
            out.put([WANTED])
            yield item[0]

    try:
        for result in function(given(), *values):
            out.put([RESULT, result])
    except Exception as exc:
        out.put([RAISED, sendable(exc)])
    else:
        out.put([OVER])


def _read(items: "SimpleQueue[tuple[Any, ...]]") -> None:
    """Take in the items, each in a tuple, until standard input closes: the parent is gone, and so is this then."""
    while True:
        try:
            items.put(pickle.load(sys.stdin.buffer))  # noqa: S301 (from our parent)
        except EOFError:
            os._exit(PARENT_GONE)


class _Outbox:
    """Sends messages from a thread, while the next ones are made."""

    def __init__(self, out: int) -> None:
        self._out = out
        self._waiting = deque[bytes]()
        self._waiting_bytes = 0
        self._is_closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._write_all, daemon=True)
        self._thread.start()

    def put(self, message: list[Any]) -> None:
        """Have a message sent; waits while WAITING_BYTES are not sent yet."""
        said = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        with self._changed:
            self._changed.wait_for(lambda: self._waiting_bytes < WAITING_BYTES)
            self._waiting.append(said)
            self._waiting_bytes += len(said)
            self._changed.notify_all()

    def close(self) -> None:
        """Wait until all is sent."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()

    def _write_all(self) -> None:
        while said := self._next():
            self._write(len(said).to_bytes(LENGTH_BYTES, "big"))
            self._write(said)
            with self._changed:
                self._waiting_bytes -= len(said)
                self._changed.notify_all()

    def _next(self) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            return self._waiting.popleft() if self._waiting else b""

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._out, left) :]
            except BrokenPipeError:
                os._exit(PARENT_GONE)


if __name__ == "__main__":
    main()
