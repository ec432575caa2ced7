"""A text as it is read, for the finders: what nobody sees is not there, and every digit, space and full-width sign is
that of ASCII. So neither a soft hyphen nor another keyboard hides a number or an address."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from adapterd.personal_data.finding import Span
from adapterd.visible import visible

_POINTS = (*range(0x1FC00), *range(0xE0000, 0xE1000))
_FULL_WIDTH, _TO_ASCII = range(0xFF01, 0xFF5F), 0xFEE0


@dataclass(frozen=True)
class PlainText:
    """The text, and for each of its characters the place in the original; none where the two are of one length."""

    text: str
    _places: Sequence[int] = ()

    @classmethod
    def of(cls, original: str) -> "PlainText":
        """The plain form of a text."""
        if original.isascii() and visible(original) == original:
            return cls(original)
        table = _table()
        text = original.translate(table)
        if len(text) == len(original):
            return cls(text)
        return cls(text, [place for place, each in enumerate(original) if table.get(ord(each), "") is not None])

    def original(self, span: Span) -> Span:
        """Where in the original a span of the plain text is."""
        return Span(self._places[span.start], self._places[span.end - 1] + 1) if self._places else span


@cache
def _table() -> dict[int, str | None]:
    """For `str.translate`: one character for one, or none."""
    return {point: plain for point in _POINTS if (plain := _plain(chr(point))) != chr(point)}


def _plain(character: str) -> str | None:
    shown = visible(character)
    if shown != character:
        return shown or None
    if ord(character) in _FULL_WIDTH:
        return chr(ord(character) - _TO_ASCII)
    return str(unicodedata.decimal(character)) if unicodedata.category(character) == "Nd" else character
