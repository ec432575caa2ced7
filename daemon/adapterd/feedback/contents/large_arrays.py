"""A JSON array that is too large to be held in memory: its elements are read one by one."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from adapterd.errors import InputError
from adapterd.feedback import strict_json
from adapterd.feedback.contents import pieces
from adapterd.feedback.contents.arrays import element
from adapterd.feedback.contents.pieces import Piece

_CHUNK_BYTES = 1 << 20


def read_large_array(stream: BinaryIO) -> Iterator[Piece]:
    """The elements of the array that the stream begins with, counted from 1; raises InputError where it breaks off.

    Raises UnicodeDecodeError where it is not UTF-8.
    """
    text = _Text(stream)
    text.take("[")
    number = 0
    while number or text.next() != "]":
        number += 1
        yield text.element(number)
        if text.next() == "]":
            break
        text.take(",")
    text.take("]")
    if text.next():
        raise InputError("is not JSON: something follows after the end of the value")


class _Text:
    """A stream as text, of which no more is held than the element that is read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._position = 0
        self._is_over = False

    def next(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            self._position = strict_json.skip_white_space(self._text, self._position)
            if self._position < len(self._text):
                return self._text[self._position]
            if not self._more():
                return ""

    def take(self, character: str) -> None:
        """Go behind this character; raises InputError if another one comes."""
        if self.next() != character:
            raise InputError(f"is not JSON: expecting {character!r} after its last element")
        self._position += 1

    def element(self, number: int) -> Piece:
        """The element that comes next; raises InputError if it has no end."""
        self.next()
        while True:
            try:
                piece, end = element(self._text, number, self._position)
            except strict_json.JsonSyntaxError as exc:
                if len(self._text) - self._position > pieces.MAX_LINE_BYTES:
                    raise InputError(
                        f"has an element, {number:,}, that is longer than {pieces.MAX_LINE_BYTES >> 20} MiB or no JSON"
                    ) from exc
                if not self._more():
                    raise InputError(f"breaks off in its element {number:,}, or is not JSON there") from exc
            else:
                if end < len(self._text) or not self._more():
                    self._position = end
                    return piece

    def _more(self) -> bool:
        """Read on, at least as much as there is, so that a long element is not tried too often."""
        if self._is_over:
            return False
        kept = self._text[self._position :]
        data = self._stream.read(max(_CHUNK_BYTES, len(kept)))
        self._is_over = not data
        self._text, self._position = kept + self._decoder.decode(data, final=self._is_over), 0
        return not self._is_over
