"""One connection of a client and its connection to Ollama, which live and end together.

Bytes are passed on as they come; a copy of an answer is read a little later, so that others which come at the same time
do not wait for it. Only the head of an answer that is recorded gets one line more, with the id of the capture. A second
request waits until the first is answered.
"""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

import h11

from adapterd.capture.passthrough.capture_id import HEADER, new_id
from adapterd.capture.passthrough.framing import MOST_HEAD, Head, MessageFraming, header, recorded_headers
from adapterd.capture.passthrough.hosts import is_local
from adapterd.capture.wire.exchange import Body, Exchange
from adapterd.capture.wire.routes import STATUS

MOST_BODY = 8 << 20
"""What is longer is passed on and not recorded."""
CONNECT_S = 10.0
READ_AFTER_S, MOST_UNREAD = 0.01, 16
"""The copy of an answer is read so long after its bytes were passed on, or when there are so many pieces of it."""
_RECEIVED = memoryview(bytearray(64 << 10))
"""What a connection has received, until it has taken it: asyncio's own way takes 256 KB from the system each time."""
_END_OF_HEAD = b"\r\n\r\n"


@dataclass
class Counts:
    """What went through since the start."""

    connections: int = 0
    requests: int = 0
    open: int = 0
    answering: int = 0


@dataclass
class Copies:
    """What is read a little later, for all connections together: each time wakes the process up."""

    _waiting: list[Callable[[], None]] = field(default_factory=list)

    def later(self, read: Callable[[], None]) -> None:
        """Call this after READ_AFTER_S, or sooner."""
        if not self._waiting:
            asyncio.get_running_loop().call_later(READ_AFTER_S, self._read)
        self._waiting.append(read)

    def _read(self) -> None:
        waiting, self._waiting = self._waiting, []
        for read in waiting:
            asyncio.get_running_loop().call_soon(read)


@dataclass(frozen=True)
class Relaying:
    """What all connections share: where Ollama answers, which method and route are recorded, and who takes what was
    said on them."""

    host: str
    port: int
    is_recorded: Callable[[str, str], bool]
    record: Callable[[Exchange], None]
    status: Callable[[], bytes] = lambda: b"{}"
    counts: Counts = field(default_factory=Counts)
    copies: Copies = field(default_factory=Copies)


@dataclass
class _Current:
    """The request that is being answered."""

    id: str
    request: MessageFraming
    response: MessageFraming
    is_recorded: bool
    started_at: float = field(default_factory=time.time)
    began: float = field(default_factory=time.perf_counter)
    first_byte: float = 0.0
    last_byte: float = 0.0


class _Side(asyncio.BufferedProtocol):
    """One end: receives into the place that all connections share, each after the other."""

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return _RECEIVED

    def buffer_updated(self, nbytes: int) -> None:
        self.received(bytes(_RECEIVED[:nbytes]))

    def received(self, data: bytes) -> None:
        """Take what came."""
        raise NotImplementedError


