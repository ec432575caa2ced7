"""One SELECT on a SQLite database of somebody else's, which is only read."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from adapterd.errors import InputError

LONGEST_S = 60.0
"""Seconds that a query may take."""
_ALLOWED = frozenset(
    (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, getattr(sqlite3, "SQLITE_RECURSIVE", 33))
)
_INSTRUCTIONS = 100_000
"""Of SQLite's virtual machine, between two looks at the clock."""


def select(path: Path, query: str) -> Iterator[dict[str, object]]:
    """The rows of a query, by the names of their columns.

    The file is opened read-only, and nothing but one SELECT is executed: no statement that writes, attaches another
    file, loads an extension or changes a setting. Raises InputError.
    """
    if not path.is_file():
        raise InputError(f"{path} is no file", hint="sqlite:PATH?SELECT …, or sqlite:SELECT … with --database PATH")
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    except sqlite3.Error as exc:
        raise InputError(f"{path} cannot be opened: {exc}") from exc
    try:
        connection.row_factory = sqlite3.Row
        connection.set_authorizer(_authorize)
        give_up = time.monotonic() + LONGEST_S
        connection.set_progress_handler(lambda: int(time.monotonic() > give_up), _INSTRUCTIONS)
        for row in connection.execute(query):
            yield dict(row)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as exc:
        raise InputError(
            f"the query on {path.name} cannot be carried out: {exc}",
            hint=f"it has to be one SELECT that takes at most {LONGEST_S:.0f} s; give it in quotes",
        ) from exc
    finally:
        connection.close()


def _authorize(action: int, _first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    if action not in _ALLOWED or (action == sqlite3.SQLITE_FUNCTION and (second or "").lower() == "load_extension"):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK
