"""The places where the server listens: a Unix socket, and a port of all loopback addresses.

A place that cannot be had is a fault that is told, and is tried again. Of the loopback addresses all are had or none:
a client that says `localhost` may come to either, so nothing is served while another program has one of them.
"""

import logging
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from adapterd.errors import AdapterdError
from adapterd.store.http_access.places import Place
from adapterd.system.sockets.loopback import address_of, listen_on_loopback
from adapterd.system.sockets.unix import listen_on_path, remove_own, socket_identity

UNIX = "unix"
TCP = "tcp"

log = logging.getLogger("adapterd")


class Places:
    """`path` of the Unix socket and `port` of TCP; None for what is not wanted. Port 0 is any that is free at first."""

    def __init__(self, path: Path | None, port: int | None) -> None:
        self._path = path
        self.port = port
        self._identity: tuple[int, int] | None = None
        self._open: dict[str, list[socket.socket]] = {}
        self._faults: dict[str, AdapterdError] = {}

    @property
    def sockets(self) -> list[socket.socket]:
        """All that listen."""
        return [each for listening in self._open.values() for each in listening]

    @property
    def incomplete(self) -> bool:
        """Whether something that is wanted could not be had."""
        return bool(self._faults)

    def open_missing(self, before_tcp: Callable[[], object]) -> list[socket.socket]:
        """Try to have what is wanted and not there; returns what came of it. Tells the log of what changed.

        `before_tcp` does what TCP needs, and raises an AdapterdError where that is not to be had.
        """

        def listen_on_port() -> list[socket.socket]:
            before_tcp()
            return self._listen_on_port()

        found = [] if self._path is None else self._tried(UNIX, self._listen_on_path)
        return found if self.port is None else found + self._tried(TCP, listen_on_port)

    def told(self) -> list[Place]:
        """Every place that is wanted, and what is wrong with it."""
        wanted = [UNIX] * (self._path is not None) + [TCP] * (self.port is not None)
        return [self._told(each) for each in wanted]

    def close(self) -> None:
        """Listen nowhere; the Unix socket's name goes, if it is still the name of ours."""
        for each in self._open.pop(TCP, []):
            each.close()
        for each in self._open.pop(UNIX, []):
            if self._path is not None and self._identity is not None:
                remove_own(self._path, each, self._identity)

    def _tried(self, place: str, listen: Callable[[], Sequence[socket.socket]]) -> list[socket.socket]:
        if place in self._open:
            return []
        try:
            found = list(listen())
        except AdapterdError as exc:
            if place not in self._faults:
                log.error("no feedback over HTTP: %s%s", exc, f" ({exc.hint})" if exc.hint else "")
            self._faults[place] = exc
            return []
        self._faults.pop(place, None)
        self._open[place] = found
        log.info("feedback over HTTP at %s", f"port {self.port}" if place == TCP else self._path)
        return found

    def _listen_on_path(self) -> list[socket.socket]:
        assert self._path is not None
        found = listen_on_path(self._path)
        self._identity = socket_identity(self._path)
        return [found]

    def _listen_on_port(self) -> list[socket.socket]:
        found = listen_on_loopback(self.port or 0)
        self.port = found[0].getsockname()[1]
        return found

    def _told(self, place: str) -> Place:
        listening = self._open.get(place, [])
        on_loopback = " ".join(map(address_of, listening)) if place == TCP else ""
        address = str(self._path) if place == UNIX else on_loopback or f"127.0.0.1:{self.port}"
        fault = self._faults.get(place)
        return Place(place, address, str(fault) if fault else None, fault.hint if fault else None)
