"""Whether the file of a database is sound, and what can still be read of one that is not."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from adapterd.store.schema.migrations import MIGRATIONS


def fault_of(path: Path) -> str | None:
    """What SQLite's own check finds wrong with a file; None if it is sound."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            said = str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    except sqlite3.DatabaseError as exc:
        return str(exc)
    return None if said == "ok" else said


def readable_rows(path: Path, table: str) -> list[dict[str, Any]]:
    """The rows of a table that can be read of a file that may be damaged, from both ends, each once; none where nothing
    can, or if the file has not today's schema."""
    found: dict[str, dict[str, Any]] = {}
    with suppress(sqlite3.Error, OSError), closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as old:
        old.row_factory = sqlite3.Row
        if old.execute("PRAGMA user_version").fetchone()[0] != len(MIGRATIONS):
            return []
        for direction in ("ASC", "DESC"):
            with suppress(sqlite3.Error):
                for row in old.execute(f"SELECT * FROM {table} ORDER BY 1 {direction}"):  # noqa: S608
                    found.setdefault(repr(tuple(row)), dict(row))
    return list(found.values())


def is_whole(path: Path, table: str) -> bool:
    """Whether a table of a file that may be damaged is sound, so that `readable_rows` gives all of it."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as old:
            if old.execute("PRAGMA user_version").fetchone()[0] != len(MIGRATIONS):
                return False
            return str(old.execute(f"PRAGMA integrity_check('{table}')").fetchone()[0]) == "ok"
    except (sqlite3.Error, OSError):
        return False
