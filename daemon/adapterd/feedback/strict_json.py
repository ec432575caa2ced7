"""Strict JSON (RFC 8259): Python's own decoder also accepts NaN, and of a repeated key takes the last value.

That decoder lets no other thread run while it is in a list or an object of numbers, which for the largest value that is
read takes seconds. So it gets no more than AT_ONCE characters of one; what is larger is taken apart here, step by step,
and may have only so many values.
"""

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Self

import orjson

from adapterd.errors import InputError

AT_ONCE = 1 << 16
"""Characters of a list or an object for which nobody else has to wait long."""
FIRST = 1 << 11
"""Characters that are tried before, as most records have fewer."""
MAX_VALUES = 250_000
MAX_TEXT = 8 << 20
MAX_LEVELS = 100
"""Of a list or an object that is taken apart; the decoder itself knows more in smaller ones."""
MOST_TRIED = 8
"""So many times as many characters as were read may be tried in vain: that many large values within each other. What is
within more of them is taken apart without a try."""
_TOO_DEEP = "is not JSON that can be used: it is nested too deeply"
_WHITE_SPACE = re.compile(r"[ \t\r\n]*")
_MARK = re.compile(r'["\[\]{}]')


class WrittenFloat(float):
    """A number with a point or an exponent, which remembers how it was written: 19.90 and 1e2 stay so in an answer."""

    __slots__ = ("written",)
    written: str

    def __new__(cls, written: str) -> Self:
        """The number in this text."""
        self = super().__new__(cls, written)
        self.written = written
        return self

    def __repr__(self) -> str:
        return self.written


class JsonSyntaxError(InputError):
    """The text is not JSON at all, so that it is unknown where its values end."""


def decode(text: str, *, most_values: float = MAX_VALUES) -> object:
    """The one value that the text is; raises InputError with a sentence that begins with 'is not JSON' or 'has'."""
    value, end = decode_at(text, skip_white_space(text, 0), most_values=most_values)
    if end != len(text):
        expect_end(text, end)
    return value


def glance(raw: bytes) -> object:
    """The value in a line of UTF-8 without remembering how numbers were written, and of a repeated key the last value:
    a quick look. Raises InputError and UnicodeDecodeError."""
    if len(raw) > AT_ONCE:
        return decode_line(raw)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:  # it refuses more than `decode` does, such as half of a surrogate pair
        return decode(raw.decode())


def decode_line(raw: bytes) -> object:
    """The value in a line of UTF-8; raises InputError and UnicodeDecodeError."""
    return decode(raw.decode())


def decode_at(text: str, start: int, *, most_values: float = MAX_VALUES) -> tuple[object, int]:
    """The value that begins at `start` and where it ends; raises InputError, JsonSyntaxError if it has no end."""
    if len(text) - start <= AT_ONCE:
        return _decode_at(_STRICT, text, start)
    try:
        return _LargeText(text, start, most_values).value(start)
    except RecursionError as exc:
        raise JsonSyntaxError(_TOO_DEEP) from exc


