"""uvicorn's HTTP protocol with time limits, and with a choice of who stays connected.

uvicorn's own waits without end for a request that never ends and for a client that never reads, and replies in plain
text to what is not HTTP. These are changed; the rest is as it was.
"""

import asyncio
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import h11
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from adapterd.system.sockets.peers import Connection, unix_peer_user
from adapterd.web.listening.connections import MAX_CONNECTIONS, Peer, may_stay
from adapterd.web.replies import JSONReply, error_reply, of_another_user, too_busy

UNKNOWN_USER = -1


class TimeoutProtocol(H11Protocol):
    """One client's connection. `count` is told the status of what is refused here, and where it came from; `peers` are
    those who are connected, in the order of their coming."""

    timeout_s = 30.0
    """How long a request may take to arrive as a whole, and a reply to be read."""
    unknown_timeout_s = 5.0
    """How long a request may take to arrive over TCP as long as no token was shown."""
    peer: Peer

    def __init__(
        self, *args: Any, count: Callable[[int, str], object], peers: dict[Peer, None], **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._count = count
        self._peers = peers
        self._request = _Limit(self.loop, self._give_up)
        self._reply = _Limit(self.loop, lambda: self.transport.abort())

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)
        connection = transport.get_extra_info("socket")
        self.peer = Peer(connection, _user(connection), close=self._close_for_others, known=self._watch_request_anew)
        is_served = may_stay(self.peer, self._peers)
        self._peers[self.peer] = None
        if self.peer.is_foreign:
            self.app = of_another_user()
        elif not is_served:
            self.app = too_busy()
        self.app = _Introduced(self.app, self.peer, self._count)
        if len(self._peers) > 4 * MAX_CONNECTIONS:
            transport.abort()
        self._watch_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._peers.pop(self.peer, None)
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
        self._reply.begin(self.timeout_s)

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
            is_known = self.peer.is_unix or self.peer.application is not None
            self._request.begin(self.timeout_s if is_known else min(self.timeout_s, self.unknown_timeout_s))

    def _watch_request_anew(self) -> None:
        """A token was shown: the request may take longer."""
        self._request.end()
        self._watch_request()

    def _close_for_others(self) -> None:
        """Make room for a new connection."""
        self._count(HTTPStatus.SERVICE_UNAVAILABLE, self.peer.where)
        self._peers.pop(self.peer, None)
        self.transport.abort()

    def _give_up(self) -> None:
        if self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            self.transport.close()
        else:
            self._refuse(error_reply(HTTPStatus.REQUEST_TIMEOUT, "the request did not arrive in time", "send it again"))

    def _refuse(self, reply: JSONReply) -> None:
        """Reply in the place of the application, unless it has begun to, and close the connection."""
        self._count(reply.status_code, self.peer.where)
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            if self.cycle:
                self.cycle.disconnected = True  # else the application replies as well, which is an error by now
            headers = [*reply.raw_headers, (b"connection", b"close")]
            head = h11.Response(status_code=reply.status_code, headers=headers)
            for event in (head, h11.Data(data=bytes(reply.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def _user(connection: Connection) -> int | None:
    """Who connected to the Unix socket; where the system does not tell, as of a client that has gone, another user."""
    if connection.family != socket.AF_UNIX:
        return None
    try:
        return unix_peer_user(connection)
    except OSError:
        return UNKNOWN_USER


class _Introduced:
    """The application, told in `scope["peer"]` who asks; what it refuses is counted."""

    def __init__(self, app: Any, peer: Peer, count: Callable[[int, str], object]) -> None:
        self._app = app
        self._peer = peer
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST:
                self._count(message["status"], self._peer.where)
            await send(message)

        await self._app({**scope, "peer": self._peer}, receive, counted)


class _Limit:
    """Calls `give_up` if what was begun is not ended within so many seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, give_up: Callable[[], object]) -> None:
        self._loop = loop
        self._give_up = give_up
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, after_s: float) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(after_s, self._give_up)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
