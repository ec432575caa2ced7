"""Whether two answers are the same: by their text, and where both are JSON objects or lists, by their values.

The order of keys, white space and the way a number is written (19.90, 19.9) make no other JSON.
"""

import json
import unicodedata
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Any

_BEGINS = ("{", "[")
_MOST_DIGITS = 400


def answer_key(text: str) -> str:
    """A text that two answers share exactly if they are the same; `text` has no white space around it.

    The form of Unicode and of line ends makes no other answer.
    """
    return _plain(text if not text.startswith(_BEGINS) else _sorted(text))


def _plain(text: str) -> str:
    plain = text.replace("\r\n", "\n") if "\r" in text else text
    return plain if plain.isascii() else unicodedata.normalize("NFC", plain)


def _sorted(text: str) -> str:
    try:
        return _ENCODER.encode(_DECODER.decode(text))
    except (ValueError, ArithmeticError, RecursionError):
        return text


class _Fraction:
    """A number that is no whole one, or a very large one, by its value."""

    def __init__(self, value: Decimal) -> None:
        self.value = value


def _number(written: str) -> int | _Fraction:
    value = Decimal(written)
    if value == value.to_integral_value() and value.adjusted() < _MOST_DIGITS:
        return int(value)
    return _Fraction(value.normalize(Context(prec=len(written), Emax=MAX_EMAX, Emin=MIN_EMIN)))


def _written(number: _Fraction) -> dict[str, str]:
    """The number under a key that no object of an answer has, so that it is no text."""
    return {"\0": str(number.value)}


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


_DECODER = json.JSONDecoder(parse_float=_number, parse_constant=_refuse, object_pairs_hook=_object)
_ENCODER = json.JSONEncoder(sort_keys=True, default=_written, ensure_ascii=False, separators=(",", ":"))
