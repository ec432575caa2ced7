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
    milliseconds = int((time.time() if now is None else now) * 1000)
    number = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(_DIGITS[number >> 5 * place & 31] for place in reversed(range(LENGTH)))


def time_of(capture: str) -> float:
    """When an id was made, in seconds since 1970."""
    return _number(capture[:_OF_TIME]) / 1000


def chance_of(capture: str) -> float:
    """The random part of an id, in [0, 1): a place in an order of chance that never changes."""
    return _number(capture[_OF_TIME:LENGTH]) / 2.0 ** (_BITS * (LENGTH - _OF_TIME))


def _number(digits: str) -> int:
    found = 0
    for digit in digits:
        found = found << _BITS | max(0, _DIGITS.find(digit))
    return found
