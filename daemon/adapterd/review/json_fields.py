"""The fields of a JSON object as a form: each can be changed by itself, and all other characters stay as they are."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from adapterd.errors import InputError

MOST_FIELDS = 60
"""An object with more fields than that is mended as text."""
_SPACE = " \t\n\r"


class Kind(StrEnum):
    """How a value is shown: a text as it reads, a list of texts with one a line, all others as JSON."""

    TEXT = "text"
    LIST = "list"
    JSON = "json"


@dataclass(frozen=True)
class JsonField:
    """A field of an object: its name, how it is shown, and its value as shown."""

    name: str
    kind: Kind
    value: str


@dataclass(frozen=True)
class _Member:
    """A member of an object, and from where to where its value stands in the text, in characters."""

    name: str
    value: Any
    start: int
    end: int


def json_fields(text: str) -> list[JsonField]:
    """The fields of an object; none where the text is no JSON object, has a name twice, too many fields, or what cannot
    stand in a page in a name."""
    members = _members(text)
    names = [each.name for each in members]
    if len(set(names)) < len(names) or len(names) > MOST_FIELDS or not all(map(_is_encodable, names)):
        return []
    return [_field(text, each) for each in members]


def with_field(text: str, name: str, kind: Kind, value: str) -> str:
    """The text with another value of a field. Raises InputError where there is no such field, and for a value that is
    not JSON where JSON is asked for."""
    for each in _members(text):
        if each.name == name:
            return text[: each.start] + _written(name, kind, value) + text[each.end :]
    raise InputError(f"the object has no field {name[:60]!r}", hint="mend it as text")


def _members(text: str) -> list[_Member]:
    try:
        return list(_scanned(text))
    except (ValueError, IndexError, RecursionError):
        return []


def _scanned(text: str) -> Iterator[_Member]:
    """Raises ValueError or IndexError for what is no object."""
    decoder = json.JSONDecoder()
    at = _after_space(text, 0)
    if text[at] != "{":
        raise ValueError("no object")
    at = _after_space(text, at + 1)
    found: list[_Member] = []
    while text[at] != "}":
        if found:
            at = _after_space(text, _after(text, at, ","))
        name, at = decoder.raw_decode(text, at)
        if not isinstance(name, str):
            raise ValueError("a name is a text")
        start = _after_space(text, _after(text, _after_space(text, at), ":"))
        value, end = decoder.raw_decode(text, start)
        found.append(_Member(name, value, start, end))
        at = _after_space(text, end)
    if text[at + 1 :].strip(_SPACE):
        raise ValueError("something follows the object")
    yield from found


def _after(text: str, at: int, expected: str) -> int:
    if text[at] != expected:
        raise ValueError(f"no {expected}")
    return at + 1


def _after_space(text: str, at: int) -> int:
    while text[at : at + 1] and text[at] in _SPACE:
        at += 1
    return at


def _field(text: str, member: _Member) -> JsonField:
    value = member.value
    if isinstance(value, str) and "\n" not in value and "\r" not in value and _is_encodable(value):
        return JsonField(member.name, Kind.TEXT, value)
    if isinstance(value, list) and value and all(_is_line(each) for each in value):
        return JsonField(member.name, Kind.LIST, "\n".join(value))
    return JsonField(member.name, Kind.JSON, text[member.start : member.end])


def _is_line(value: Any) -> bool:
    """Whether a value may be a line of a list: space around a line is not kept."""
    return isinstance(value, str) and value.strip() == value and value.splitlines() == [value] and _is_encodable(value)


def _is_encodable(text: str) -> bool:
    """Whether a text may stand in a page: half of a surrogate pair may not, and a browser puts another character in the
    place of NUL."""
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text)


def _written(name: str, kind: Kind, value: str) -> str:
    if kind is Kind.TEXT:
        return json.dumps(value, ensure_ascii=False)
    if kind is Kind.LIST:
        return json.dumps([line.strip() for line in value.splitlines() if line.strip()], ensure_ascii=False)
    try:
        json.loads(value)
    except (ValueError, RecursionError) as exc:
        raise InputError(f"the value of {name[:60]!r} is no JSON: {exc}") from exc
    return value
