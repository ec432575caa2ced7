"""The pass-through as a process, in front of a server."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from adapterd.capture.captures import Capture, Captures
from adapterd.capture.standing import counts_of

Found = TypeVar("Found")


@dataclass
class PassThrough:
    """A running one: its port, its process, and the home that it records into."""

    port: int
    process: subprocess.Popen[str]
    home: Path

    def counts(self) -> dict[str, Any]:
        """What it says of itself."""
        found = counts_of(f"127.0.0.1:{self.port}")
        assert found is not None
        return found

    def captures(self, count: int) -> list[Capture]:
        """What is recorded, once there is so much of it; the oldest first."""

        def found() -> list[Capture]:
            if not (self.home / "captures.db").exists():
                return []
            with Captures(self.home / "captures.db") as captures:
                return captures.last(count + 10)[::-1]

        return eventually(found, lambda each: len(each) >= count)

    def left_out(self, count: int = 1) -> dict[str, int]:
        """What was not recorded, once it is so much."""

        def found() -> dict[str, int]:
            if not (self.home / "captures.db").exists():
                return {}
            with Captures(self.home / "captures.db") as captures:
                return captures.left_out()

        return eventually(found, lambda each: sum(each.values()) >= count)

    def recorders(self) -> list[int]:
        """The processes that record for it."""
        done = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        return [int(line) for line in done.stdout.split()]


def eventually(ask: Callable[[], Found], is_it: Callable[[Found], bool], seconds: float = 30.0) -> Found:
    """The answer, once it is as wanted; else the last one."""
    until = time.monotonic() + seconds
    while True:
        found = ask()
        if is_it(found) or time.monotonic() > until:
            return found
        time.sleep(0.05)


@contextmanager
def pass_through(home: Path, upstream: int) -> Iterator[PassThrough]:
    """One that runs in the block, and is asked to end after it."""
    home.mkdir(mode=0o700, exist_ok=True)
    command = [
        sys.executable, "-P", "-m", "adapterd.capture", "--listen", "127.0.0.1:0",
        "--upstream", f"127.0.0.1:{upstream}", "--home", str(home),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield PassThrough(int(line.rpartition(":")[2]), process, home)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def exchanged(port: int, request: bytes, *, quiet_s: float = 0.4, until: bytes = b"") -> bytes:
    """All bytes that a server sends after these, until it closes, they end with `until`, or there are none for a
    while."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        connection.settimeout(90.0 if until else quiet_s)
        found = b""
        try:
            while data := connection.recv(1 << 16):
                found += data
                if until and found.endswith(until):
                    break
        except TimeoutError:
            pass
        return found


def posted(path: str, body: object, *more: str) -> bytes:
    """A request with a JSON body."""
    data = json.dumps(body).encode()
    head = "\r\n".join((f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(data)}", *more))
    return head.encode() + b"\r\n\r\n" + data
