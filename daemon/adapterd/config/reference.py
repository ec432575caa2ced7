"""The settings as people look them up: key, type, default and meaning, read from the fields of the schema."""

from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import time
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from adapterd.config.annotations import Doc, Range
from adapterd.config.keys import join_key
from adapterd.config.schema import AllowRules, Names, Settings
from adapterd.config.training import Addresses
from adapterd.hours import Hours

KINDS = {
    int: "whole number", float: "number", str: "string", bool: "true or false", Path: "path", Hours: "HH:MM-HH:MM",
    time: "HH:MM", Addresses: "list of IP addresses", AllowRules: "list of strings", Names: "list of names",
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """One setting. In `path`, NAME and METRIC stand for the names that a person chooses.

    `default` is what holds where the configuration says nothing; it is None for a setting that is `required` or that is
    unset by default, of which `doc.unset` says what holds then.
    """

    path: tuple[str, ...]
    kind: str
    default: Any
    required: bool
    doc: Doc

    @property
    def key(self) -> str:
        return join_key(self.path)


@cache
def all_settings() -> tuple[Setting, ...]:
    """Every setting, in the order of the schema."""
    return tuple(_settings_of(Settings, ()))


def setting_at(path: Sequence[str]) -> Setting | None:
    """The setting that a key of the configuration names, whatever the name of the model or the metric in it."""
    return next((each for each in all_settings() if _matches(each.path, path)), None)


def _matches(pattern: Sequence[str], path: Sequence[str]) -> bool:
    return len(pattern) == len(path) and all(
        part == name or part in _placeholders() for part, name in zip(pattern, path, strict=True)
    )


@cache
def _placeholders() -> frozenset[str]:
    return frozenset(part for each in all_settings() for part in each.path if part.isupper())


def _settings_of(section: type, path: tuple[str, ...]) -> Iterator[Setting]:
    for each in fields(section):
        doc = next((item for item in _metadata(each.type) if isinstance(item, Doc)), None)
        kind = _bare(each.type)
        if doc and doc.each and get_args(kind)[1] is str:
            yield Setting((*path, each.name, doc.each), KINDS[str], None, False, doc)
        elif doc and doc.each:
            yield from _settings_of(get_args(kind)[1], (*path, each.name, doc.each))
        elif doc:
            yield Setting((*path, each.name), _in_words(each.type), _default(each), _is_required(each), doc)
        elif isinstance(kind, type) and is_dataclass(kind):
            yield from _settings_of(kind, (*path, each.name))
        else:
            raise TypeError(f"{section.__name__}.{each.name} has no Doc")


def _metadata(annotation: Any) -> tuple[Any, ...]:
    return getattr(annotation, "__metadata__", ())


def _bare(annotation: Any) -> Any:
    """The type without what is said of it, and without None."""
    if _metadata(annotation):
        return _bare(get_args(annotation)[0])
    others = [each for each in get_args(annotation) if each is not NoneType]
    return others[0] if NoneType in get_args(annotation) else annotation


def _in_words(annotation: Any) -> str:
    kind = _bare(annotation)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return ", ".join(kind)
    bounds = next((item for item in _metadata(annotation) if isinstance(item, Range)), None)
    return f"{KINDS[kind]}, {bounds.low:.12g} to {bounds.high:.12g}" if bounds else KINDS[kind]


def _default(each: "Field[Any]") -> Any:
    if isinstance(each.default, frozenset):
        return tuple(sorted(each.default))
    return None if each.default is MISSING else each.default


def _is_required(each: "Field[Any]") -> bool:
    return each.default is MISSING and each.default_factory is MISSING
