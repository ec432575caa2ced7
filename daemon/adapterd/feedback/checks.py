"""The checks of single fields; each fault is a sentence that names the field and the value, fit for quarantine."""

import json
import math
import re
from collections.abc import Iterable
from typing import TypeGuard

from adapterd.errors import InputError
from adapterd.feedback.strict_json import dumps_as_written
from adapterd.record import FailureTag

MAX_DEPTH = 64
_MAX_SHOWN = 60
_MAX_NAME = 80
_NUMBER = re.compile(r"\s*[+-]?\d{1,18}(\.\d{1,18})?\s*")
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


def field(name: str) -> str:
    """The name of a field of theirs, as it is shown in a fault: short, and safe for whatever it is."""
    if name.strip() and name.isprintable() and len(name) <= _MAX_NAME:
        return name
    return repr(name if len(name) <= _MAX_NAME else name[:_MAX_NAME] + "…")


def is_plain(value: object) -> TypeGuard[str]:
    """Whether a value is text that `text` takes: a quick look, for what is in nearly all records."""
    return (
        type(value) is str
        and bool(value)
        and not value.isspace()
        and "\0" not in value
        and (value.isascii() or encodes(value))
    )


def encodes(text: str) -> bool:
    """Whether a text is Unicode, without half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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
    """An answer as the model would say it: text as it is, any other JSON value serialised; raises InputError."""
    return any_text(name, value if isinstance(value, str) else _serialised(name, value))


def _serialised(name: str, value: object) -> str:
    _check_depth(name, value)
    try:
        return dumps_as_written(value)
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


def number(value: object) -> float | None:
    """The number that a value is, be it written as text; None for anything else, booleans included."""
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if isinstance(value, float) or value.bit_length() <= 64 else math.inf


def failure_tags(value: object) -> tuple[FailureTag, ...]:
    """Known failure tags, each once, from a list, a single tag, or several with commas between; raises InputError."""
    tags = value.split(",") if isinstance(value, str) else value
    return tuple(dict.fromkeys([_failure_tag(tag) for tag in (tags if isinstance(tags, list) else [tags])]))


def known_tags(value: object) -> tuple[FailureTag, ...] | None:
    """The failure tags in a list of their names, None if it is anything else: a quick look."""
    if type(value) is not list:
        return None
    try:
        return tuple(dict.fromkeys([_FAILURE_TAGS[tag] for tag in value]))
    except (KeyError, TypeError):
        return None


def _failure_tag(value: object) -> FailureTag:
    if isinstance(value, str) and value in _FAILURE_TAGS:
        return _FAILURE_TAGS[value]
    plain = re.sub(r"[\W_]+", "_", value.strip()).lower() if isinstance(value, str) else None
    if plain not in _FAILURE_TAGS:
        raise InputError(f"failure_tags has {shown(value)}, which is not one of: {', '.join(FailureTag)}")
    return _FAILURE_TAGS[plain]


def label(name: str, value: object) -> str:
    """A short name such as a source id; whole numbers are taken as their digits; raises InputError."""
    if type(value) is int and value.bit_length() <= 64:
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return text(name, value)
