"""The connection: one file in WAL mode, brought up to date when it is opened."""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from adapterd.errors import StoreError
from adapterd.store.migrations import MIGRATIONS, statements

BUSY_TIMEOUT_S = 20.0
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock used where none is injected."""
    return datetime.now(UTC)


class Database:
    """Statements and transactions on one file. Raises StoreError when it cannot be opened, is damaged, or comes from
    a newer release."""

    def __init__(self, path: Path, *, clock: Clock = utc_now) -> None:
        self.path = path
        self.clock = clock
        self._depth = 0
        with translated(path):
            self._connection = _connect(path)
            try:
                self._migrate()
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back; what was committed stays."""
        self._connection.close()

    def now(self) -> str:
        """The present moment as stored: ISO 8601 in UTC."""
        return self.clock().astimezone(UTC).isoformat(timespec="milliseconds")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside the block happen, or none. Blocks may be nested: the outermost one commits; an inner one
        that fails takes its own writes back, also where its exception is caught inside the outer one."""
        begin, commit, rollback = _savepoint(self._depth) if self._depth else _TRANSACTION
        self.execute(begin)
        self._depth += 1
        try:
            yield
            self.execute(commit)
        except BaseException:
            if self._connection.in_transaction:  # SQLite itself rolls back after some failures
                for statement in rollback:
                    self.execute(statement)
            raise
        finally:
            self._depth -= 1

    def execute(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Cursor:
        """Run one statement; outside a transaction it commits by itself."""
        with translated(self.path):
            return self._connection.execute(sql, values)

    def execute_many(self, sql: str, values: Iterable[Sequence[Any]]) -> sqlite3.Cursor:
        """Run one statement for every row of values; belongs into a transaction."""
        with translated(self.path):
            return self._connection.executemany(sql, values)

    def rows(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        return list(self.execute(sql, values))

    def row(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Row | None:
        """The first row of a query, if there is one."""
        found: sqlite3.Row | None = self.execute(sql, values).fetchone()
        return found

    def _migrate(self) -> None:
        if self._schema_version() < len(MIGRATIONS):
            self._connection.execute("BEGIN IMMEDIATE")
            for number, script in enumerate(MIGRATIONS[self._schema_version() :], start=self._schema_version() + 1):
                for statement in statements(script):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {number}")
            self._connection.execute("COMMIT")
        if self._schema_version() > len(MIGRATIONS):
            raise StoreError(
                f"{self.path} was written by a newer release of adapterd (schema {self._schema_version()}, "
                f"this release knows {len(MIGRATIONS)})",
                hint="install that release again, or move the home with ADAPTERD_HOME",
            )

    def _schema_version(self) -> int:
        version: int = self._connection.execute("PRAGMA user_version").fetchone()[0]
        return version


_TRANSACTION = ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))


def _savepoint(depth: int) -> tuple[str, str, tuple[str, ...]]:
    """How a nested transaction begins, ends and is taken back."""
    name = f"nested_{depth}"
    return f"SAVEPOINT {name}", f"RELEASE {name}", (f"ROLLBACK TO {name}", f"RELEASE {name}")


def _connect(path: Path) -> sqlite3.Connection:
    if not path.exists():
        path.touch(mode=0o600)
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    connection.row_factory = sqlite3.Row
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 8000")  # 32 MiB: a page that changes often is moved once
    connection.execute("PRAGMA cache_size = -16000")  # 16 MB: hashes land anywhere in the indexes
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn WAL mode on. SQLite does not wait here when another connection is turning it on too (a reader that
    becomes a writer is never made to wait), so the waiting is ours."""
    give_up = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's and the file system's errors into StoreError."""
    try:
        yield
    except (sqlite3.DatabaseError, OSError) as exc:
        raise StoreError(
            f"the state database {path} cannot be used: {exc}", hint="adapterctl doctor looks closer"
        ) from exc
