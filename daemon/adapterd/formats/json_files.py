"""JSON files and files of JSON lines, read with errors that name the file and the line."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from adapterd.errors import InputError, reason
from adapterd.system.files import write_atomic

T = TypeVar("T")


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a file of JSON lines, without `str.splitlines`, which also splits at characters inside of texts.

    Raises InputError naming the file if it cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            yield from file
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {reason(exc)}") from exc
    except UnicodeDecodeError as exc:
        raise InputError(f"{path} cannot be read: {exc}") from exc


def read_json_lines(path: Path, parse: Callable[[dict[str, Any]], T], what: str) -> Iterator[T]:
    """What `parse` makes of each line's JSON object. It may raise ValueError, KeyError or TypeError.

    Raises InputError naming the file, the line and `what` the line should be.
    """
    for number, line in enumerate(lines_of(path), start=1):
        try:
            yield parse(_object(json.loads(line)))
        except (ValueError, KeyError, TypeError, RecursionError) as exc:
            raise InputError(f"{path} line {number} is not {what}: {exc}") from exc


def write_json_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """The text of a file of JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


@dataclass(frozen=True)
class JsonFile:
    """A file of one JSON object that stays for good: its name, the fields that it has, and those that a file of an
    older release lacks. A newer release may have added others."""

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    def write(self, folder: Path, content: Mapping[str, Any]) -> None:
        """Write the object into a file of this name in the folder."""
        write_atomic(folder / self.name, json.dumps(content, indent=2, ensure_ascii=False))

    @contextmanager
    def used(self, folder: Path) -> Iterator[None]:
        """For code that uses what is inside the fields; raises InputError naming the file where that is not there."""
        try:
            yield
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as exc:
            raise InputError(
                f"{folder / self.name} is damaged: a field in it is not what it should be ({exc})",
                hint="what is served does not depend on it; a copy from a backup mends it",
            ) from exc

    def read(self, folder: Path) -> dict[str, Any] | None:
        """The object in the folder's file, None if there is no such file.

        Raises InputError naming the file if it is damaged or lacks a field.
        """
        file = folder / self.name
        if not file.is_file():
            return None
        try:
            found = _object(json.loads("".join(lines_of(file))))
        except (ValueError, TypeError, RecursionError) as exc:
            raise InputError(f"{file} is not a JSON object: {exc}") from exc
        try:
            _require_all(found, self.required)
        except ValueError as exc:
            raise InputError(f"{file}: {exc}") from exc
        return found


def require_fields(found: Mapping[str, Any], required: Collection[str], optional: Collection[str] = ()) -> None:
    """Raise ValueError unless the object has all required fields and no others but the optional ones."""
    _require_all(found, required)
    for name in found:
        if name not in required and name not in optional:
            raise ValueError(f"it has the field {name!r}, which is not known")


def _require_all(found: Mapping[str, Any], required: Collection[str]) -> None:
    for name in required:
        if name not in found:
            raise ValueError(f"it has no field {name!r}")


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"it is a {type(value).__name__}, not an object")
    return value
