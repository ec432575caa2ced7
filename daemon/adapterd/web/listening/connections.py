"""Who may stay connected when there are more connections than are served.

A connection that has shown a token, or came over the Unix socket, is never closed for another one. Of the others the
oldest goes, of the user who has most of them: so whoever opens many, and asks nothing, closes their own.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

from adapterd.system.sockets.peers import Connection, tcp_peer_user

MAX_CONNECTIONS = 64
"""Connections over TCP that are kept; over the Unix socket there may be as many again."""
MAX_UNKNOWN = 48
"""Of these, so many may have shown no token; the other places are for applications that have one."""
MAX_OF_APPLICATION = 32
"""Of these, one application may have so many."""


@dataclass(eq=False)
class Peer:
    """The other end of a connection: `user` is who connected to the Unix socket, None over TCP. `application` is the
    one whose token was shown last; `close` closes the connection for others, `known` is told when a token was shown.
    """

    connection: Connection
    user: int | None
    close: Callable[[], object]
    known: Callable[[], object]
    application: str | None = field(default=None)

    @property
    def is_unix(self) -> bool:
        return self.user is not None

    @property
    def is_foreign(self) -> bool:
        """Whether another user than ours came over the Unix socket."""
        return self.user not in (None, os.getuid())

    @property
    def where(self) -> str:
        """Where it came from, for the log."""
        user = self.user if self.is_unix else self.tcp_user
        named = "" if user is None else f", user id {user}"
        return f"over {'the Unix socket' if self.is_unix else 'TCP'}{named}"

    @cached_property
    def tcp_user(self) -> int | None:
        """Who is at the other end of a TCP connection, where the system tells."""
        return tcp_peer_user(self.connection)

    def show(self, application: str | None) -> None:
        """A valid token of this application was shown, or with None none."""
        is_new = application is not None and self.application is None
        self.application = application
        if is_new:
            self.known()


def may_stay(newcomer: Peer, others: Iterable[Peer]) -> bool:
    """Whether a new connection is served. One of the others may have been closed for it."""
    alike = [each for each in others if each.is_unix == newcomer.is_unix]
    if newcomer.is_unix:
        return len(alike) < MAX_CONNECTIONS
    unknown = [each for each in alike if each.application is None]
    if len(alike) < MAX_CONNECTIONS and len(unknown) < MAX_UNKNOWN:
        return True
    if not unknown:
        return False
    _oldest_of_most(unknown).close()
    return True


def has_its_share(peer: Peer, application: str, all_: Iterable[Peer]) -> bool:
    """Whether an application has as many connections besides this one as it may have."""
    others = sum(each is not peer and each.application == application for each in all_)
    return others >= MAX_OF_APPLICATION


def _oldest_of_most(unknown: list[Peer]) -> Peer:
    """Of the user who has most of these connections, which are in the order of their coming, the first."""
    [(user, _)] = Counter(each.tcp_user for each in unknown).most_common(1)
    return next(each for each in unknown if each.tcp_user == user)
