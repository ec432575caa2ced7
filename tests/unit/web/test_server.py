"""Where feedback over HTTP is taken, while some place cannot be had."""

import socket
from collections.abc import Iterator

import pytest

from adapterd.config import HttpSettings
from adapterd.home import Home
from adapterd.store import Store
from adapterd.web.applications import revoke_token
from adapterd.web.server import FeedbackServer


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        yield somebody.getsockname()[1]


def test_a_file_of_a_revoked_token_is_told_once_while_the_port_is_taken(
    home: Home, store: Store, taken_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    file = home.root / "http-token"
    file.write_text("t" * 43 + "\n")
    file.chmod(0o600)
    revoke_token(store, home, "default")
    file.write_text("t" * 43 + "\n")
    file.chmod(0o600)
    server = FeedbackServer(home, HttpSettings(enabled=True, unix_socket=False, port=taken_port), lambda: ["m"])

    def warnings() -> int:
        return sum("is not used: the token of default was revoked" in message for message in caplog.messages)

    server._open(store)
    for _ in range(3):
        assert server._try_again(store)[0] == []
    assert warnings() == 1
    file.unlink()
    server._try_again(store)
    file.write_text("t" * 43 + "\n")
    for _ in range(2):
        server._try_again(store)
    assert warnings() == 2  # it is back: that is news
