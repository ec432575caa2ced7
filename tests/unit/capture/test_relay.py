"""What is read of an answer after it was passed on: nothing is lost of it, whoever leaves in the meantime."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from adapterd.capture.passthrough.relay import MOST_UNREAD, READ_AFTER_S, ClientSide, Relaying, ServerSide
from adapterd.capture.wire.exchange import Exchange

ASKED = b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
PARTS, END = [b"4\r\none \r\n", b"3\r\ntwo\r\n"], b"0\r\n\r\n"


class Sent(asyncio.Transport):
    """Keeps what was written, in the order in which all of them were written to."""

    def __init__(self, order: list[bytes]) -> None:
        super().__init__()
        self.order = order
        self.data = b""

    def write(self, data: Any) -> None:
        self.order.append(bytes(data))
        self.data += data

    def close(self) -> None: ...

    def abort(self) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Pair:
    """A client's connection and the one to Ollama, as asyncio would have made them."""

    def __init__(self, order: list[bytes], recorded: list[Exchange]) -> None:
        self.client = ClientSide(Relaying("localhost", 1, lambda *_: True, recorded.append))
        self.to_client, self.to_server = Sent(order), Sent([])
        self.client.connection_made(self.to_client)
        self.server = ServerSide(self.client)
        self.server.connection_made(self.to_server)
        self.client._server = self.server

    def came(self, side: ClientSide | ServerSide, data: bytes) -> None:
        place = side.get_buffer(-1)
        place[: len(data)] = data
        side.buffer_updated(len(data))


def ran(does: Callable[[], Any]) -> None:
    async def run() -> None:
        does()
        await asyncio.sleep(2 * READ_AFTER_S)

    asyncio.run(run())


def test_all_that_came_is_passed_on_before_any_copy_is_read() -> None:
    order, recorded = list[bytes](), list[Exchange]()

    def does() -> None:
        pairs = [Pair(order, recorded) for _ in range(3)]
        for pair in pairs:
            pair.came(pair.client, ASKED)
            pair.came(pair.server, HEAD)
        order.clear()
        for pair in pairs:
            pair.came(pair.server, PARTS[0] + END)
        assert recorded == []

    ran(does)
    assert order == [PARTS[0] + END] * 3
    assert [each.response.data for each in recorded] == [b"one "] * 3


@pytest.mark.parametrize("cut", range(1, len(HEAD + PARTS[0] + END)))
def test_no_byte_is_lost_wherever_an_answer_is_cut(cut: int) -> None:
    recorded, pairs, whole = list[Exchange](), list[Pair](), HEAD + PARTS[0] + END

    def does() -> None:
        pairs.append(Pair([], recorded))
        pairs[0].came(pairs[0].client, ASKED)
        pairs[0].came(pairs[0].server, whole[:cut])
        pairs[0].came(pairs[0].server, whole[cut:])

    ran(does)
    assert re.sub(rb"X-Adapterd-Capture: \w+\r\n", b"", pairs[0].to_client.data) == whole
    assert [each.response.data for each in recorded] == [b"one "]


@pytest.mark.parametrize("who", ["client", "server"])
@pytest.mark.parametrize(("end", "whole"), [(END, True), (b"", False)])
def test_who_leaves_at_once_takes_nothing_of_the_record_along(who: str, end: bytes, whole: bool) -> None:
    recorded: list[Exchange] = []

    def does() -> None:
        pair = Pair([], recorded)
        pair.came(pair.client, ASKED)
        for data in filter(None, (HEAD, *PARTS, end)):
            pair.came(pair.server, data)
        (pair.client if who == "client" else pair.server).connection_lost(None)
        assert pair.to_client.data.endswith(b"".join(PARTS) + end)

    ran(does)
    [exchange] = recorded
    assert (exchange.response.data, exchange.response.whole) == (b"one two", whole)


def test_a_request_that_came_early_is_passed_on_when_the_answer_is_over() -> None:
    recorded: list[Exchange] = []

    def does() -> None:
        pair = Pair([], recorded)
        pair.came(pair.client, ASKED)
        pair.came(pair.client, ASKED)
        assert pair.to_server.data == ASKED
        pairs.append(pair)
        for data in (HEAD, PARTS[0], END):
            pair.came(pair.server, data)

    pairs: list[Pair] = []
    ran(does)
    assert pairs[0].to_server.data == ASKED + ASKED
    assert len(recorded) == 1


def test_the_next_request_waits_for_nothing() -> None:
    recorded: list[Exchange] = []

    def does() -> None:
        pair = Pair([], recorded)
        pair.came(pair.client, ASKED)
        for data in (HEAD, PARTS[0], END):
            pair.came(pair.server, data)
        pair.came(pair.client, ASKED)
        assert pair.to_server.data == ASKED + ASKED
        assert len(recorded) == 1
        pair.came(pair.server, HEAD)
        assert pair.to_client.data.count(b"X-Adapterd-Capture: ") == 2

    ran(does)


def test_an_answer_may_be_over_before_its_request_is() -> None:
    recorded: list[Exchange] = []

    def does() -> None:
        pair = Pair([], recorded)
        pair.came(pair.client, ASKED[:-1])
        pair.came(pair.server, HEAD + PARTS[0] + END)
        pair.came(pair.client, ASKED[-1:])
        assert len(recorded) == 1
        pair.came(pair.client, ASKED)
        assert pair.to_server.data == ASKED + ASKED

    ran(does)


def test_little_waits_to_be_read() -> None:
    recorded: list[Exchange] = []

    def does() -> None:
        pair = Pair([], recorded)
        pair.came(pair.client, ASKED)
        pair.came(pair.server, HEAD)
        for data in [PARTS[0]] * (MOST_UNREAD - 1) + [END]:
            pair.came(pair.server, data)
        assert len(recorded) == 1

    ran(does)
    assert recorded[0].response.data == b"one " * (MOST_UNREAD - 1)
