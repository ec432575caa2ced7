"""Only requests from this machine are let in."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from adapterd.web.loopback import LoopbackOnly


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


def status_for(**headers: str) -> int:
    """The status of a request with these headers to a server on port 4711."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("LoopbackOnly reads no body")

    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    asyncio.run(LoopbackOnly(behind, 4711)({"type": "http", "headers": raw}, receive, send))
    status: int = sent[0]["status"]
    return status


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:4711", "localhost:4711", "LocalHost", "[::1]:4711"])
def test_this_machine_under_its_own_names_is_let_in(host: str) -> None:
    assert status_for(host=host) == 200


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:4711", "127.0.0.1:80", "127.0.0.1.evil.example", "localhost.", "0.0.0.0"]
)
def test_another_name_for_this_machine_is_refused(host: str) -> None:
    assert status_for(host=host) == 421


@pytest.mark.parametrize("origin", ["http://127.0.0.1", "http://localhost:3000", "https://[::1]:8443"])
def test_pages_of_this_machine_are_let_in(origin: str) -> None:
    assert status_for(host="localhost", origin=origin) == 200


@pytest.mark.parametrize(
    "origin",
    ["null", "", "https://evil.example", "http://localhost.evil.example", "http://localhost@evil.example", "file://"],
)
def test_pages_from_elsewhere_are_refused(origin: str) -> None:
    assert status_for(host="localhost", origin=origin) == 403
