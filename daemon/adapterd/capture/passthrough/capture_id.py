"""Identifiers of captures: ULIDs, which sort by time (github.com/ulid/spec)."""

import os
import time

HEADER = b"X-Adapterd-Capture"
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 26
_OF_TIME, _BITS = 10, 5
"""So many digits are of the time; bits of a digit."""


def new_id(now: float | None = None) -> str:
    """48 bits of milliseconds since 1970 and 80 random ones, in 26 digits of base 32."""
    made = _milliseconds(time.time() if now is None else now)
    return _digits(made << 80 | int.from_bytes(os.urandom(10), "big"), LENGTH)


def first_after(moment: float) -> str:
    """What all ids that were made after a moment, in seconds since 1970, begin with or are above."""
    return _digits(_milliseconds(moment) + 1, _OF_TIME)


def time_of(capture: str) -> float:
    """When an id was made, in seconds since 1970."""
    return _number(capture[:_OF_TIME]) / 1000


def chance_of(capture: str) -> float:
    """The random part of an id, in [0, 1): a place in an order of chance that never changes."""
    return _number(capture[_OF_TIME:LENGTH]) / 2.0 ** (_BITS * (LENGTH - _OF_TIME))


def _milliseconds(moment: float) -> int:
    return int(moment * 1000) & (1 << 48) - 1


def _digits(number: int, count: int) -> str:
    return "".join(_DIGITS[number >> _BITS * place & (1 << _BITS) - 1] for place in reversed(range(count)))


def _number(digits: str) -> int:
    found = 0
    for digit in digits:
        found = found << _BITS | max(0, _DIGITS.find(digit))
    return found
