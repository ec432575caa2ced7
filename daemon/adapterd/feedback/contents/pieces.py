"""The pieces that a file is read as."""

from dataclasses import dataclass
from typing import NamedTuple

MAX_LINE_BYTES = 4 << 20
BOM = b"\xef\xbb\xbf"
WHITE_SPACE = b" \t\r\n"


class ParsedPiece(NamedTuple):
    """A JSON value; `line` counts the file's lines, or the elements of its array, from 1; `raw` are its bytes."""

    line: int
    value: object
    raw: bytes


@dataclass(frozen=True)
class RejectedPiece:
    """A piece that is no value. `raw` is None where only the whole file holds it; line 0 is the file itself."""

    line: int
    reason: str
    raw: bytes | None


Piece = ParsedPiece | RejectedPiece


def stripped(raw: bytes) -> bytes:
    """The bytes of a line or file without byte order mark and white space around them."""
    return raw.removeprefix(BOM).strip(WHITE_SPACE)
