"""The tokens of applications, by name. Of a token only its SHA-256 is kept."""

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adapterd.store.database import Database

COLUMNS = "name, hash, in_file, created_at, revoked_at"


@dataclass(frozen=True)
class Token:
    """What is known of the token of an application; `in_file` says that a file of the home holds the token itself."""

    name: str
    in_file: bool
    created_at: datetime
    revoked_at: datetime | None


class Tokens:
    """The table of tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, name: str, token: str, *, in_file: bool = False) -> None:
        """Let this token be the one of that name; the one before, revoked or not, counts no more."""
        self._database.execute(
            """INSERT INTO http_tokens (name, hash, in_file, created_at) VALUES (?, ?, ?, ?)
               ON CONFLICT (name) DO UPDATE SET
                   hash = excluded.hash, in_file = excluded.in_file, created_at = excluded.created_at, revoked_at = NULL
               WHERE hash != excluded.hash OR revoked_at IS NOT NULL""",
            (name, hash_of(token), in_file, self._database.now()),
        )

    def rows(self) -> list[tuple[object, ...]]:
        """All of the table, for another database."""
        return [tuple(row) for row in self._database.rows(f"SELECT {COLUMNS} FROM http_tokens")]  # noqa: S608

    def replace(self, rows: Sequence[tuple[object, ...]]) -> None:
        """Let these rows of another database be the whole table."""
        with self._database.transaction():
            self._database.execute("DELETE FROM http_tokens")
            self._database.execute_many(f"INSERT INTO http_tokens ({COLUMNS}) VALUES (?, ?, ?, ?, ?)", rows)  # noqa: S608

    def forget_valid(self) -> list[str]:
        """Forget every token that was not revoked; returns the names of their applications."""
        rows = self._database.rows("SELECT name FROM http_tokens WHERE revoked_at IS NULL ORDER BY name")
        self._database.execute("DELETE FROM http_tokens WHERE revoked_at IS NULL")
        return [row["name"] for row in rows]

    def owner(self, token: str) -> str | None:
        """The name of the application that has this token; None if nobody has it, or it was revoked."""
        row = self._database.row(
            "SELECT name FROM http_tokens WHERE hash = ? AND revoked_at IS NULL", (hash_of(token),)
        )
        return row["name"] if row else None

    def get(self, name: str) -> Token | None:
        """The token of that name, revoked or not."""
        row = self._database.row("SELECT * FROM http_tokens WHERE name = ?", (name,))
        return _token(row) if row else None

    def all(self) -> list[Token]:
        """Every token that there is or was, by name."""
        return [_token(row) for row in self._database.rows("SELECT * FROM http_tokens ORDER BY name")]

    def revoke(self, name: str) -> bool:
        """Let the token of that name count no more; returns whether it did until now."""
        revoked = self._database.execute(
            "UPDATE http_tokens SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL",
            (self._database.now(), name),
        )
        return revoked.rowcount > 0


def hash_of(token: str) -> str:
    """The SHA-256 of a token in hex; a token has 256 random bits, so that it needs no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


def _token(row: sqlite3.Row) -> Token:
    revoked = row["revoked_at"]
    return Token(
        row["name"],
        bool(row["in_file"]),
        datetime.fromisoformat(row["created_at"]),
        datetime.fromisoformat(revoked) if revoked else None,
    )
