"""A function in a process of its own: what needs numpy or llama.cpp, where the daemon does without (law 8).

The process ends with this one, however that ends, and this one does not wait for it to end: a daemon stops at once.
"""

import contextlib
import math
import os
import pickle
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from adapterd.errors import CancelledError, WorkerLostError
from adapterd.system.child.messages import GRACE_S, end
from adapterd.system.python import module_command, worker_environment

T = TypeVar("T")
Stopped = Callable[[], bool]
"""Says whether this process was told to stop meanwhile."""
_LOOK_EVERY_S = 0.2
_READ_BYTES = 1 << 16


def never() -> bool:
    """Nobody tells to stop."""
    return False


def call(
    function: Callable[..., T],
    *values: Any,
    timeout_s: float = math.inf,
    stopped: Stopped = never,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> T:
    """What the function gives or raises, with these variables in the environment of its process. Raises
    WorkerLostError if that cannot be started, dies without a word or takes longer than `timeout_s`, and CancelledError
    as soon as `stopped` says so; it is killed then.

    Function, values and result have to be what pickle takes.
    """
    path = [entry for entry in sys.path if Path(entry).is_absolute()]
    name, deadline = function.__name__, time.monotonic() + timeout_s

    def look() -> None:
        if stopped():
            raise CancelledError(f"told to stop while a process did {name}")
        if time.monotonic() > deadline:
            raise WorkerLostError(f"a process took longer than {timeout_s:g} s while it did {name}")

    child = _started(name, variables)
    try:
        said = _answer(child, pickle.dumps((path, pickle.dumps((function, values)))), look)
    except (CancelledError, WorkerLostError):
        child.kill()
        raise
    finally:
        end(child, GRACE_S)  # Ctrl-C reaches both, and it clears up
    try:
        result, error = pickle.loads(said)  # noqa: S301 (from a process of ours)
    except (EOFError, pickle.UnpicklingError) as exc:
        raise WorkerLostError(f"a process ended without a word while it did {name}") from exc
    if error is not None:
        raise error
    given: T = result
    return given


def _started(name: str, variables: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            module_command("adapterd.system.child.called"), env={**worker_environment(), **variables},
            bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
    except OSError as exc:
        raise WorkerLostError(f"no process could be started to do {name}: {exc.strerror}") from exc


def _answer(child: "subprocess.Popen[bytes]", request: bytes, look: Callable[[], None]) -> bytes:
    """What it says until it closes its output; its input stays open, for it ends when that closes. `look` is called
    again and again meanwhile, and may raise to end the waiting, whether it takes in what it is asked or not."""
    if child.stdin is None or child.stdout is None:
        raise AssertionError("the child was opened with pipes")
    left, said = memoryview(request), bytearray()
    with selectors.DefaultSelector() as selector:
        os.set_blocking(child.stdin.fileno(), False)
        selector.register(child.stdin, selectors.EVENT_WRITE)
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            look()
            for key, _ in selector.select(_LOOK_EVERY_S):
                if key.fileobj is child.stdin:
                    left = left[_written(child.stdin.fileno(), left) :]
                    if not left:
                        selector.unregister(child.stdin)
                elif chunk := os.read(child.stdout.fileno(), _READ_BYTES):
                    said += chunk
                else:
                    return bytes(said)


def _written(handle: int, request: memoryview) -> int:
    """How much of the request it took; all, where it is gone, which reading tells."""
    with contextlib.suppress(BlockingIOError):
        try:
            return os.write(handle, request)
        except BrokenPipeError:
            return len(request)
    return 0
