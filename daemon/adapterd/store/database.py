"""The connection: one file in WAL mode, brought up to date when it is opened."""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from adapterd import __version__
from adapterd.errors import BusyError, DamagedStoreError, NewerStoreError, StoreError, reason
from adapterd.store.schema.migrations import FUNCTIONS, MIGRATIONS, statements

BUSY_TIMEOUT_S = 20.0
CACHE_KIB, LARGER_CACHE_KIB = 2_000, 16_000
LOG_BYTES = 32 << 20
"""What the write-ahead log is cut down to after it was larger."""
NO_LONGER_NEW = ("models/*/*/lineage.json", "runs/*/results.json", "state.db.damaged-*")
"""Files beside the database that only a home has in which a run has worked, or whose database was moved aside: there
was a database, too."""
WITHOUT_DATABASE = (
    "`adapterctl rollback NAME` works without it; `adapterctl restore FILE` puts a backup back; "
    "`adapterctl doctor --repair` rebuilds what versions and tags can tell"
)
"""What to do where the database cannot be used."""
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock used where none is injected."""
    return datetime.now(UTC)


class Database:
    """Statements and transactions on one file. Raises StoreError when it cannot be opened, DamagedStoreError when it is
    damaged, or empty or gone although the home has versions (unless it is to be made `anew`), NewerStoreError when it
    comes from a newer release."""

    def __init__(self, path: Path, *, clock: Clock = utc_now, anew: bool = False) -> None:
        self.path = path
        self.clock = clock
        self._depth = 0
        self._committer: Executor | None = None
        self._committing: Future[sqlite3.Cursor] | None = None
        if not anew:
            require_not_lost(path)
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
            self._commit(commit)
        except BaseException:
            if self._connection.in_transaction:  # SQLite itself rolls back after some failures
                for statement in rollback:
                    self.execute(statement)
            raise
        finally:
            self._depth -= 1

    @contextmanager
    def outer_transaction(self) -> Iterator[None]:
        """The transaction that is going on, or one of its own.

        It is quicker than a nested `transaction`, for which SQLite copies every page that is changed; where the block
        fails, all of the outer one has to be undone.
        """
        if self._depth:
            yield
        else:
            with self.transaction():
                yield

    @contextmanager
    def commits_behind(self) -> Iterator[None]:
        """A thread commits the transactions of the block while the caller goes on.

        Whatever uses the file next waits for it, and raises what went wrong there; all is committed when the block
        has ended.
        """
        with ThreadPoolExecutor(1, "commit") as self._committer:
            try:
                yield
            finally:
                self._committer = None
                self._await_commit()

    def _commit(self, statement: str) -> None:
        if self._committer and self._depth == 1:
            self._committing = self._committer.submit(self._connection.execute, statement)
        else:
            self.execute(statement)

    def _await_commit(self) -> None:
        """Wait until what was committed behind is, and raise what went wrong."""
        if self._committing is None:
            return
        wait([self._committing])  # it may be interrupted: what goes on is waited for the next time
        done, self._committing = self._committing, None
        try:
            with translated(self.path):
                done.result()
        except StoreError:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def larger_cache(self) -> Iterator[None]:
        """More pages of the file are in memory for as long as the block lasts, which changes many: hashes land anywhere
        in the indexes. The daemon's connections are open for ever, and do without."""
        self.execute(f"PRAGMA cache_size = -{LARGER_CACHE_KIB}")
        try:
            yield
        finally:
            with suppress(StoreError):  # what the block raised says more
                self.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
                self.execute("PRAGMA shrink_memory")

    def execute(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Cursor:
        """Run one statement; outside a transaction it commits by itself."""
        self._await_commit()
        with translated(self.path):
            return self._connection.execute(sql, values)

    def execute_many(self, sql: str, values: Iterable[Sequence[Any]]) -> sqlite3.Cursor:
        """Run one statement for every row of values; belongs into a transaction."""
        self._await_commit()
        with translated(self.path):
            return self._connection.executemany(sql, values)

    def rows(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        return list(self.execute(sql, values))

    def row(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Row | None:
        """The first row of a query, if there is one."""
        found: sqlite3.Row | None = self.execute(sql, values).fetchone()
        return found

    def compact(self) -> None:
        """Write the file anew without its free pages, and empty the write-ahead log: what was deleted is in neither.

        Belongs outside of any transaction. Raises StoreError where the disk has no room for a second copy, and
        BusyError while another process reads for longer than BUSY_TIMEOUT_S: deleted text is still in the log then.
        """
        self.execute("VACUUM")
        busy, _, _ = self.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise BusyError(
                f"another process reads {self.path}, so what was deleted is still in its write-ahead log",
                hint="give the command again when `adapterctl status` shows nothing in progress",
            )

    def copy_to(self, target: Path, without: Sequence[str] = ()) -> None:
        """Make a copy of the file as it is at this moment, without its free pages, and without the rows that these
        statements delete; `target` must not exist.

        Raises DamagedStoreError where the copy is damaged.
        """
        target.touch(mode=0o600, exist_ok=False)
        with translated(self.path), closing(sqlite3.connect(target, isolation_level=None)) as copy:
            self._connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            copy.execute("PRAGMA journal_mode = MEMORY")  # a journal beside a copy whose maker is killed would stay
            for statement in without:
                copy.execute(statement)
            copy.execute("VACUUM")
            said = copy.execute("PRAGMA integrity_check").fetchone()[0]
        if said != "ok":
            raise DamagedStoreError(f"the state database {self.path} is damaged: {said}", hint=WITHOUT_DATABASE)

    def is_newer(self) -> bool:
        """Whether another process has brought the file to the schema of a newer release meanwhile."""
        with translated(self.path):
            return self._schema_version() > len(MIGRATIONS)

    def _migrate(self) -> None:
        if self._schema_version() < len(MIGRATIONS):
            for name, function in FUNCTIONS.items():
                self._connection.create_function(name, 2, function, deterministic=True)
            self._connection.execute("BEGIN IMMEDIATE")
            for number, script in enumerate(MIGRATIONS[self._schema_version() :], start=self._schema_version() + 1):
                for statement in statements(script):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {number}")
            self._connection.execute(
                "INSERT OR REPLACE INTO releases VALUES (?, ?, ?)", (len(MIGRATIONS), __version__, self.now())
            )
            self._connection.execute("COMMIT")
        if self._schema_version() > len(MIGRATIONS):
            raise self.newer()

    def newer(self) -> NewerStoreError:
        """What is wrong where the file is of a newer release."""
        schema = self._schema_version()
        row = self._connection.execute("SELECT adapterd FROM releases WHERE schema = ?", (schema,)).fetchone()
        return NewerStoreError(
            f"{self.path} was written by {f'adapterd {row[0]}' if row else 'a newer release of adapterd'} (schema "
            f"{schema}, this release knows {len(MIGRATIONS)}); this is adapterd {__version__}",
            hint=f"install {f'adapterd {row[0]}' if row else 'that release'} again, or put back a backup that "
            f"{__version__} has made: adapterctl restore FILE",
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
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 32000")  # 128 MiB: a page that changes often is moved once
    connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
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


def require_not_lost(path: Path) -> None:
    """Raise DamagedStoreError where the file is empty or gone, and was not always."""
    try:
        there = path.stat().st_size if path.exists() else None
    except OSError:
        return  # what is wrong is told when it is opened
    if not there and any(next(path.parent.glob(pattern), None) for pattern in NO_LONGER_NEW):
        what = "is gone" if there is None else "is empty"
        raise DamagedStoreError(
            f"the state database {path} {what}, but {path.parent} has versions, or one that was moved aside",
            hint=WITHOUT_DATABASE,
        )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's and the file system's errors into StoreError, and what tells of damage into DamagedStoreError."""
    try:
        yield
    except (sqlite3.DatabaseError, OSError) as exc:
        if isinstance(exc, sqlite3.DatabaseError) and _is_damage(exc):
            raise DamagedStoreError(f"the state database {path} is damaged: {exc}", hint=WITHOUT_DATABASE) from exc
        raise StoreError(
            f"the state database {path} cannot be used: {reason(exc)}", hint="adapterctl doctor looks closer"
        ) from exc


def _is_damage(exc: sqlite3.DatabaseError) -> bool:
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
