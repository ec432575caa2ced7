"""JSON files and files of JSON lines, read with errors that name the file and the line."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from adapterd.errors import InputError
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
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}") from exc
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


def read_json_object(path: Path, required: Collection[str], optional: Collection[str] = ()) -> dict[str, Any]:
    """The JSON object of a file; raises InputError naming the file, and the line where there is one, if the file cannot
    be read, is not such an object, lacks a field or has an unknown one."""
    text = "".join(lines_of(path))
    try:
        found = _object(json.loads(text))
    except (ValueError, TypeError, RecursionError) as exc:
        raise InputError(f"{path} is not a JSON object: {exc}") from exc
    try:
        require_fields(found, required, optional)
    except UnknownFieldError as exc:
        raise InputError(f"{path} line {_line_of(text, exc.name)}: {exc}") from exc
    except ValueError as exc:
        raise InputError(f"{path} line 1: {exc}") from exc
    return found


@dataclass(frozen=True)
class JsonFile:
    """A file of one JSON object: its name, the fields that it has, and those that a file of an older release lacks."""

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    def write(self, folder: Path, content: Mapping[str, Any]) -> None:
        """Write the object into a file of this name in the folder."""
        write_atomic(folder / self.name, json.dumps(content, indent=2, ensure_ascii=False))

    def read(self, folder: Path) -> dict[str, Any] | None:
        """The object in the folder's file, None if there is no such file.

        Raises InputError naming the file and the line if it is damaged, lacks a field or has an unknown one.
        """
        file = folder / self.name
        return read_json_object(file, self.required, self.optional) if file.is_file() else None


class UnknownFieldError(ValueError):
    """An object has a field that its format does not have."""

    def __init__(self, name: str) -> None:
        super().__init__(f"it has the field {name!r}, which is not known")
        self.name = name


def require_fields(found: Mapping[str, Any], required: Collection[str], optional: Collection[str] = ()) -> None:
    """Raise ValueError unless the object has all required fields and no others but the optional ones."""
    for name in required:
        if name not in found:
            raise ValueError(f"it has no field {name!r}")
    for name in found:
        if name not in required and name not in optional:
            raise UnknownFieldError(name)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"it is a {type(value).__name__}, not an object")
    return value


def _line_of(text: str, field: str) -> int:
    """The first line that has the field's name as a key, 1 if it is spelled another way."""
    found = re.search(rf"{re.escape(json.dumps(field, ensure_ascii=False))}\s*:", text)
    return text.count("\n", 0, found.start()) + 1 if found else 1