def dumps_as_written(value: object) -> str:
    """JSON on one line, in which the numbers that `decode` gave are written as they were; raises ValueError for NaN."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("JSON has no NaN and no Infinity")
        return repr(value)
    if isinstance(value, dict):
        inside = (f"{json.dumps(key, ensure_ascii=False)}: {dumps_as_written(each)}" for key, each in value.items())
        return "{" + ", ".join(inside) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(dumps_as_written(each) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def end_of_value(text: str, start: int) -> int:
    """Where the value that begins at `start` ends, whatever is in it; raises JsonSyntaxError. Of a large one no more is
    looked at than where its lists, objects and texts begin and end."""
    if len(text) - start <= AT_ONCE or text[start] not in "[{":
        return _decode_at(_LENIENT, text, start)[1]
    found = _decode_small(_LENIENT, text, start)
    return _matching_end(text, start) if found is None else found[1]


def skip_white_space(text: str, start: int) -> int:
    """The first position from `start` on that is no white space."""
    if text[start : start + 1] not in " \t\r\n":
        return start  # as nearly always
    found = _WHITE_SPACE.match(text, start)
    return found.end() if found else start


def expect_end(text: str, position: int) -> None:
    """Raise JsonSyntaxError if anything but white space follows."""
    rest = skip_white_space(text, position)
    if rest != len(text):
        raise syntax_error("something follows after the end of the value", text, rest)


def syntax_error(fault: str, text: str, position: int) -> JsonSyntaxError:
    """The error of a fault at a position, given as line and column, both from 1."""
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    where = f"column {column}" if "\n" not in text.strip() else f"line {line}, column {column}"
    return JsonSyntaxError(f"is not JSON: {fault} at {where}")


def _decode_at(decoder: json.JSONDecoder, text: str, start: int) -> tuple[object, int]:
    try:
        return decoder.raw_decode(text, start)
    except json.JSONDecodeError as exc:
        fault = exc.msg.removesuffix(" at")
        raise syntax_error(fault[:1].lower() + fault[1:], text, exc.pos) from exc
    except RecursionError as exc:
        raise JsonSyntaxError(_TOO_DEEP) from exc
    except ValueError as exc:
        raise JsonSyntaxError("is not JSON that can be used: a number in it has thousands of digits") from exc


def _decode_small(decoder: json.JSONDecoder, text: str, start: int) -> tuple[object, int] | None:
    """The list or object that begins at `start` and where it ends, if it does within AT_ONCE characters."""
    for size in (FIRST, AT_ONCE):
        try:
            value, length = decoder.raw_decode(text[start : start + size])
        except (ValueError, RecursionError):  # cut off, or no JSON: whoever takes it apart finds what is wrong
            continue
        return value, start + length
    return None


def _matching_end(text: str, start: int) -> int:
    """Where the list or object ends that begins at `start`."""
    position, level = start, 0
    while mark := _MARK.search(text, position):
        if mark[0] == '"':
            position = _decode_at(_LENIENT, text, mark.start())[1]
            continue
        position = mark.end()
        level += 1 if mark[0] in "[{" else -1
        if level == 0:
            return position
    raise syntax_error("a list or an object has no end", text, len(text))


class _LargeText:
    """A text in which a value may be large."""

    def __init__(self, text: str, start: int, most_values: float) -> None:
        self._text, self._start = text, start
        self._tried_in_vain = 0
        self._most = self._left = most_values

    def value(self, start: int, level: int = 0) -> tuple[object, int]:
        """The value that begins at `start` and where it ends; `level` says in how many large ones it is."""
        first = self._text[start : start + 1]
        if first not in ("[", "{"):
            return self._single(start)
        found = self._small(start)
        if found is not None:
            self._count(_values_in(found[0]) if level else 0)
            return found
        if level == MAX_LEVELS:
            raise JsonSyntaxError(_TOO_DEEP)
        return self._list(start, level + 1) if first == "[" else self._fields(start, level + 1)

    def _small(self, start: int) -> tuple[object, int] | None:
        """What is there and where it ends, if that is found at once; not tried again and again in vain."""
        if self._tried_in_vain >= MOST_TRIED * (AT_ONCE + start - self._start):
            return None
        found = _decode_small(_STRICT, self._text, start)
        if found is None:
            self._tried_in_vain += min(AT_ONCE, len(self._text) - start)
        return found

    def _single(self, start: int) -> tuple[object, int]:
        """A text, or a number or word."""
        if self._text.startswith('"', start) and len(self._text) - start > MAX_TEXT:
            self._require_end_of_text(start + 1)
        return _decode_at(_STRICT, self._text, start)

    def _require_end_of_text(self, start: int) -> None:
        position = start
        while (quote := self._text.find('"', position, start + MAX_TEXT)) >= 0:
            before = quote
            while self._text[before - 1] == "\\" and before > start:
                before -= 1
            if (quote - before) % 2 == 0:
                return
            position = quote + 1
        raise InputError(f"has a text of more than {MAX_TEXT >> 20} Mi characters")

    def _list(self, start: int, level: int) -> tuple[object, int]:
        found: list[object] = []
        position = skip_white_space(self._text, start + 1)
        if self._text.startswith("]", position):
            return found, position + 1
        while True:
            self._count(1)
            value, end = self.value(position, level)
            found.append(value)
            position, is_over = self._next(end, "]")
            if is_over:
                return found, position

    def _fields(self, start: int, level: int) -> tuple[object, int]:
        found: list[tuple[str, object]] = []
        position = skip_white_space(self._text, start + 1)
        if self._text.startswith("}", position):
            return {}, position + 1
        while True:
            self._count(1)
            name, position = self._name(position)
            value, end = self.value(position, level)
            found.append((name, value))
            position, is_over = self._next(end, "}")
            if is_over:
                return _object(found), position

    def _name(self, position: int) -> tuple[str, int]:
        """The name of a field, and where its value begins."""
        if not self._text.startswith('"', position):
            raise syntax_error("expecting property name enclosed in double quotes", self._text, position)
        name, end = self._single(position)
        position = skip_white_space(self._text, end)
        if not self._text.startswith(":", position):
            raise syntax_error("expecting ':' delimiter", self._text, position)
        return str(name), skip_white_space(self._text, position + 1)

    def _next(self, position: int, last: str) -> tuple[int, bool]:
        """Where the next entry begins; or where all of them end, and that this is so."""
        position = skip_white_space(self._text, position)
        if self._text.startswith(last, position):
            return position + 1, True
        if not self._text.startswith(",", position):
            raise syntax_error("expecting ',' delimiter", self._text, position)
        return skip_white_space(self._text, position + 1), False

    def _count(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise InputError(f"has more than {self._most:,} values in it, the most that one may have")


def _values_in(value: object) -> int:
    """How many values are in a list or an object, whatever level they are on."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(1 + (_values_in(each) if isinstance(each, list | dict) else 0) for each in inside)


def _object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InputError(f"has the key {_first_repeated(pairs)[:60]!r} twice")
    return fields


def _first_repeated(pairs: Iterable[tuple[str, object]]) -> str:
    """The first name that was there before, found in one pass: what comes from outside may have any number of them."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    raise ValueError("no name is repeated")


def _constant(name: str) -> object:
    raise InputError(f"has {name}, which is not JSON")


_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=WrittenFloat)
_LENIENT = json.JSONDecoder()
