"""The elements of a JSON array, one by one: a faulty one spoils itself only."""

from collections.abc import Iterator

from adapterd.errors import InputError
from adapterd.feedback import strict_json
from adapterd.feedback.contents.pieces import ParsedPiece, Piece, RejectedPiece


class ArrayReader:
    """Reads the array that begins at `start` of a text; after the last element, `end` is the position behind it."""

    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._start = start
        self.end = start

    def pieces(self, *, line: int | None = None) -> Iterator[Piece]:
        """The elements, counted from 1, or all with the number `line`; raises InputError where the array breaks off."""
        for number, start in enumerate(self._starts(), start=1):
            piece, self.end = element(self._text, number if line is None else line, start)
            yield piece

    def skip(self) -> None:
        """Go to the end without keeping any element; raises InputError where the array breaks off."""
        for start in self._starts():
            self.end = strict_json.end_of_value(self._text, start)

    def _starts(self) -> Iterator[int]:
        """Where each element begins; who takes one puts its end into `end`."""
        text, position = self._text, strict_json.skip_white_space(self._text, self._start + 1)
        if text[position : position + 1] != "]":
            yield position
            position = strict_json.skip_white_space(text, self.end)
            while text[position : position + 1] != "]":
                if text[position : position + 1] != ",":
                    raise strict_json.syntax_error("expecting ',' or ']'", text, position)
                yield strict_json.skip_white_space(text, position + 1)
                position = strict_json.skip_white_space(text, self.end)
        self.end = position + 1


def element(text: str, number: int, start: int) -> tuple[Piece, int]:
    """The element of this number that begins at `start`, and where it ends; raises JsonSyntaxError if it has no end."""
    try:
        value, end = strict_json.decode_at(text, start)
        return ParsedPiece(number, value, text[start:end].encode()), end
    except strict_json.JsonSyntaxError:
        raise
    except InputError as exc:
        end = strict_json.end_of_value(text, start)
        return RejectedPiece(number, f"the element {exc}", text[start:end].encode()), end
