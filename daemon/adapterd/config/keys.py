"""Dotted keys such as `models.news.training.rank`, and values as a person gives them on a command line."""

import re
import tomllib
from collections.abc import Sequence
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def split_key(key: str) -> list[str]:
    """The parts of a dotted key; a part with a dot of its own is quoted, as in TOML."""
    try:
        nested: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return key.split(".")
    path = []
    while isinstance(nested, dict) and len(nested) == 1:
        ((part, nested),) = nested.items()
        path.append(part)
    return path if nested == 0 else key.split(".")


def join_key(path: Sequence[str]) -> str:
    """The dotted key of these parts, quoted where TOML needs it."""
    return ".".join(part if _BARE.fullmatch(part) else _quoted(part) for part in path)


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")  # which TOML wants escaped, too


def read_value(text: str) -> Any:
    """A value as it would stand in TOML; what is no TOML is a string."""
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return table["value"] if len(table) == 1 else text


def write_value(value: Any) -> str:
    """A value as it would stand in TOML; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(write_value, value))}]"
    return _quoted(str(value))
