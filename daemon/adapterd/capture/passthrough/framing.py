"""Where messages begin and end in the bytes of a connection: h11 reads a copy, what is passed on are the bytes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import h11

MOST_HEAD = 64 << 10
"""A head that is longer is refused."""

Head = h11.Request | h11.Response


@dataclass
class BodyCopy:
    """The bytes of a body, none where it is longer than `most`; `whole` where it came to its end and all are here."""

    most: int
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    whole: bool = False

    def add(self, data: bytes) -> None:
        """Keep these bytes, or none any more."""
        self.size += len(data)
        if self.size <= self.most:
            self.parts.append(data)
        else:
            self.parts.clear()

    def end(self) -> None:
        """There are no more bytes."""
        self.whole = self.size <= self.most


class MessageFraming:
    """One message of a connection: its head, a copy of its body, and the bytes that belong to it.

    `most` says of a head how much of the body is kept.
    """

    def __init__(self, parser: h11.Connection, most: Callable[[Head], int]) -> None:
        self._parser, self._most = parser, most
        self._raw = bytearray()
        self.head: Head | None = None
        self.head_end = 0
        """Where the head ends in what `taken` returns next, if it was found since the last time."""
        self.body = BodyCopy(0)
        self.ended = False
        self._given_away = False

    @classmethod
    def of_request(cls, most: Callable[[Head], int]) -> "MessageFraming":
        """The next request of a client."""
        return cls(h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_HEAD), most)

    @classmethod
    def of_response(cls, method: bytes, most: Callable[[Head], int]) -> "MessageFraming":
        """The response to a request with this method."""
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEAD)
        parser.send(h11.Request(method=method, target="/", headers=[("Host", "localhost")]))
        parser.send(h11.EndOfMessage())
        return cls(parser, most)

    def feed(self, data: bytes) -> None:
        """Read these bytes; none of them: the connection was closed. Raises h11.RemoteProtocolError for no HTTP."""
        self._raw += data
        self._parser.receive_data(data)
        for event in self._events():
            if isinstance(event, (h11.Request, h11.Response)):
                self.head = event
                self.head_end = self._count()
                self.body = BodyCopy(self._most(event))
            elif isinstance(event, h11.Data):
                self.body.add(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                self.ended = True
                self.body.end()
                return

    def taken(self) -> bytes:
        """The bytes of the message that were read since the last time."""
        count = self._count()
        found = bytes(self._raw[:count])
        del self._raw[:count]
        return found

    def rest(self) -> bytes:
        """The bytes that were not read: a part of what comes next, or what is no HTTP."""
        count = self._count()
        found = bytes(self._raw[count:])
        del self._raw[count:]
        self._given_away = True
        return found

    def _count(self) -> int:
        """How many of the bytes were read: the parser has none of them left."""
        return len(self._raw) - (0 if self._given_away else len(self._parser.trailing_data[0]))

    def _events(self) -> Iterator[h11.Event]:
        while True:
            event = self._parser.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return
            assert isinstance(event, h11.Event)
            yield event


def header(head: Head, name: bytes) -> str:
    """A header's value, several of them with commas between them; empty where there is none."""
    return ", ".join(value.decode("latin-1") for found, value in head.headers if found == name)


def recorded_headers(head: Head) -> dict[str, str]:
    """Those that say how a body is to be read: never an authorisation or a cookie."""
    return {name: header(head, name.encode()) for name in ("content-type", "content-encoding")}
