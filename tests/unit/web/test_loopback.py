"""Who is let in."""

import asyncio
import json
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from adapterd.web.loopback import Gate, token_refusal

TOKEN = "t" * 43


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


def status_for(**headers: str) -> int:
    """The status of a request with these headers to a gate on port 4711."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("the gate reads no body")

    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    asyncio.run(Gate(behind, 4711)({"type": "http", "headers": raw}, receive, send))
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


@pytest.mark.parametrize("given", [f"Bearer {TOKEN}", f"bearer  {TOKEN}"])
def test_the_token_lets_post(given: str) -> None:
    assert token_refusal(Headers({"authorization": given}), TOKEN) is None


@pytest.mark.parametrize("given", ["", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer x", f"Bearer {TOKEN}x", "Bearer ü"])
def test_without_the_token_a_post_is_refused_and_told_what_is_needed(given: str) -> None:
    answer: Any = token_refusal(Headers({"authorization": given}), TOKEN)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "http-token" in json.loads(answer.body)["hint"]
