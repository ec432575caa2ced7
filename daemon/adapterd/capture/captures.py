"""The recorded conversations: one SQLite file in the home, bounded in days and in bytes."""

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from adapterd.capture.passthrough.capture_id import first_after
from adapterd.capture.set_aside import SET_ASIDE
from adapterd.errors import DamagedStoreError, StoreError, reason

BUSY_TIMEOUT_S = 20.0
_FAULTY = "(faults != '[]' OR kept != 'sample')"
_SCHEMA = (
    """CREATE TABLE captures (
        id TEXT PRIMARY KEY, at REAL NOT NULL, dialect TEXT NOT NULL, model TEXT NOT NULL, digest TEXT,
        template_hash TEXT, prompt_hash TEXT NOT NULL, answer_hash TEXT NOT NULL, turns TEXT NOT NULL,
        answer TEXT NOT NULL, thoughts TEXT NOT NULL, calls TEXT NOT NULL, options TEXT NOT NULL, tools TEXT NOT NULL,
        schema TEXT, reason TEXT, complete INTEGER NOT NULL, error TEXT, prompt_tokens INTEGER, answer_tokens INTEGER,
        logprob REAL, logprob_tokens INTEGER NOT NULL, first_byte_s REAL NOT NULL, seconds REAL NOT NULL,
        faults TEXT NOT NULL, kept TEXT NOT NULL, repeats INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX captures_by_time ON captures (at)",
    "CREATE INDEX captures_by_prompt ON captures (model, prompt_hash, at)",
    "CREATE INDEX captures_by_answer ON captures (answer_hash)",
    "CREATE TABLE left_out (reason TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT",
)
_OF_MODEL = "(model = ? OR (model >= ? AND model < ?))"
"""With `_of`: whichever of a model's tags was asked; `;` comes next to `:`."""
_COUNTS = (
    """CREATE TABLE answers_by_day (
        day TEXT NOT NULL, model TEXT NOT NULL, digest TEXT NOT NULL, fault TEXT NOT NULL, count INTEGER NOT NULL,
        PRIMARY KEY (day, model, digest, fault)
    ) STRICT, WITHOUT ROWID""",
    "CREATE TABLE last_taken (id TEXT NOT NULL) STRICT",
    "INSERT INTO last_taken VALUES ('')",
    "DROP INDEX captures_by_time",
    "CREATE INDEX captures_by_time ON captures (at, id, bytes)",
    f"CREATE INDEX captures_with_faults ON captures (at) WHERE {_FAULTY}",
    "CREATE INDEX captures_by_chance ON captures (substr(id, 11), model, kept, complete, id)",
    "PRAGMA user_version = 1",
)
"""Counts, and the orders in which answers are judged: a file of before gets them when it is opened."""
_ANY = ""
"""Stands for the fault in the row that counts all answers."""
_DAMAGE = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))
_JSON = frozenset(("turns", "calls", "options", "tools", "schema", "faults"))


@dataclass(frozen=True)
class Capture:
    """One recorded conversation.

    `model` is the name that was asked for, `digest` that of its file in Ollama at the time, `template_hash` of its
    template (SHA-256). `prompt_hash` is of the turns, `answer_hash` of the answer's text (SHA-256). `options` are those
    in force: the model's parameters, and over them the request's. `faults` names what is wrong with the answer without
    knowing the right one, or is a weak sign of that (`edited`), `kept` why it was recorded (`sample`, or the rule that
    keeps it), `repeats` how often the same request broke off before. Times are in seconds, `at` since 1970, `bytes`
    those of the texts.
    """

    id: str
    at: float
    dialect: str
    model: str
    digest: str | None
    template_hash: str | None
    prompt_hash: str
    answer_hash: str
    turns: Sequence[Mapping[str, Any]]
    answer: str
    thoughts: str
    calls: Sequence[Mapping[str, Any]]
    options: Mapping[str, Any]
    tools: Sequence[Mapping[str, Any]]
    schema: Mapping[str, Any] | str | None
    reason: str | None
    complete: bool
    error: str | None
    prompt_tokens: int | None
    answer_tokens: int | None
    logprob: float | None
    logprob_tokens: int
    first_byte_s: float
    seconds: float
    faults: Sequence[str]
    kept: str
    repeats: int
    bytes: int


@dataclass(frozen=True)
class Counted:
    """How many answers a model gave on a day (`YYYY-MM-DD`, this machine's), and how many of them had which fault, kept
    or not. `digest` is that of its file, empty where Ollama did not tell."""

    day: str
    model: str
    digest: str
    answers: int
    faults: Mapping[str, int]


@dataclass(frozen=True)
class Tagged:
    """A tag that an earlier conversation gets, by its id, None for none, and those that it is taken from."""

    tag: str = ""
    on: str | None = None
    not_on: Sequence[str] = ()


_COLUMNS = tuple(each.name for each in fields(Capture))


@dataclass(frozen=True)
class Kept:
    """How much is recorded: conversations, bytes of their texts, and the first and last moment (None: none)."""

    count: int
    bytes: int
    first: float | None
    last: float | None


