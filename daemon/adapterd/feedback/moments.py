"""Times as applications write them: ISO 8601, RFC 2822, seconds and fractions of them since 1970, MongoDB's objects."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from adapterd.errors import InputError
from adapterd.feedback import checks

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = re.compile(r"\d{9,19}(\.\d+)?")
_FRACTIONS = re.compile(r"(\.\d{6})\d+")
_PER_SECOND = ((1e11, 1), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
"""Epochs below the first number are in seconds, below the second in milliseconds, and so on."""
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_OBJECTS = ("$date", "$numberLong")


def moment(name: str, value: object) -> datetime:
    """A time, UTC where it names no zone; raises InputError."""
    found = moment_in(value)
    if found is None:
        raise InputError(
            f"{name} must be a time as in 2026-11-20T10:00:00Z, or seconds since 1970, not {checks.shown(value)}"
        )
    return found


def moment_in(value: object) -> datetime | None:
    """The time that a value is, None if it is none."""
    if not isinstance(value, str):
        value = _unwrapped(value)
    try:
        if isinstance(value, str):
            return _of_text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _of_epoch(float(value))
    except (ValueError, OverflowError, TypeError):
        return None
    return None


def _unwrapped(value: object) -> object:
    while isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in _OBJECTS:
        value = next(iter(value.values()))
    return value


def _of_text(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = _otherwise_written(text.strip())
    else:
        if text[:8].isdigit() and len(text) > 8 and text.isdigit():  # not the year 1712, but milliseconds
            return _of_epoch(float(text))
    if time.tzinfo is UTC:
        return time
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)


def _otherwise_written(text: str) -> datetime:
    if _DIGITS.fullmatch(text):
        found = _of_epoch(float(text))
        if found is None:
            raise ValueError(text)
        return found
    plain = _FRACTIONS.sub(r"\1", text.removesuffix("UTC").removesuffix("GMT").strip())
    if plain != text:
        try:
            return datetime.fromisoformat(plain)
        except ValueError:
            pass
    if "T24:00" in plain or " 24:00" in plain:
        return datetime.fromisoformat(plain.replace("24:00", "00:00", 1)) + timedelta(days=1)
    return parsedate_to_datetime(text)


def _of_epoch(number: float) -> datetime | None:
    """The time of an epoch whose unit its size tells; None for numbers that are no time of any use."""
    for limit, per_second in _PER_SECOND:
        if abs(number) < limit:
            found = _EPOCH + timedelta(seconds=number / per_second)
            return found if found >= _EARLIEST else None
    return None


TIME_NAMES = (
    "created_at", "createdAt", "created", "creation_time", "timestamp", "ts", "datetime", "date", "time", "updated_at",
    "updatedAt", "updated",
)  # fmt: skip
"""The names under which a time is looked for, in this order."""
_TIME_NAMES = frozenset(TIME_NAMES)


def time_in(fields: Mapping[str, object]) -> datetime | None:
    """When a record was made, by the first of its times; raises InputError if `created_at` is none."""
    if _TIME_NAMES.isdisjoint(fields):
        return None
    for name in TIME_NAMES:
        if name in fields:
            if _is_unset(fields[name]):
                continue
            found = moment(name, fields[name]) if name == "created_at" else moment_in(fields[name])
            if found is not None:
                return found
    return None


def _is_unset(value: object) -> bool:
    """Whether a value is what programs write for a time that was never set: the year 1, or 0."""
    return value == 0 or (isinstance(value, str) and value.startswith("0001-01-01"))


def times_among(fields: Mapping[str, object]) -> list[str]:
    """The names of the fields that have a time of the record."""
    return [name for name in TIME_NAMES if name in fields and moment_in(fields[name]) is not None]
