"""The messages that worker processes send to their parent: of a stage, and of a rank of a distributed training.

A worker writes JSON lines on its standard output: `{"progress": {…}}` while it works, then `{"result": …}` or
`{"error": {"kind": …, "message": …, "hint": …}}`. It ends when its parent does: its standard input closes then.
"""

import json
import os
import selectors
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO, Any

from adapterd import errors
from adapterd.errors import AdapterdError, StageError

LOOK_EVERY_S = 0.5
GRACE_S = 5.0
PARENT_GONE = 3
"""The exit status of a worker whose parent is gone."""
_PARENT_EVERY_S = 1.0
_READ_BYTES = 1 << 16


class Channel:
    """The worker's side. What libraries print goes to standard error, so that it cannot break the lines."""

    def __init__(self, report_every_s: float = 0.0) -> None:
        self._out: IO[str] = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._report_every_s, self._last_s = report_every_s, float("-inf")

    def report(self, share: float, **more: Any) -> None:
        """Send the share done (0…1) and what else is worth showing, no more often than every `report_every_s`."""
        if time.monotonic() - self._last_s >= self._report_every_s or share >= 1:
            self._last_s = time.monotonic()
            self.announce(share=round(share, 4), **more)

    def announce(self, **progress: Any) -> None:
        """Send progress that must not be left out."""
        self._send({"progress": progress})

    def send_result(self, result: Any) -> None:
        """Send the result, as plain values."""
        self._send({"result": result})

    def send_error(self, error: AdapterdError, *, source: str = "") -> None:
        """Send what went wrong, after the name of its source if there are several."""
        message = f"{source}: {error}" if source else str(error)
        self._send({"error": {"kind": type(error).__name__, "message": message, "hint": error.hint}})

    def _send(self, message: dict[str, Any]) -> None:
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()


def end_with_parent(parent: int | None = None) -> None:
    """End this process, from a thread, when its standard input closes, or when the process `parent` is gone, for a
    worker whose standard input belongs to a launcher in between."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    if parent is not None:
        threading.Thread(target=_end_with_process, args=(parent,), daemon=True).start()


def _end_with_input() -> None:
    while os.read(0, 1):
        pass
    os._exit(PARENT_GONE)


def _end_with_process(process: int) -> None:
    while True:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            os._exit(PARENT_GONE)
        time.sleep(_PARENT_EVERY_S)


def messages(
    stdout: IO[bytes], log: Callable[[bytes], object], look: Callable[[], object] = lambda: None
) -> Iterator[dict[str, Any]]:
    """The parent's side: the worker's messages until it closes its output, which is to be an unbuffered pipe.

    `log` gets every line that is no message: one that a crash cut short, or the print of a library. `look` is called
    twice a second meanwhile, and may raise to end the waiting.
    """
    for line in _lines(stdout, look):
        message = _parsed(line)
        if message is None:
            log(line)
        else:
            yield message


def _lines(stdout: IO[bytes], look: Callable[[], object]) -> Iterator[bytes]:
    begun: list[bytes] = []
    next_look = 0.0
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while True:
            if time.monotonic() >= next_look:
                look()
                next_look = time.monotonic() + LOOK_EVERY_S
            if not selector.select(LOOK_EVERY_S):
                continue
            chunk = stdout.read(_READ_BYTES)
            *lines, rest = chunk.split(b"\n")
            if lines:
                yield from [b"".join([*begun, lines[0]]), *lines[1:]]
                begun = []
            begun.append(rest)
            if not chunk:
                break
    if last := b"".join(begun):
        yield last


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def rebuilt(error: dict[str, str]) -> AdapterdError:
    """The error that a message is about; a StageError where its kind is not one of `adapterd.errors`."""
    kind = getattr(errors, error["kind"], None)
    if not (isinstance(kind, type) and issubclass(kind, AdapterdError)):
        kind = StageError
    return kind(error["message"], hint=error["hint"])


def end(child: "subprocess.Popen[bytes]", grace_s: float = 0.0) -> None:
    """Close the child's pipes and have it gone: after `grace_s` in which it may end by itself, it is asked to, then
    killed."""
    if grace_s:
        _wait(child, grace_s)
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()
    if child.poll() is None:
        child.terminate()
        if not _wait(child, GRACE_S):
            child.kill()
            child.wait()


def _wait(child: "subprocess.Popen[bytes]", seconds: float) -> bool:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def last_line(file: IO[bytes], tail_bytes: int) -> str:
    """The last line with text within the last bytes of a log; empty if there is none."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - tail_bytes))
    lines = file.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
