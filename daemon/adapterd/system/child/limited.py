"""A child process that answers one request after the other, within limits of time, memory and length.

For programs of strangers: whatever one of them does, its child is ended, and the caller hears which limit it met. The
child is a module that calls `answer_requests`. It stays for the next request, so that a request costs no start.
"""

import contextlib
import os
import resource
import selectors
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass

from adapterd.system.child.messages import end
from adapterd.system.python import module_command, worker_environment

_LOOK_EVERY_S = 0.05
_READ_BYTES = 1 << 16
_FOLDER = "/"
"""Nobody but root can put anything into it."""


class LimitReachedError(Exception):
    """A request met a limit; the text goes on after "it": `takes longer than 2 s`."""


@dataclass(frozen=True)
class Limits:
    """For each request: seconds on the processor and on the clock, bytes of memory and of the answer."""

    cpu_s: float
    wall_s: float
    memory_bytes: int
    answer_bytes: int


def answer_requests(limits: Limits, answer: Callable[[bytes], bytes]) -> None:
    """The child's side: answer every line of standard input by one line, until it closes.

    A request that takes more of the processor ends the process by SIGPROF, also inside of C code. Memory is limited by
    RLIMIT_AS where the system keeps to it. No file can be written.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes the pipes
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # macOS knows no limit of addresses; the parent looks there
            resource.setrlimit(kind, (most, most))
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_PROF, limits.cpu_s)
        said = answer(line)
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(said + b"\n")
        sys.stdout.buffer.flush()


class LimitedChild:
    """The parent's side: `ask` as often as is wanted; the child is started when it is needed, and ends with this
    object or this process."""

    def __init__(self, module: str, limits: Limits) -> None:
        self._module, self._limits = module, limits
        self._child: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = threading.Lock()

    def ask(self, request: bytes) -> bytes:
        """The answer to a request of one line; raises LimitReachedError, and begins anew after that."""
        with self._one_at_a_time:
            child = self._child if self._child and self._child.poll() is None else self._start()
            try:
                return self._answer(child, request)
            except BaseException:
                self._child = None
                child.kill()
                end(child)
                raise

    def _start(self) -> "subprocess.Popen[bytes]":
        self._child = subprocess.Popen(
            module_command(self._module), cwd=_FOLDER, env=worker_environment(network=False), bufsize=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        weakref.finalize(self, end, self._child)
        return self._child

    def _answer(self, child: "subprocess.Popen[bytes]", request: bytes) -> bytes:
        if child.stdin is None or child.stdout is None:
            raise AssertionError("the child was opened with pipes")
        with contextlib.suppress(BrokenPipeError):  # it is gone, which reading tells
            _write(child.stdin.fileno(), request + b"\n")
        said, deadline = bytearray(), time.monotonic() + self._limits.wall_s
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while not said.endswith(b"\n"):
                if not selector.select(_LOOK_EVERY_S):
                    self._look(child, deadline)
                    continue
                chunk = os.read(child.stdout.fileno(), _READ_BYTES)
                if not chunk:
                    raise LimitReachedError(self._how_it_ended(child))
                said += chunk
                if len(said) > self._limits.answer_bytes:
                    raise LimitReachedError(f"makes more than {self._limits.answer_bytes >> 20} MB")
        return bytes(said[:-1])

    def _look(self, child: "subprocess.Popen[bytes]", deadline: float) -> None:
        if time.monotonic() > deadline:
            raise LimitReachedError(f"takes longer than {self._limits.wall_s:g} s")
        if sys.platform == "darwin" and _resident_bytes(child.pid) > self._limits.memory_bytes:
            raise LimitReachedError(self._memory)

    def _how_it_ended(self, child: "subprocess.Popen[bytes]") -> str:
        status = child.wait()
        if status == -signal.SIGPROF:
            return f"takes longer than {self._limits.cpu_s:g} s"
        return f"ends its process ({f'signal {-status}' if status < 0 else f'status {status}'})"

    @property
    def _memory(self) -> str:
        return f"needs more than {self._limits.memory_bytes >> 20} MB of memory"


def _write(handle: int, data: bytes) -> None:
    """All of it: a raw pipe takes what fits."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _resident_bytes(pid: int) -> int:
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
