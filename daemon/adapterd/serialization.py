"""Values to JSON and back, for everything that crosses a process or is kept in a run's folder."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from adapterd.chat import ParameterValue
from adapterd.hours import Hours, parse_time

if TYPE_CHECKING:
    from cattrs import Converter

T = TypeVar("T")


def plain_converter(*, forbid_extra_keys: bool = False) -> "Converter":
    """A new converter between dataclasses and plain values: what configuration and plan have in common.

    Paths, moments, times of day and spans of hours are strings in plain values. Who needs stricter rules registers them
    on top.
    """
    from cattrs import Converter

    converter = Converter(forbid_extra_keys=forbid_extra_keys)
    converter.register_structure_hook(Path, lambda value, _: Path(value))
    converter.register_unstructure_hook(Path, str)
    converter.register_structure_hook(Hours, lambda value, _: Hours.parse(converter.structure(value, str)))
    converter.register_unstructure_hook(Hours, str)
    converter.register_structure_hook(time, lambda value, _: parse_time(converter.structure(value, str)))
    converter.register_unstructure_hook(time, lambda value: f"{value:%H:%M}")
    converter.register_structure_hook(datetime, lambda value, _: datetime.fromisoformat(value))
    converter.register_unstructure_hook(datetime, datetime.isoformat)
    converter.register_structure_hook(
        ParameterValue | tuple[ParameterValue, ...],
        lambda value, _: tuple(value) if isinstance(value, list) else value,
    )
    converter.register_unstructure_hook_func(lambda annotation: annotation == frozenset[str], sorted)
    converter.register_structure_hook_factory(
        lambda kind: hasattr(kind, "ONCE_ALONE"), lambda kind: _section_that_was_one_value(kind, converter)
    )
    converter.register_unstructure_hook_factory(
        lambda kind: hasattr(kind, "NOT_WRITTEN_WHEN_EMPTY"), lambda kind: _without_empty_fields(kind, converter)
    )
    return converter


def _without_empty_fields(kind: Any, converter: "Converter") -> Callable[[Any], Any]:
    """Writes a dataclass without its fields `NOT_WRITTEN_WHEN_EMPTY` that are empty."""
    from cattrs.gen import make_dict_unstructure_fn, override

    omitted: dict[str, Any] = {name: override(omit_if_default=True) for name in kind.NOT_WRITTEN_WHEN_EMPTY}
    write: Callable[[Any], Any] = make_dict_unstructure_fn(kind, converter, **omitted)
    return write


def _section_that_was_one_value(kind: Any, converter: "Converter") -> Callable[[Any, Any], Any]:
    """Reads a section that was a single value in an earlier release: what is no table is its field `ONCE_ALONE`."""
    from cattrs.gen import make_dict_structure_fn

    read = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=converter.forbid_extra_keys)
    return lambda value, _: read(value if isinstance(value, Mapping) else {kind.ONCE_ALONE: value}, kind)


@cache
def _converter() -> "Converter":
    return plain_converter()


def to_plain(value: Any) -> Any:
    """The value as dicts, lists, strings and numbers."""
    return _converter().unstructure(value)


def from_plain(values: Mapping[str, Any], kind: type[T]) -> T:
    """The reverse of `to_plain` for the given dataclass."""
    return _converter().structure(values, kind)


def dumps(value: Any) -> str:
    """Canonical JSON: equal values give equal text."""
    return json.dumps(to_plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
