"""The lists in a JSON text that may break off anywhere: where each of their items ends."""

import json
from contextlib import suppress
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
_DECODER = json.JSONDecoder()
_SPACE = " \t\r\n"


@dataclass
class ListInText:
    """A list by its path from the outermost value; `items` are what is complete of it, as canonical JSON, `ends` the
    places in the text behind each, `start` the one behind its bracket. One that breaks off is not `closed`."""

    path: Path
    start: int
    items: list[str] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    closed: bool = False

    @property
    def end(self) -> int:
        """The place behind its last complete item."""
        return self.ends[-1] if self.ends else self.start


def lists_in(text: str) -> list[ListInText]:
    """All lists of the first JSON object or list in a text, outer ones first."""
    first = min((place for bracket in "{[" if (place := text.find(bracket)) >= 0), default=None)
    found: list[ListInText] = []
    if first is not None:
        with suppress(ValueError, RecursionError):  # it breaks off, or is no JSON: what was found before is there
            _value(text, first, (), found)
    return found


def _value(text: str, at: int, path: Path, found: list[ListInText]) -> int:
    """The place behind the value that begins at `at`; raises ValueError where it is not complete."""
    if text[at : at + 1] == "[":
        return _list(text, at + 1, path, found)
    if text[at : at + 1] == "{":
        return _object(text, at + 1, path, found)
    return _DECODER.raw_decode(text, at)[1]


def _list(text: str, at: int, path: Path, found: list[ListInText]) -> int:
    this = ListInText(path, at)
    found.append(this)
    at = _behind_space(text, at)
    while text[at : at + 1] != "]":
        at = _behind_space(text, at if not this.items else _behind(text, at, ","))
        end = _value(text, at, (*path, len(this.items)), found)
        this.items.append(json.dumps(json.loads(text[at:end]), sort_keys=True))
        this.ends.append(end)
        at = _behind_space(text, end)
    this.closed = True
    return at + 1


def _object(text: str, at: int, path: Path, found: list[ListInText]) -> int:
    at, is_first = _behind_space(text, at), True
    while text[at : at + 1] != "}":
        at = _behind_space(text, at if is_first else _behind(text, at, ","))
        name, at = _DECODER.raw_decode(text, at)
        at = _behind_space(text, _behind(text, _behind_space(text, at), ":"))
        at = _behind_space(text, _value(text, at, (*path, str(name)), found))
        is_first = False
    return at + 1


def _behind(text: str, at: int, wanted: str) -> int:
    if text[at : at + 1] != wanted:
        raise ValueError(f"{wanted} is missing at {at}")
    return at + 1


def _behind_space(text: str, at: int) -> int:
    while text[at : at + 1] and text[at] in _SPACE:
        at += 1
    return at
