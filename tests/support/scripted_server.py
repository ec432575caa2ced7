"""A server that sends what a script says, byte by byte, and keeps the bytes that it was sent."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

Reply = Callable[[bytes], Sequence[bytes | float | None]]
"""What follows a request: bytes to send, seconds to wait, None to close."""


@dataclass
class ScriptedServer:
    """Answers each request, once its head and body are there, by `reply`; `received` are the bytes of each connection,
    `gone` counts the clients that left while they were answered."""

    reply: Reply
    received: list[bytearray] = field(default_factory=list)
    gone: int = 0

    def __post_init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._connections: list[socket.socket] = []

    def serve(self) -> None:
        """Until `close`."""
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Take no more connections, and break those there are."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._connections:
            connection.close()

    def _answer(self, connection: socket.socket) -> None:
        kept = bytearray()
        self.received.append(kept)
        waiting = b""
        try:
            while data := connection.recv(1 << 16):
                kept += data
                waiting += data
                while (end := _end_of_request(waiting)) is not None:
                    request, waiting = waiting[:end], waiting[end:]
                    if not self._play(connection, request):
                        return
        except OSError:
            return
        finally:
            connection.close()

    def _play(self, connection: socket.socket, request: bytes) -> bool:
        for step in self.reply(request):
            if step is None:
                return False
            try:
                if isinstance(step, bytes):
                    connection.sendall(step)
                elif _has_left(connection, step):
                    self.gone += 1
                    return False
            except OSError:
                self.gone += 1
                return False
        return True


def _has_left(connection: socket.socket, seconds: float) -> bool:
    """Whether the client closes its side within so many seconds; else they pass."""
    until = time.monotonic() + seconds
    connection.settimeout(seconds)
    try:
        if not connection.recv(1, socket.MSG_PEEK):
            return True
    except TimeoutError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(None)
    time.sleep(max(0.0, until - time.monotonic()))
    return False


def _end_of_request(data: bytes) -> int | None:
    """Where the first request in these bytes ends, None if it is not all there."""
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return None
    lines = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    if lines.get(b"transfer-encoding") == b"chunked":
        end = body.find(b"0\r\n\r\n")
        return None if end < 0 else len(head) + 4 + end + 5
    length = int(lines.get(b"content-length", b"0"))
    return len(head) + 4 + length if len(body) >= length else None


@contextmanager
def scripted(reply: Reply) -> Iterator[ScriptedServer]:
    """A server that runs in the block."""
    server = ScriptedServer(reply)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(timeout=5)
