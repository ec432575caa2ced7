"""A generator in a process of its own: items go in, results come out, each side at work while the other one is.

What waits between the two is bounded. The process ends with this one, however that ends.
"""

import contextlib
import fcntl
import os
import pickle
import selectors
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from adapterd.errors import WorkerLostError
from adapterd.system.child.messages import GRACE_S, end
from adapterd.system.python import module_command, worker_environment

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 2
"""Items that the process is given before it asks for them."""
LENGTH_BYTES = 8
_LOOK_EVERY_S = 0.1
_PIPE_BYTES = 1 << 20
_READ_BYTES = 1 << 18


class ChildStream(Generic[Item, Result]):
    """The results of `function(items, *values)`, called in a process that begins when this is entered and is gone when
    it is left.

    `items` are taken, in this process, while results are waited for; `look` is called again and again meanwhile, and
    may raise to end the waiting. Function, values, items and results have to be what pickle takes. Entering raises
    WorkerLostError if no process can be started, the iterator raises it if that dies, and whatever the function raises.
    """

    def __init__(
        self,
        function: Callable[..., Iterator[Result]],
        items: Iterator[Item],
        *values: Any,
        look: Callable[[], object],
    ) -> None:
        path = [entry for entry in sys.path if Path(entry).is_absolute()]
        self._name, self._items, self._look = function.__name__, items, look
        self._unsent = memoryview(pickle.dumps(path) + pickle.dumps((function, values)))
        self._received = bytearray()
        self._child: subprocess.Popen[bytes]
        self._is_over = False

    def __enter__(self) -> Self:
        try:
            self._child = subprocess.Popen(
                module_command("adapterd.system.child.streaming"), env=worker_environment(network=False),
                bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
        except OSError as exc:
            raise WorkerLostError(f"no process could be started to do {self._name}: {exc.strerror}") from exc
        _widen(self._output)
        os.set_blocking(self._input, False)
        self._give(AHEAD)
        self._send()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_over:
            self._child.kill()
        end(self._child, GRACE_S)

    def __iter__(self) -> Iterator[Result]:
        """The results, in the order of the items."""
        while not self._is_over:
            self._exchange()
            while said := self._message():
                kind = said.pop(0)
                if kind == RESULT:
                    yield said.pop()
                elif kind == WANTED:
                    self._give(1)
                elif kind == RAISED:
                    raise said.pop()
                else:
                    self._is_over = True

    @property
    def _input(self) -> int:
        if self._child.stdin is None:
            raise AssertionError("the child was opened with pipes")
        return self._child.stdin.fileno()

    @property
    def _output(self) -> int:
        if self._child.stdout is None:
            raise AssertionError("the child was opened with pipes")
        return self._child.stdout.fileno()

    def _give(self, count: int) -> None:
        """Have so many more items sent, and after the last one that there are no more."""
        given = list(islice(self._items, count))
        said = [*((each,) for each in given), *([()] if len(given) < count else [])]
        self._unsent = memoryview(b"".join([bytes(self._unsent), *map(pickle.dumps, said)]))

    def _send(self) -> None:
        """Send what the pipe takes; a process that is gone is found when it is read from."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while self._unsent:
                self._unsent = self._unsent[os.write(self._input, self._unsent) :]

    def _exchange(self) -> None:
        """Wait a moment for what the process says, and send it what there is meanwhile."""
        self._look()
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            if self._unsent:
                selector.register(self._input, selectors.EVENT_WRITE)
            ready = [key.fd for key, _ in selector.select(_LOOK_EVERY_S)]
        if self._input in ready:
            self._send()
        if self._output in ready:
            chunk = os.read(self._output, _READ_BYTES)
            if not chunk:
                raise WorkerLostError(f"a process ended without a word while it did {self._name}")
            self._received += chunk

    def _message(self) -> list[Any]:
        """The kind and the value of the next message; empty where it is not here as a whole."""
        size = LENGTH_BYTES + int.from_bytes(self._received[:LENGTH_BYTES], "big")
        if not LENGTH_BYTES < size <= len(self._received):
            return []
        with memoryview(self._received) as received, received[LENGTH_BYTES:size] as said:
            message: list[Any] = pickle.loads(said)  # noqa: S301 (from a process of ours)
        del self._received[:size]
        return message


def _widen(pipe: int) -> None:
    """Let more wait in a pipe, where the system can and allows it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # beyond what this user may have
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


RESULT, WANTED, RAISED, OVER = range(4)
"""The kinds of messages from the process: a result, one more item is wanted, what was raised, the end."""
