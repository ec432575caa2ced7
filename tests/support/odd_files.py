"""Feedback files as nobody should write them, and some as they should be, for hypothesis.

`odd_files()` gives names and contents: good files, good ones that were damaged, encoded, or cut off on their way, lines
of which some are wrong, documents, and noise.
"""

import bz2
import gzip
import json
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.support.web_bodies import RAW, damaged, good_records, odd_values, records

ENDINGS = (".jsonl", ".json", ".ndjson", ".JSONL", ".Json")
STEMS = ("", "a b", "é", "👩‍🚀", "line\nbreak", "\udcff", "'\"", "%s", "~", "x" * 100)
SEPARATORS = (b"\n", b"\r\n", b"\r", b"\n\n", b" \n\t", b",\n", b"\n\xef\xbb\xbf", "\u2028".encode(), b"\x00\n", b"")
BEGINNINGS = (b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\n \t\r\n", b"\x00", b"[", b"PK\x03\x04", b"\x1f\x8b")
ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "utf-7", "cp500")
PACKED: tuple[Callable[[bytes], bytes], ...] = (gzip.compress, bz2.compress, zlib.compress)
GOOD = b'{"prompt": "Who met?", "output": "They did", "rating": 4}'
HUGE = (
    b"[" * 60_000 + b"]" * 60_000,
    b'{"prompt": ' * 60_000,
    GOOD.replace(b"4", b"4" * 10_000),
    GOOD.replace(b"4", b"4e99999"),
    GOOD.replace(b"Who", b"\\ud83d" * 5_000),
    GOOD.replace(b"Who", b"w" * (5 << 20)),
    (GOOD + b"\n") * 2_500,
    b"{\n" * 11_000,
    b"\xff\n" * 30,
    b"\n" * 100_000 + GOOD,
)


@st.composite
def odd_files(draw: st.DrawFn) -> tuple[str, bytes]:
    """The end of a name, and what is in the file."""
    name = draw(st.sampled_from(STEMS)) + draw(st.sampled_from(ENDINGS))
    sort = draw(st.integers(0, 99))
    if sort == 0:
        return name, draw(st.sampled_from(HUGE))
    kinds = (_good(), _mixed(), _document(), _encoded(), damaged(_good()), _flipped(), _cut(), st.binary(max_size=300))
    return name, draw(kinds[sort % len(kinds)])


@cache
def _good() -> st.SearchStrategy[bytes]:
    return st.lists(good_records().map(_written), min_size=1, max_size=4).map(b"\n".join)


@st.composite
def _mixed(draw: st.DrawFn) -> bytes:
    """Lines of every kind, with something odd between or before them."""
    line = records().map(_written) | odd_values().map(_written) | st.sampled_from([*RAW, GOOD]) | st.binary(max_size=40)
    separator = draw(st.sampled_from(SEPARATORS))
    return draw(st.sampled_from(BEGINNINGS)) + separator.join(draw(st.lists(line, max_size=6)))


@st.composite
def _document(draw: st.DrawFn) -> bytes:
    """One value in the whole file, mostly an array of records."""
    value = draw(st.lists(records(), max_size=5) | odd_values())
    text = json.dumps(value, indent=draw(st.sampled_from([None, 0, 2, "\t"])), ensure_ascii=draw(st.booleans()))
    return (
        draw(st.sampled_from(BEGINNINGS))
        + text.encode(errors="surrogatepass")
        + draw(st.sampled_from([b"", b"]", b"{"]))
    )


@st.composite
def _encoded(draw: st.DrawFn) -> bytes:
    """The same text in another encoding, or packed."""
    content = draw(_good())
    if draw(st.booleans()):
        return draw(st.sampled_from(PACKED))(content)
    return content.decode().encode(draw(st.sampled_from(ENCODINGS)), errors="replace")


@st.composite
def _flipped(draw: st.DrawFn) -> bytes:
    """Some bits are not what they were."""
    content = bytearray(draw(_good()))
    for _ in range(draw(st.integers(1, 8))):
        content[draw(st.integers(0, len(content) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(content)


@st.composite
def _cut(draw: st.DrawFn) -> bytes:
    """The beginning of a file, as a crash or a full disk leaves it: the rest is missing, or is zeros."""
    content = draw(_good())
    kept = draw(st.integers(0, len(content)))
    return content[:kept] + b"\x00" * (draw(st.booleans()) * (len(content) - kept))


def _written(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=len(repr(value)) % 2 == 0).encode(errors="surrogatepass")