class ServerSide(_Side):
    """The connection to Ollama."""

    def __init__(self, client: "ClientSide") -> None:
        self._client = client
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def received(self, data: bytes) -> None:
        """Pass on a part of an answer."""
        self._client.answered(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.transport = None
        self._client.left_by_server()

    def pause_writing(self) -> None:
        self._client.pause()

    def resume_writing(self) -> None:
        self._client.resume()


class ClientSide(_Side):
    """The connection of a client."""

    def __init__(self, shared: Relaying) -> None:
        self._shared = shared
        self._transport: asyncio.Transport | None = None
        self._server: ServerSide | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._current: _Current | None = None
        self._request = self._next_request()
        self._waiting = bytearray()
        """What came after the end of the request that is being answered."""
        self._is_read = True
        """Whether a copy of the answer is read; not any more where it is no HTTP."""
        self._unread: list[bytes] = []
        """What was passed on of the answer, and is still to be read."""
        self._is_over = False
        """Whether the client sends no more; it may read all the same."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._shared.counts.connections += 1
        self._shared.counts.open += 1

    def received(self, data: bytes) -> None:
        """Take a part of a request."""
        self._read_copy()  # the answer before may be over
        if self._request.ended:
            self._waiting += data
            if len(self._waiting) > MOST_HEAD:
                self.pause()
        else:
            self._read(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._read_copy()
        self._shared.counts.open -= 1
        self._transport = None
        if self._connecting:
            self._connecting.cancel()
        if self._server and self._server.transport:
            self._server.transport.abort()
        self._finish()

    def eof_received(self) -> bool:
        """The client sends no more, as one that has left does: Ollama is told so, and answers or not."""
        self._read_copy()
        self._is_over = True
        self._pass_end_on()
        return self._current is not None

    def pause_writing(self) -> None:
        if self._server and self._server.transport:
            self._server.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._server and self._server.transport:
            self._server.transport.resume_reading()

    def pause(self) -> None:
        """Do not read from the client: what it sends cannot be passed on yet."""
        if self._transport:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read from it again."""
        if self._transport:
            self._transport.resume_reading()

    def answered(self, data: bytes) -> None:
        """Pass on what Ollama sent."""
        current = self._current
        if self._transport is None:
            return
        if current is None or not self._is_read:
            self._transport.write(data)
            return
        if current.response.head is not None:
            self._transport.write(data)
            current.last_byte = time.perf_counter()
            self._unread.append(data)
            if len(self._unread) == 1:
                self._shared.copies.later(self._read_copy)
            elif len(self._unread) >= MOST_UNREAD:
                self._read_copy()
        else:
            self._read_answer(current, data)
            self._transport.write(self._with_id(current))
            self._end_if_over(current)

    def left_by_server(self) -> None:
        """Ollama has closed the connection; the client's is closed when all was sent."""
        self._read_copy()
        if self._current and self._is_read and not self._current.response.ended:
            with suppress(h11.RemoteProtocolError):  # an answer that broke off is recorded as one
                self._current.response.feed(b"")
        self._finish()
        if self._transport:
            self._transport.close()

    def _read(self, data: bytes) -> None:
        """Read a part of a request, and pass on what is complete of it."""
        request = self._request
        try:
            request.feed(data)
        except h11.RemoteProtocolError as exc:
            self._refuse(exc.error_status_hint, f"this is no HTTP request: {exc}")
            return
        if request.head is None:
            return
        if self._current is None and not self._begin(request.head):
            return
        if self._server and self._server.transport:
            self._server.transport.write(request.taken())
        elif request.body.size > MOST_HEAD:
            self.pause()  # until there is a connection
        if request.ended:
            self._waiting += request.rest()
            if self._current:
                self._end_if_over(self._current)  # some answer before they have read all

    def _begin(self, head: Head) -> bool:
        """A request is there: whether it may go on to Ollama, to which the connection is opened if there is none."""
        assert isinstance(head, h11.Request)
        if not is_local(header(head, b"host")):
            self._refuse(HTTPStatus.FORBIDDEN, "the Host header does not name this machine")
            return False
        if head.target == STATUS.encode():
            self._answer(HTTPStatus.OK, self._shared.status())
            return False
        is_recorded = self._is_recorded(head)
        self._shared.counts.requests += 1
        self._shared.counts.answering += 1
        response = MessageFraming.of_response(head.method, lambda _: MOST_BODY if is_recorded else 0)
        self._current = _Current(new_id(), self._request, response, is_recorded)
        if self._server is None:
            self._connecting = asyncio.ensure_future(self._connect())
        return True

    async def _connect(self) -> None:
        server = ServerSide(self)
        where = self._shared
        try:
            async with asyncio.timeout(CONNECT_S):
                await asyncio.get_running_loop().create_connection(lambda: server, where.host, where.port)
        except OSError as exc:  # TimeoutError is one
            self._refuse(
                HTTPStatus.BAD_GATEWAY,
                f"Ollama does not answer at {where.host}:{where.port}: {exc.strerror or exc or 'it took too long'}",
            )
            return
        self._server = server
        if server.transport and self._current:
            server.transport.write(self._current.request.taken())
            self.resume()
            self._pass_end_on()

    def _begin_next(self) -> None:
        """The answer is over: read what the client sent in the meantime."""
        self._request = self._next_request()
        waiting, self._waiting = bytes(self._waiting), bytearray()
        self.resume()
        if waiting:
            self._read(waiting)
        self._pass_end_on()

    def _pass_end_on(self) -> None:
        """Tell Ollama that no more comes, once all was passed on."""
        if self._is_over and not self._waiting and self._server and self._server.transport:
            self._server.transport.write_eof()

    def _next_request(self) -> MessageFraming:
        return MessageFraming.of_request(lambda head: MOST_BODY if self._is_recorded(head) else 0)

    def _is_recorded(self, head: Head) -> bool:
        assert isinstance(head, h11.Request)
        route = head.target.decode("latin-1").partition("?")[0]
        return self._shared.is_recorded(head.method.decode("ascii"), route)

    def _read_copy(self) -> None:
        """Read what was passed on of the answer since the last time."""
        unread, self._unread = self._unread, []
        current = self._current
        if not unread or current is None:
            return
        self._read_answer(current, b"".join(unread))
        current.response.taken()
        self._end_if_over(current)

    def _end_if_over(self, current: _Current) -> None:
        if current.response.ended and current.request.ended:
            self._finish()
            self._begin_next()

    def _read_answer(self, current: _Current, data: bytes) -> None:
        """Read a copy of an answer; one that is no HTTP is passed on and not recorded."""
        try:
            current.response.feed(data)
        except h11.RemoteProtocolError:
            self._is_read = False

    def _with_id(self, current: _Current) -> bytes:
        """What is complete of an answer, the id in its head."""
        response = current.response
        data = response.taken()
        if response.head is None and self._is_read:
            return data
        data += response.rest()  # what comes from now on is passed on unread
        if not self._is_read:
            return data
        current.first_byte = current.last_byte = time.perf_counter()
        end = response.head_end
        if not current.is_recorded or not data[:end].endswith(_END_OF_HEAD):
            return data
        return data[: end - 2] + HEADER + b": " + current.id.encode() + b"\r\n" + data[end - 2 :]

    def _finish(self) -> None:
        """Record what was said, if there was an answer."""
        current, self._current = self._current, None
        if current is None:
            return
        self._shared.counts.answering -= 1
        if not current.is_recorded or current.response.head is None or not self._is_read:
            return
        asked, answer = current.request.head, current.response.head
        assert isinstance(asked, h11.Request)
        assert isinstance(answer, h11.Response)
        over = current.last_byte if current.response.ended else time.perf_counter()
        self._shared.record(
            Exchange(
                current.id, asked.method.decode("ascii"), asked.target.decode("latin-1"),
                _body(current.request), answer.status_code, _body(current.response),
                current.started_at, current.first_byte - current.began, over - current.began,
            )
        )  # fmt: skip

    def _refuse(self, status: int, message: str) -> None:
        """Answer in Ollama's place, and close."""
        self._finish()
        self._answer(status, json.dumps({"error": f"adapterd capture: {message}"}).encode())

    def _answer(self, status: int, body: bytes) -> None:
        if self._transport is None:
            return
        head = (
            f"HTTP/1.1 {int(status)} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        self._transport.close()


def _body(message: MessageFraming) -> Body:
    assert message.head is not None
    return Body(b"".join(message.body.parts), recorded_headers(message.head), message.body.whole)
