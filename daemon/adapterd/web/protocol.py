"""uvicorn's HTTP protocol with time limits.

uvicorn's own waits without end for a request that never ends and for a client that never reads, and replies in plain
text to what is not HTTP. These three are changed; the rest is as it was.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from adapterd.web.replies import JSONReply, error_reply, too_busy

MAX_CONNECTIONS = 64
"""Connections beyond this number get a reply that says so; beyond twice the number they are closed without one, for
each takes a file descriptor."""


class TimeoutProtocol(H11Protocol):
    """One client's connection."""

    timeout_s = 30.0
    """How long a request may take to arrive as a whole, and a reply to be read."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._request = _Limit(self.loop, self.timeout_s, self._give_up)
        self._reply = _Limit(self.loop, self.timeout_s, lambda: self.transport.abort())

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)
        if len(self.connections) > 2 * MAX_CONNECTIONS:
            transport.abort()
        elif len(self.connections) > MAX_CONNECTIONS:
            self.app = too_busy()
        self._watch_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._request.end()
        self._reply.end()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Take what has arrived."""
        super().handle_events()
        self._watch_request()

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        self._reply.begin()

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        self._reply.end()

    def shutdown(self) -> None:
        """End: after the reply if the request has arrived, else at once."""
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.abort()
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Reply to what is not HTTP."""
        self._refuse(
            error_reply(HTTPStatus.BAD_REQUEST, "the request is not HTTP as it should be", "use an HTTP client")
        )

    def _watch_request(self) -> None:
        """The next request is due from when the last one has arrived and been answered."""
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._request.end()
        elif not self.transport.is_closing():
            self._request.begin()

    def _give_up(self) -> None:
        if self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            self.transport.close()
        else:
            self._refuse(error_reply(HTTPStatus.REQUEST_TIMEOUT, "the request did not arrive in time", "send it again"))

    def _refuse(self, reply: JSONReply) -> None:
        """Reply in the place of the application, unless it has begun to, and close the connection."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            if self.cycle:
                self.cycle.disconnected = True  # else the application replies as well, which is an error by now
            headers = [*reply.raw_headers, (b"connection", b"close")]
            head = h11.Response(status_code=reply.status_code, headers=headers)
            for event in (head, h11.Data(data=bytes(reply.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class _Limit:
    """Calls `give_up` if what was begun is not ended within so many seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, after_s: float, give_up: Callable[[], object]) -> None:
        self._loop = loop
        self._after_s = after_s
        self._give_up = give_up
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(self._after_s, self._give_up)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
