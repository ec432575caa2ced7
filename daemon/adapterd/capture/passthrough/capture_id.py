"""Identifiers of captures: ULIDs, which sort by time (github.com/ulid/spec)."""

import os
import time

HEADER = b"X-Adapterd-Capture"
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 26


def new_id(now: float | None = None) -> str:
    """48 bits of milliseconds since 1970 and 80 random ones, in 26 digits of base 32."""
    milliseconds = int((time.time() if now is None else now) * 1000)
    number = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(_DIGITS[number >> 5 * place & 31] for place in reversed(range(LENGTH)))