class Captures:
    """Statements on the file, which is made where it is not there. Raises StoreError where that cannot be
    used, DamagedStoreError where it is damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._translated():
            self._connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            try:
                path.chmod(0o600)
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA secure_delete = ON")
                self._make()
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def add(self, capture: Capture) -> None:
        """Store a conversation, once by its id."""
        values = [_stored(name, getattr(capture, name)) for name in _COLUMNS]
        marks = ", ".join("?" * len(_COLUMNS))
        self._run(f"INSERT OR IGNORE INTO captures ({', '.join(_COLUMNS)}) VALUES ({marks})", values)  # noqa: S608

    def take(
        self, name: str, counted: Counted | None, capture: Capture | None, *, former: str | None = None, why: str = "",
        tagged: Tagged = Tagged(),
    ) -> None:  # fmt: skip
        """All that becomes of an exchange, in one transaction: its answer is counted, and stored, in the place of a
        `former` one of the same request, or left out and `why`; and earlier ones are `tagged`. Nothing is done for the
        one that was taken last: a recorder that was killed before it said so is given it again."""
        with self._transaction():
            if not self._run("UPDATE last_taken SET id = ?1 WHERE id <> ?1", [name]).rowcount:
                return
            if counted:
                self._count(counted)
            if former:
                self.remove([former])
            if capture:
                self.add(capture)
            else:
                self.leave_out(why)
            self._tag(tagged)

    def counted(self, since: str) -> list[Counted]:
        """The answers of each day since this one, by model and digest, the oldest day first."""
        found: dict[tuple[str, str, str], dict[str, int]] = {}
        rows = self._run("SELECT day, model, digest, fault, count FROM answers_by_day WHERE day >= ?", [since])
        for day, model, digest, fault, count in rows:
            found.setdefault((day, model, digest), {})[fault] = count
        return [Counted(*key, answers=counts.pop(_ANY, 0), faults=counts) for key, counts in sorted(found.items())]

    def remove_counts(self, before: str) -> int:
        """Remove the counts of the days before this one; how many rows these were."""
        return self._run("DELETE FROM answers_by_day WHERE day < ?", [before]).rowcount

    def leave_out(self, reason: str) -> None:
        """Count a conversation that is not recorded."""
        self._run("INSERT INTO left_out VALUES (?, 1) ON CONFLICT (reason) DO UPDATE SET count = count + 1", [reason])

    def left_out(self) -> dict[str, int]:
        """How many were not recorded, by the reason."""
        return dict(self._run("SELECT reason, count FROM left_out ORDER BY count DESC, reason", ()).fetchall())

    def get(self, name: str) -> Capture | None:
        """The one with this id, else the last one with this hash of its answer."""
        for column in ("id", "answer_hash"):
            found = next(self._read(f"WHERE {column} = ? ORDER BY at DESC LIMIT 1", [name]), None)
            if found:
                return found
        return None

    def last(self, count: int, model: str | None = None) -> list[Capture]:
        """The newest, the newest first."""
        which, values = ("WHERE model = ? ", [model]) if model else ("", list[object]())
        return list(self._read(f"{which}ORDER BY at DESC, id DESC LIMIT ?", [*values, count]))

    def require_sound(self) -> None:
        """Raise DamagedStoreError where SQLite's own quick check finds damage; it reads the whole file."""
        [said] = self._run("PRAGMA quick_check(1)", ()).fetchone()
        if said != "ok":
            raise DamagedStoreError(f"recorded conversations in {self.path}: {said}", hint=SET_ASIDE)

    def all(self) -> Iterator[Capture]:
        """Every one, the oldest first."""
        return self._read("ORDER BY at, id", ())

    def remove_model(self, name: str) -> int:
        """Remove the conversations with a model, whichever of its tags was asked, and their counts; how many there
        were."""
        with self._transaction():
            self._run(f"DELETE FROM answers_by_day WHERE {_OF_MODEL}", _of(name))  # noqa: S608 (a condition of this module)
            return self._run(f"DELETE FROM captures WHERE {_OF_MODEL}", _of(name)).rowcount  # noqa: S608

    def by_chance(self, name: str, kept: str, until: float | None = None) -> Iterator[Capture]:
        """The whole answers of a model that were kept for this reason, in the order of the random part of their ids;
        those that came until a moment, if one is given."""
        which = f"{_OF_MODEL.replace('model', '+model')} AND kept = ? AND complete"  # a sign keeps other indexes out
        before = "~" if until is None else first_after(until)
        rows = self._run(
            f"SELECT id FROM captures WHERE {which} AND +id < ? ORDER BY substr(id, 11)",  # noqa: S608 (a condition of this module)
            [*_of(name), kept, before],
        )
        return (found for (name,) in rows if (found := self.get(name)))

    def newest(self, name: str, most: int, *, faulty: bool = False) -> Iterator[Capture]:
        """The newest whole answers of a model, the newest first; `faulty`: only those with a fault, or that a rule
        kept."""
        wrong = f"AND {_FAULTY} " if faulty else ""
        return self._read(f"WHERE {_OF_MODEL} AND complete {wrong}ORDER BY at DESC LIMIT ?", [*_of(name), most])

    def of_prompt(self, model: str, prompt_hash: str, since: float) -> Capture | None:
        """The newest conversation of a model with this prompt after a moment."""
        return next(
            self._read("WHERE model = ? AND prompt_hash = ? AND at >= ? ORDER BY at DESC LIMIT 1",
                       [model, prompt_hash, since]),
            None,
        )  # fmt: skip

    def recorded_prompts(self, hashes: Collection[str]) -> set[str]:
        """Those of these prompts that are recorded."""
        rows = self._run(
            "SELECT DISTINCT prompt_hash FROM captures WHERE prompt_hash IN (SELECT value FROM json_each(?))",
            [json.dumps(list(hashes))],
        )
        return {name for (name,) in rows}

    def before(self, model: str, since: float, most: int, most_bytes: int) -> list[Capture]:
        """The newest conversations of a model after a moment that are no longer than this, the newest first."""
        which = "WHERE +model = ? AND at >= ? AND bytes <= ? ORDER BY at DESC, id DESC LIMIT ?"  # by time: few are new
        return list(self._read(which, [model, since, most_bytes, most]))

    def remove(self, ids: Sequence[str]) -> int:
        """Remove these for good; how many there were."""
        return self._run(
            "DELETE FROM captures WHERE id IN (SELECT value FROM json_each(?))", [json.dumps(ids)]
        ).rowcount

    def remove_old(self, before: float, most_bytes: int) -> int:
        """Remove what is from before a moment, then the oldest until no more bytes are left; how many were removed."""
        with self._transaction():
            removed = self._run("DELETE FROM captures WHERE at < ?", [before]).rowcount
            removed += self._run(
                """DELETE FROM captures WHERE id IN (SELECT id FROM (
                       SELECT id, sum(bytes) OVER (ORDER BY at DESC, id DESC) AS newer FROM captures
                   ) WHERE newer > ?)""",
                [most_bytes],
            ).rowcount
        return removed

    def kept(self) -> Kept:
        """How much is recorded."""
        row = self._run("SELECT count(*), coalesce(sum(bytes), 0), min(at), max(at) FROM captures", ()).fetchone()
        return Kept(*row)

    def _read(self, where: str, values: Sequence[object]) -> Iterator[Capture]:
        cursor = self._run(f"SELECT {', '.join(_COLUMNS)} FROM captures {where}", values)  # noqa: S608 (conditions of this module)
        for row in cursor:
            plain = {
                name: json.loads(value) if name in _JSON and value is not None else value
                for name, value in zip(_COLUMNS, row, strict=True)
            }
            yield Capture(**{**plain, "complete": bool(plain["complete"])})

    def _tag(self, tagged: Tagged) -> None:
        """Add a tag to the faults of one, once, and take it from others."""
        without = """(SELECT json_group_array(value) FROM json_each(faults) WHERE value <> ?1)"""
        for name in tagged.not_on:
            self._run(f"UPDATE captures SET faults = {without} WHERE id = ?2", [tagged.tag, name])  # noqa: S608 (of here)
        if tagged.on:
            added = f"json_insert({without}, '$[#]', ?1)"
            self._run(f"UPDATE captures SET faults = {added} WHERE id = ?2", [tagged.tag, tagged.on])  # noqa: S608

    def _count(self, counted: Counted) -> None:
        rows = {_ANY: counted.answers, **counted.faults}
        for fault, count in rows.items():
            self._run(
                """INSERT INTO answers_by_day VALUES (?, ?, ?, ?, ?)
                   ON CONFLICT (day, model, digest, fault) DO UPDATE SET count = count + excluded.count""",
                [counted.day, counted.model, counted.digest, fault, count],
            )

    def _make(self) -> None:
        if self._is_made():
            return
        with self._transaction():
            if not self._is_made():  # by another process in the meantime
                made = self._run("SELECT 1 FROM sqlite_master WHERE name = 'captures'", ()).fetchone()
                for statement in _COUNTS if made else (*_SCHEMA, *_COUNTS):
                    self._run(statement, ())

    def _is_made(self) -> bool:
        version: int = self._run("PRAGMA user_version", ()).fetchone()[0]
        return version > 0

    def _run(self, statement: str, values: Sequence[object]) -> sqlite3.Cursor:
        with self._translated():
            return self._connection.execute(statement, values)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._run("BEGIN IMMEDIATE", ())
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._run("COMMIT", ())

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as exc:
            said = f"recorded conversations in {self.path}: {reason(exc)}"
            if getattr(exc, "sqlite_errorcode", 0) & 0xFF in _DAMAGE:
                raise DamagedStoreError(said, hint=SET_ASIDE) from exc
            raise StoreError(said) from exc


def _of(model: str) -> list[object]:
    return [model, f"{model}:", f"{model};"]


def _stored(name: str, value: object) -> object:
    if name in _JSON:
        return None if value is None else json.dumps(value, ensure_ascii=False)
    return int(value) if isinstance(value, bool) else value
