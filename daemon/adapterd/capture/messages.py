"""An exchange as bytes between the pass-through and the recorder: a head in JSON and two bodies, and their lengths."""

import json
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from adapterd.capture.wire.exchange import Body, Exchange

_LENGTHS = struct.Struct(">III")


def packed(exchange: Exchange) -> bytes:
    """The bytes of an exchange."""
    head = {name: value for name, value in vars(exchange).items() if name not in ("request", "response")}
    for name, body in (("request", exchange.request), ("response", exchange.response)):
        head[name] = {"headers": dict(body.headers), "whole": body.whole}
    written = json.dumps(head).encode()
    bodies = exchange.request.data, exchange.response.data
    return _LENGTHS.pack(len(written), *map(len, bodies)) + written + b"".join(bodies)


def unpacked(stream: BinaryIO) -> Iterator[Exchange]:
    """The exchanges in a stream, up to its end or one that is not whole."""
    while len(lengths := stream.read(_LENGTHS.size)) == _LENGTHS.size:
        sizes = _LENGTHS.unpack(lengths)
        parts = [stream.read(size) for size in sizes]
        if [len(part) for part in parts] != list(sizes):
            return
        head: dict[str, Any] = json.loads(parts[0])
        for name, data in zip(("request", "response"), parts[1:], strict=True):
            head[name] = Body(data, **head[name])
        yield Exchange(**head)
