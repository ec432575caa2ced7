"""Strict JSON (RFC 8259): Python's own decoder also accepts NaN, and of a repeated key takes the last value."""

import json
import re
from collections.abc import Iterable, Sequence

from adapterd.errors import InputError

_WHITE_SPACE = re.compile(r"[ \t\r\n]*")


class JsonSyntaxError(InputError):
    """The text is not JSON at all, so that it is unknown where its values end."""


def decode(text: str) -> object:
    """The one value that the text is; raises InputError with a sentence that begins with 'is not JSON' or 'has'."""
    value, end = decode_at(text, skip_white_space(text, 0))
    if end != len(text):
        expect_end(text, end)
    return value


def decode_at(text: str, start: int) -> tuple[object, int]:
    """The value that begins at `start` and where it ends; raises InputError, JsonSyntaxError if it has no end."""
    return _decode_at(_STRICT, text, start)


def end_of_value(text: str, start: int) -> int:
    """Where the value that begins at `start` ends, whatever is in it; raises JsonSyntaxError."""
    return _decode_at(_LENIENT, text, start)[1]


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
        raise JsonSyntaxError("is not JSON that can be used: it is nested too deeply") from exc
    except ValueError as exc:
        raise JsonSyntaxError("is not JSON that can be used: a number in it has thousands of digits") from exc


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


_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
_LENIENT = json.JSONDecoder()
