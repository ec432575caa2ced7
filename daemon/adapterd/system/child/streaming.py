"""The process of a ChildStream: `python -P -m adapterd.system.child.streaming` (see stream.py)."""

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from queue import Queue, SimpleQueue
from typing import Any

from adapterd.system.child.called import sendable
from adapterd.system.child.messages import PARENT_GONE
from adapterd.system.child.stream import LENGTH_BYTES, OVER, RAISED, RESULT, WANTED


def main() -> None:
    """Call the generator that standard input names with the items that follow there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this
    out = os.dup(1)
    os.dup2(2, 1)  # what libraries print must not get in between
    said = Queue[bytes | None](1)
    writer = threading.Thread(target=_write, args=(out, said), daemon=True)
    writer.start()
    try:
        sys.path[:] = pickle.load(sys.stdin.buffer)  # noqa: S301 (from our parent)
        function, values = pickle.load(sys.stdin.buffer)  # noqa: S301
    except EOFError:
        return
    _say_all(function, values, lambda kind, value=None: said.put(pickle.dumps((kind, value), pickle.HIGHEST_PROTOCOL)))
    said.put(None)
    writer.join()
    os._exit(0)  # at another end Python would wait for the thread that reads


def _say_all(function: Callable[..., Iterator[Any]], values: tuple[Any, ...], say: Callable[..., object]) -> None:
    items = SimpleQueue[tuple[Any, ...]]()
    threading.Thread(target=_read, args=(items,), daemon=True).start()

    def given() -> Iterator[Any]:
        while item := items.get():
            say(WANTED)
            yield item[0]

    try:
        for result in function(given(), *values):
            say(RESULT, result)
    except Exception as exc:
        say(RAISED, sendable(exc))
    else:
        say(OVER)


def _read(items: "SimpleQueue[tuple[Any, ...]]") -> None:
    """Take in the items, each in a tuple, until standard input closes: the parent is gone, and so is this then."""
    while True:
        try:
            items.put(pickle.load(sys.stdin.buffer))  # noqa: S301 (from our parent)
        except EOFError:
            os._exit(PARENT_GONE)


def _write(out: int, said: "Queue[bytes | None]") -> None:
    """Send what is said while the next result is made; it waits where the parent does not read."""
    while (message := said.get()) is not None:
        left = memoryview(len(message).to_bytes(LENGTH_BYTES, "big") + message)
        while left:
            try:
                left = left[os.write(out, left) :]
            except BrokenPipeError:
                os._exit(PARENT_GONE)


if __name__ == "__main__":
    main()
