"""The ways on from a refusal, as a person types them: what is named here is understood, and lifts the refusal."""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from adapterd.errors import InputError
from adapterd.feedback import checks


class OurFieldError(InputError):
    """A fault of fields that are called as ours here, and may have been declared under other names."""

    def __init__(self, said: Callable[[Callable[[str], str]], str]) -> None:
        super().__init__(said(str))
        self._said = said

    def named(self, path_of: Callable[[str], str]) -> InputError:
        """The same fault with the path at which each of them stands in the record."""
        return InputError(self._said(path_of))


PLACE = re.compile(r"(?<!\\)\[[\w:-]{1,80}\]", re.ASCII)
"""A place in a list, or the id of one of many objects that have the same fields. A bracket in the name of a field has a
backslash before it within a path, as `within` writes it."""
_TYPED_PLACE = re.compile(r"\[\d{1,18}\]|\[[\w:-]{1,80}\](?=\.)", re.ASCII)

_OPTION = re.compile(r"""--(map|ignore) ('[^']*'(?:"'"'[^']*')*|[^'\s]\S*)""")
_OTHERS = re.compile(r"; say it of (.+?)(?: and \d+ more)? as well$")
_LONGEST_TYPED = 200
"""Characters of the longest path that anybody is asked to type."""


def ignore(path: str) -> str:
    """The option that passes over the field at a path, and no other: without places in lists, quoted for a shell."""
    return f"--ignore {shlex.quote(plain_path(path))}" if can_be_typed(path) else "another name for it in the file"


def if_nothing(path: str) -> str:
    """The end of a sentence on a field that stops a record and may mean nothing."""
    return f"if it means nothing: {ignore(path)}"


def mapping(ours: str, path: str) -> str:
    """The option that says that the field at a path is one of ours."""
    return f"--map {shlex.quote(f'{ours}={plain_path(path)}')}"


@dataclass(frozen=True)
class Ways:
    """What a refusal names: our names with the fields that may be these, fields that may mean nothing, other fields of
    which something has to be said, and whether a scale may be missing."""

    fields: tuple[tuple[str, str], ...] = ()
    ignore: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    scale: bool = False


def named_in(refusal: str) -> Ways:
    """The ways on that the text of a refusal names, as `mapping` and `ignore` write them."""
    fields, ignored = list[tuple[str, str]](), list[str]()
    for option, typed in _OPTION.findall(refusal):
        [value] = shlex.split(typed) if typed.startswith("'") else [typed.rstrip(",;")]
        ours, equals, theirs = value.partition("=")
        if option == "map" and equals and theirs:
            fields.append((ours, theirs))
        elif option == "ignore":
            ignored.append(value)
    others = [name for said in _OTHERS.findall(refusal) for name in said.split(", ")]
    return Ways(
        tuple(dict.fromkeys(fields)), tuple(dict.fromkeys(ignored)), tuple(dict.fromkeys(others)), "--scale" in refusal
    )


def can_be_typed(path: str) -> bool:
    """Whether a path can be written on a line of a terminal."""
    return bool(path.strip()) and path.isprintable() and len(path) <= _LONGEST_TYPED


def shown(path: str) -> str:
    """A path as it is shown in a fault: as it is typed, with places in lists; else short, and safe for what it is."""
    path = _as_typed(path)
    return path if can_be_typed(path) else checks.field(path)


def within(path: str, name: str) -> str:
    """The path to a field of the object at `path`, which is empty for the record itself."""
    name = name.replace("[", "\\[") if "[" in name else name
    return f"{path}.{name}" if path else name


def plain_path(path: str) -> str:
    """A path without places in lists: `messages[1].score` → `messages.score`."""
    return _as_typed(PLACE.sub("", path)) if "[" in path else path


def typed_plain(typed: str) -> str:
    """A path that a person typed without what may be a place in a list: it may be a part of a field's name as well."""
    return _TYPED_PLACE.sub("", typed) if "[" in typed else typed


def _as_typed(path: str) -> str:
    return path.replace("\\[", "[") if "[" in path else path
