"""Who stays connected when there are more connections than are served."""

import socket
from collections.abc import Iterator

import pytest

from adapterd.web.listening import connections
from adapterd.web.listening.connections import MAX_CONNECTIONS, MAX_UNKNOWN, Peer, may_stay


@pytest.fixture
def end() -> Iterator[socket.socket]:
    """A socket that stands for any connection; `Crowd` says whose it is."""
    one, two = socket.socketpair()
    with one, two:
        yield one


class Crowd:
    """Peers in the order of their coming, and those that were closed for others."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self.peers: list[Peer] = []
        self.closed: list[Peer] = []

    def comes(self, *, user: int = 1, application: str | None = None, unix: bool = False) -> bool:
        peer = Peer(self._end, 0 if unix else None, close=lambda: self._close(peer), known=lambda: None)
        peer.__dict__["tcp_user"] = user
        stays = may_stay(peer, self.peers)
        self.peers.append(peer)
        peer.show(application)
        return stays

    def _close(self, peer: Peer) -> None:
        self.peers.remove(peer)
        self.closed.append(peer)


@pytest.fixture
def crowd(end: socket.socket) -> Crowd:
    return Crowd(end)


def test_nobody_is_closed_while_there_is_room(crowd: Crowd) -> None:
    assert all(crowd.comes() for _ in range(MAX_UNKNOWN))
    assert crowd.closed == []


def test_a_newcomer_is_served_and_the_oldest_without_a_token_goes(crowd: Crowd) -> None:
    for _ in range(MAX_UNKNOWN):
        crowd.comes()
    first, second = crowd.peers[:2]
    assert [crowd.comes(), crowd.comes()] == [True, True]
    assert crowd.closed == [first, second]
    assert len(crowd.peers) == MAX_UNKNOWN


def test_who_opens_many_closes_their_own(crowd: Crowd) -> None:
    crowd.comes(user=1)
    for _ in range(5 * MAX_CONNECTIONS):
        assert crowd.comes(user=2)
    assert {peer.tcp_user for peer in crowd.closed} == {2}
    assert crowd.peers[0].tcp_user == 1


def test_who_has_shown_a_token_is_closed_for_nobody(crowd: Crowd) -> None:
    for _ in range(MAX_CONNECTIONS):
        assert crowd.comes(application="a")
    assert not crowd.comes()
    assert crowd.closed == []


def test_some_places_are_for_those_who_have_shown_a_token(crowd: Crowd) -> None:
    for _ in range(MAX_CONNECTIONS):
        crowd.comes()
    assert sum(peer.application is None for peer in crowd.peers) == MAX_UNKNOWN < MAX_CONNECTIONS


def test_the_unix_socket_has_places_of_its_own(crowd: Crowd) -> None:
    for _ in range(5 * MAX_CONNECTIONS):
        crowd.comes()
    assert all(crowd.comes(unix=True) for _ in range(MAX_CONNECTIONS))
    assert not crowd.comes(unix=True)
    assert not any(peer.is_unix for peer in crowd.closed)


def test_an_application_has_no_more_than_its_share(crowd: Crowd) -> None:
    for _ in range(connections.MAX_OF_APPLICATION):
        crowd.comes(application="a")
    crowd.comes()
    newest = crowd.peers[-1]
    assert connections.has_its_share(newest, "a", crowd.peers)
    assert not connections.has_its_share(newest, "b", crowd.peers)
    assert not connections.has_its_share(crowd.peers[0], "a", crowd.peers[:-1])


def test_a_token_that_is_shown_first_is_told_once(end: socket.socket) -> None:
    told: list[str] = []
    peer = Peer(end, None, close=lambda: None, known=lambda: told.append("known"))
    for application in (None, "a", "a", None):
        peer.show(application)
    assert told == ["known"]
    assert peer.application is None
