"""Bodies as JSON: one object, a line each (NDJSON), or server-sent events; of any form of compression that is known."""

import importlib
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from adapterd.capture.wire.conversation import NotRecordedError
from adapterd.capture.wire.exchange import Body

MOST_DECODED = 64 << 20
"""Of a compressed body no more than so many bytes are decoded."""
_ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS
EVENT_STREAM = "text/event-stream"
END_OF_STREAM = b"[DONE]"

Object = Mapping[str, Any]


def decoded(body: Body) -> bytes:
    """The bytes without content coding; raises NotRecordedError for one that is not known, broken or too long."""
    data = body.data
    for coding in reversed(body.headers.get("content-encoding", "").lower().replace(" ", "").split(",")):
        if coding not in ("", "identity"):
            data = _without(coding, data)
    return data


def _without(coding: str, data: bytes) -> bytes:
    if coding not in ("gzip", "x-gzip", "deflate", "zstd"):
        raise NotRecordedError("a body in a content coding that is not known")
    decoder, error = _zstd() if coding == "zstd" else (zlib.decompressobj(_ZLIB_OR_GZIP), zlib.error)
    try:
        found: bytes = decoder.decompress(data, MOST_DECODED)
    except (error, EOFError) as exc:
        raise NotRecordedError(f"a body that is no {coding}") from exc
    if not decoder.eof:
        raise NotRecordedError("a compressed body that is broken or too long")
    return found


def _zstd() -> tuple[Any, type[Exception]]:
    try:
        zstd = importlib.import_module("compression.zstd")  # from Python 3.14 on
    except ImportError as exc:
        raise NotRecordedError("a body in zstd, which this Python cannot decode") from exc
    return zstd.ZstdDecompressor(), zstd.ZstdError


def json_object(data: bytes) -> Object:
    """A JSON object; raises NotRecordedError for anything else."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        raise NotRecordedError("a body that is no JSON") from exc
    if not isinstance(found, dict):
        raise NotRecordedError("a body that is no JSON object")
    return found


def lines(data: bytes) -> Iterator[Object]:
    """The objects of NDJSON, up to one that is broken or no object."""
    for line in data.split(b"\n"):
        if line.strip():
            try:
                yield json_object(line)
            except NotRecordedError:
                return


def events(data: bytes) -> Iterator[tuple[str, Object | None]]:
    """The server-sent events with their names, up to one that is broken; None for the `[DONE]` of OpenAI's."""
    for block in data.replace(b"\r\n", b"\n").split(b"\n\n")[:-1]:
        name, said = "", list[bytes]()
        for line in block.split(b"\n"):
            field, _, value = line.partition(b":")
            if field == b"event":
                name = value.strip().decode("utf-8", "replace")
            elif field == b"data":
                said.append(value.removeprefix(b" "))
        if not said:
            continue
        text = b"\n".join(said)
        if text.strip() == END_OF_STREAM:
            yield name, None
            continue
        try:
            yield name, json_object(text)
        except NotRecordedError:
            return


def is_stream(body: Body) -> bool:
    """Whether these are server-sent events."""
    return body.content_type == EVENT_STREAM
