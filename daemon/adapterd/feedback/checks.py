"""The checks of single fields; each fault is a sentence that names the field and the value, fit for quarantine."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from adapterd.errors import InputError
from adapterd.record import FailureTag

MAX_DEPTH = 64
_MAX_SHOWN = 60
_FAILURE_TAGS = {str(tag): tag for tag in FailureTag}


def shown(value: object) -> str:
    """A value as it is quoted in a fault: short, and safe for whatever it is."""
    if isinstance(value, str):
        return repr(value if len(value) <= _MAX_SHOWN else value[:_MAX_SHOWN] + "…")
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return "a very large number" if isinstance(value, int) and value.bit_length() > 64 else repr(value)


def text(name: str, value: object) -> str:
    """The value if it is a string that is not blank; raises InputError."""
    found = any_text(name, value)
    if not found or found.isspace():
        raise InputError(f"{name} is empty")
    return found


def any_text(name: str, value: object) -> str:
    """The value if it is a string, be it empty, that every tokenizer and the store can take; raises InputError."""
    if not isinstance(value, str):
        raise InputError(f"{name} must be text, not {shown(value)}")
    if "\0" in value:
        raise InputError(f"{name} has a NUL character at position {value.index(chr(0)) + 1}")
    if not value.isascii():
        _check_encodable(name, value)
    return value


def _check_encodable(name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise InputError(f"{name} has half of a surrogate pair at position {exc.start + 1}") from exc


def answer(name: str, value: object) -> str:
    """An answer as the model would say it: text as it is, a JSON object or list serialised; raises InputError."""
    if isinstance(value, dict | list):
        return any_text(name, _serialised(name, value))
    if not isinstance(value, str):
        raise InputError(f"{name} must be text or a JSON object or list, not {shown(value)}")
    return any_text(name, value)


def _serialised(name: str, value: object) -> str:
    _check_depth(name, value)
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError as exc:
        raise InputError(f"{name} has a number that JSON cannot hold, such as NaN or Infinity") from exc


def _check_depth(name: str, value: object) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _children(parent) if isinstance(child, dict | list)]
        if not level:
            return
    raise InputError(f"{name} is nested more than {MAX_DEPTH} levels deep")


def _children(parent: object) -> Iterable[object]:
    if isinstance(parent, dict):
        return parent.values()
    return parent if isinstance(parent, list) else ()


def rating(value: object) -> int:
    """A rating of 1 to 5; raises InputError."""
    if type(value) is not int or not 1 <= value <= 5:
        raise InputError(f"rating must be a whole number from 1 to 5, not {shown(value)}")
    return value


def failure_tags(value: object) -> tuple[FailureTag, ...]:
    """Known failure tags, each once, from a list or a single tag; raises InputError."""
    tags = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys([_failure_tag(tag) for tag in tags]))


def _failure_tag(value: object) -> FailureTag:
    if not isinstance(value, str) or value not in _FAILURE_TAGS:
        raise InputError(f"failure_tags has {shown(value)}, which is not one of: {', '.join(FailureTag)}")
    return _FAILURE_TAGS[value]


def label(name: str, value: object) -> str:
    """A short name such as a source id; whole numbers are taken as their digits; raises InputError."""
    if type(value) is int and value.bit_length() <= 64:
        return str(value)
    return text(name, value)


def moment(name: str, value: object) -> datetime:
    """A time in ISO 8601, UTC where it names no zone; raises InputError."""
    try:
        time = datetime.fromisoformat(text(name, value))
        if time.tzinfo is UTC:
            return time
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError(f"{name} must be a time in ISO 8601, not {shown(value)}") from None
