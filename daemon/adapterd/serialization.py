"""Values to JSON and back, for everything that crosses a process or is kept in a run's folder."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from adapterd.chat import ParameterValue
from adapterd.hours import Hours

if TYPE_CHECKING:
    from cattrs import Converter

T = TypeVar("T")


@cache
def _converter() -> "Converter":
    from cattrs import Converter

    converter = Converter()
    converter.register_structure_hook(Path, lambda value, _: Path(value))
    converter.register_unstructure_hook(Path, str)
    converter.register_structure_hook(Hours, lambda value, _: Hours.parse(value))
    converter.register_unstructure_hook(Hours, str)
    converter.register_structure_hook(datetime, lambda value, _: datetime.fromisoformat(value))
    converter.register_unstructure_hook(datetime, datetime.isoformat)
    converter.register_structure_hook(
        ParameterValue | tuple[ParameterValue, ...],
        lambda value, _: tuple(value) if isinstance(value, list) else value,
    )
    return converter


def to_plain(value: Any) -> Any:
    """The value as dicts, lists, strings and numbers."""
    return _converter().unstructure(value)


def from_plain(values: Mapping[str, Any], kind: type[T]) -> T:
    """The reverse of `to_plain` for the given dataclass."""
    return _converter().structure(values, kind)


def dumps(value: Any) -> str:
    """Canonical JSON: equal values give equal text."""
    return json.dumps(to_plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
