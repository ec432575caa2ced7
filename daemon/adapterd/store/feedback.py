"""Feedback as rows: what was taken, from which files, and what was put into quarantine."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from adapterd.store.database import Database
from adapterd.store.feedback_ids import FeedbackIds
from adapterd.store.followed.file_read import FIELDS, FileRead
from adapterd.store.followed.files import FollowedFiles
from adapterd.store.new_feedback import NewFeedback
from adapterd.store.origin import is_import, origin_of
from adapterd.store.statements import AFRESH, Reading, Statements

__all__ = ["FailureCount", "Feedback", "FileRead", "NewFeedback", "Quarantined", "StoredFeedback"]

_ROUNDED = timedelta(milliseconds=1)
"""Arrivals are stored to the millisecond."""

_LABEL_LENGTH = 40
_AT_ONCE = 1_000
_KEYS = """
    SELECT id, prompt_hash, output_type, CASE WHEN length(answer) <= ?3 THEN answer END AS label
    FROM (
        SELECT *, CASE WHEN json_valid(record)
        THEN coalesce(json_extract(record, '$.correction'), json_extract(record, '$.output')) END AS answer
        FROM feedback_in_force WHERE model = ?1 AND id <= ?2
    ) ORDER BY id"""

# A sign before a column keeps SQLite from choosing the index of that column, by which it would look at all records.
_ABOUT = """
    SELECT said.* FROM ({prompts}) AS asked CROSS JOIN feedback_in_force AS said
    ON substr(said.prompt_hash, 1, 12) = substr(asked.prompt_hash, 1, 12)
    AND said.model = ?1 AND said.prompt_hash = asked.prompt_hash ORDER BY +said.id"""
_ABOUT_NEW = _ABOUT.format(prompts="SELECT DISTINCT prompt_hash FROM feedback WHERE model = ?1 AND id > ?2")
_ABOUT_SOME = _ABOUT.format(
    prompts="""SELECT DISTINCT prompt_hash FROM feedback
               WHERE substr(prompt_hash, 1, 12) BETWEEN ?3 AND ?3 || 'g' AND +model = ?1 AND +id > ?2"""
)
_ABOUT_THESE = _ABOUT.format(prompts="SELECT DISTINCT value AS prompt_hash FROM json_each(?2)")


@dataclass(frozen=True)
class StoredFeedback:
    """A record as it stands in the store. `origin` is the way on which it came (`OriginKind`), `application` who sent
    it, if that is known."""

    id: int
    content_hash: str
    prompt_hash: str
    record: str
    file: str
    line: int
    output_type: str | None
    source_id: str | None
    rating: int | None
    failure_tags: tuple[str, ...]
    created_at: datetime
    received_at: datetime
    origin: str = "file"
    application: str | None = None


@dataclass(frozen=True)
class FeedbackKey:
    """Which prompt a record is about, its output type, and its answer where that is as short as a label."""

    id: int
    prompt_hash: str
    output_type: str | None
    label: str | None


@dataclass(frozen=True)
class FailureCount:
    """How many records have these failure tags, and have an output or a correction or not."""

    failure_tags: tuple[str, ...]
    has_output: bool
    has_correction: bool
    count: int


@dataclass(frozen=True)
class Quarantined:
    """Something that could not be used, why, and where its bytes are kept."""

    id: int
    file: str
    line: int
    reason: str
    excerpt: str
    kept: str
    received_at: datetime


class Feedback:
    """The feedback tables of all models."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.statements = Statements(database)
        self.followed = FollowedFiles(database)
        self.ids = FeedbackIds(database)

    def add(self, model: str, record: NewFeedback) -> bool:
        """Store the record if it is a new statement; returns whether it is."""
        return self.add_many(model, [record]) == 1

    def add_many(self, model: str, records: Iterable[NewFeedback], reading: Reading = AFRESH) -> int:
        """Store each record that is a new statement (see `statements`); returns how many these are."""
        with self._database.outer_transaction():
            return self.statements.add(model, list(records), reading)

    def all(self, model: str, *, up_to_id: int | None = None) -> list[StoredFeedback]:
        """Every record of the model that is in force, in the order of arrival, up to an id if one is given.

        None was created later than it arrived, nor later than now (it may have come while the clock was ahead): that
        decides whose answer counts, and rows of earlier releases have whatever date they were given.
        """
        rows = self._database.rows(
            "SELECT * FROM feedback_in_force WHERE model = ?1 AND (?2 IS NULL OR id <= ?2) ORDER BY id",
            (model, up_to_id),
        )
        return self._stored(rows)

    def keys(self, model: str, *, up_to_id: int) -> Iterator[FeedbackKey]:
        """What a sample is drawn by, of every record of the model that is in force, in the order of arrival."""
        for row in self._database.execute(_KEYS, (model, up_to_id, _LABEL_LENGTH)):
            yield FeedbackKey(row["id"], row["prompt_hash"], row["output_type"], row["label"])

    def some(self, model: str, ids: Sequence[int]) -> Iterator[StoredFeedback]:
        """The records in force with these ids, which are in order; a part at a time, as there may be many."""
        for start in range(0, len(ids), _AT_ONCE):
            rows = self._database.rows(
                """SELECT * FROM feedback_in_force
                   WHERE model = ? AND id IN (SELECT value FROM json_each(?)) ORDER BY id""",
                (model, json.dumps(ids[start : start + _AT_ONCE])),
            )
            yield from self._stored(rows)

    def ever(self, model: str) -> Iterator[tuple[int, str]]:
        """The id and the record of all that the model was ever told and that was not removed, in force or not, in the
        order of arrival."""
        for row in self._database.execute("SELECT id, record FROM feedback WHERE model = ? ORDER BY id", (model,)):
            yield row["id"], row["record"]

    def known_prompts(self, model: str, prompts: Iterable[str], *, up_to_id: int | None = None) -> set[str]:
        """Those of these hashes of prompts of which the model was told anything up to an id, or ever."""
        rows = self._database.rows(
            """SELECT value FROM json_each(?2)
               WHERE EXISTS (SELECT 1 FROM feedback WHERE substr(prompt_hash, 1, 12) = substr(value, 1, 12)
                             AND +model = ?1 AND prompt_hash = value AND (?3 IS NULL OR id <= ?3))""",
            (model, json.dumps(list(prompts)), up_to_id),
        )
        return {row["value"] for row in rows}

    def prompts_new_after(self, model: str, after_id: int) -> list[str]:
        """The hashes of the prompts of which nothing came up to an id, in force or not."""
        rows = self._database.rows(
            """SELECT prompt_hash FROM feedback WHERE model = ?1 GROUP BY prompt_hash HAVING min(id) > ?2
               ORDER BY min(id)""",
            (model, after_id),
        )
        return [row["prompt_hash"] for row in rows]

    def everything(self, model: str) -> list[StoredFeedback]:
        """Every record of the model, also those that are no longer in force, in the order of arrival."""
        return self._stored(self._database.rows("SELECT * FROM feedback WHERE model = ? ORDER BY id", (model,)))

    def about_the_same(self, model: str, *, after_id: int, begins_with: str = "") -> list[StoredFeedback]:
        """The records in force about the prompts of those that came after the given id, in the order of arrival; of
        prompts whose hash begins with these digits only."""
        sql, values = (_ABOUT_SOME, (model, after_id, begins_with)) if begins_with else (_ABOUT_NEW, (model, after_id))
        return self._stored(self._database.rows(sql, values))

    def about(self, model: str, prompts: Iterable[str]) -> list[StoredFeedback]:
        """The records in force about the prompts with these hashes, in the order of arrival."""
        return self._stored(self._database.rows(_ABOUT_THESE, (model, json.dumps(list(prompts)))))

    def _stored(self, rows: Iterable[sqlite3.Row]) -> list[StoredFeedback]:
        now = self._database.clock()
        found = (
            StoredFeedback(
                id=row["id"], content_hash=row["content_hash"], prompt_hash=row["prompt_hash"], record=row["record"],
                file=row["file"], line=row["line"], output_type=row["output_type"], source_id=row["source_id"],
                rating=row["rating"], failure_tags=tuple(json.loads(row["failure_tags"])),
                created_at=datetime.fromisoformat(row["created_at"]),
                received_at=datetime.fromisoformat(row["received_at"]),
                origin=row["origin"], application=row["application"],
            )
            for row in rows
        )  # fmt: skip
        return [_not_later_than(min(each.received_at, now), each) for each in found]

    def forget(self, ids: Iterable[int]) -> None:
        """Delete these records."""
        self._database.execute_many("DELETE FROM feedback WHERE id = ?", [(each,) for each in ids])

    def renumber(self, model: str, file: str, gone: Collection[int]) -> None:
        """Follow a file of ours that lost these elements of its array: those behind them have lower numbers now."""
        for table in ("feedback", "quarantine"):
            self._database.execute(
                f"""UPDATE {table} SET line = line - (SELECT count(*) FROM json_each(?3) WHERE value < line)
                    WHERE model = ?1 AND file = ?2 AND line > 0""",  # noqa: S608 - of the two names above
                (model, file, json.dumps(list(gone))),
            )

    def forget_file(self, model: str, path: str) -> None:
        """Forget that a file was read, for it is gone."""
        self._database.execute("DELETE FROM feedback_files WHERE model = ? AND path = ?", (model, path))

    def change_stamp(self, model: str, path: str, size_bytes: int, mtime_ns: int) -> None:
        """Remember a file that we have written anew as read."""
        self._database.execute(
            "UPDATE feedback_files SET size_bytes = ?, mtime_ns = ? WHERE model = ? AND path = ?",
            (size_bytes, mtime_ns, model, path),
        )

    def failures(self, model: str) -> list[FailureCount]:
        """All records, counted by what was said to be wrong with the output."""
        rows = self._database.rows(
            """SELECT failure_tags, record ->> 'output' IS NOT NULL, record ->> 'correction' IS NOT NULL, count(*)
               FROM feedback_in_force WHERE model = ? GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
            (model,),
        )
        return [FailureCount(tuple(json.loads(tags)), bool(out), bool(fix), n) for tags, out, fix, n in rows]

    def count(self, model: str, *, after_id: int = 0) -> int:
        """How many records in force the model has, or has got since the given id."""
        return self._one("SELECT count(*) FROM feedback_in_force WHERE model = ? AND id > ?", model, after_id)

    def usable_prompts(self, model: str, newest: int = 5_000, *, without: Iterable[str] = ()) -> dict[str | None, int]:
        """How many different prompts have an answer that can be taught, by output type, among the newest records; those
        `without`, by content hash, aside."""
        rows = self._database.rows(
            """SELECT output_type, count(DISTINCT prompt_hash)
               FROM (SELECT * FROM feedback WHERE model = ? AND withdrawn_at IS NULL ORDER BY id DESC LIMIT ?)
               WHERE (trim(coalesce(record ->> 'correction', '')) != ''
                  OR (rating >= 4 AND trim(coalesce(record ->> 'output', '')) != ''))
                 AND content_hash NOT IN (SELECT value FROM json_each(?))
               GROUP BY output_type""",
            (model, newest, json.dumps(list(without))),
        )
        return dict(map(tuple, rows))

    def origins(self, model: str, most: int = 20) -> dict[str, int]:
        """How many records in force each application gave, else came on each way, the most frequent first; those beyond
        the first `most` are counted together."""
        rows = self._database.rows(
            """SELECT coalesce(application, origin), count(*) FROM feedback
               WHERE model = ? AND withdrawn_at IS NULL GROUP BY 1 ORDER BY 2 DESC""",
            (model,),
        )
        named: dict[str, int] = dict(map(tuple, rows[:most]))
        return {**named, "others": sum(row[1] for row in rows[most:])} if rows[most:] else named

    def oldest(self, model: str, *, after_id: int = 0) -> datetime | None:
        """When the first of the records came that the model has got since the given id; those that came while the clock
        was ahead of now do not tell."""
        row = self._database.row(
            """SELECT received_at FROM feedback_in_force WHERE model = ? AND id > ? AND received_at <= ?
               ORDER BY id LIMIT 1""",
            (model, after_id, self._database.now()),
        )
        return datetime.fromisoformat(row["received_at"]) if row else None

    def first_arrival(self, model: str) -> datetime | None:
        """When the first of all records came, in force or not, or the first piece whose bytes are in quarantine."""
        arrivals = (
            self._database.row(
                f"SELECT received_at FROM {table} WHERE model = ? {more} ORDER BY id LIMIT 1",  # noqa: S608 - ours
                (model,),
            )
            for table, more in (("feedback", ""), ("quarantine", "AND kept != ''"))
        )
        return min((datetime.fromisoformat(row[0]) for row in arrivals if row), default=None)

    def last_id(self, model: str) -> int:
        """The id of the newest record, 0 if there is none."""
        return self._one("SELECT coalesce(max(id), 0) FROM feedback WHERE model = ?", model)

    def last_id_until(self, model: str, at: datetime) -> int:
        """The id of the newest record that had arrived by then, 0 if there is none."""
        return self._one(
            "SELECT coalesce(max(id), 0) FROM feedback WHERE model = ? AND received_at <= ?",
            model,
            at.astimezone(UTC).isoformat(timespec="milliseconds"),
        )

    def record_file(self, model: str, file: FileRead, document: str | None = None) -> None:
        """Remember what became of a file, so that it is not read again until it changes; without a document, it stands
        for itself."""
        self._database.execute(
            f"""INSERT OR REPLACE INTO feedback_files (model, {FIELDS}, read_at, document)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",  # noqa: S608 - the columns of a FileRead
            (model, *vars(file).values(), self._database.now(), document or origin_of(file.path).document),
        )

    def files(self, model: str) -> list[FileRead]:
        """Every file that was read, by path."""
        rows = self._database.rows(
            f"SELECT {FIELDS} FROM feedback_files WHERE model = ? ORDER BY path",  # noqa: S608 - the columns
            (model,),
        )
        return [FileRead(**dict(row)) for row in rows]

    def last_reading(self, model: str, path: str) -> FileRead | None:
        """The last reading of the file, or of any import of the file of that name."""
        if not is_import(path):
            return self.followed.of(model, path)
        row = self._database.row(
            f"""SELECT {FIELDS} FROM feedback_files WHERE model = ? AND document = ?
                ORDER BY read_at DESC, rowid DESC LIMIT 1""",  # noqa: S608 - the columns
            (model, origin_of(path).document),
        )
        return FileRead(**dict(row)) if row else None

    def forget_former_imports(self, model: str, path: str) -> None:
        """Drop what is in quarantine of other imports of the file that was imported as `path`: it was corrected."""
        if is_import(path):
            self._database.execute(
                """DELETE FROM quarantine WHERE model = ?1 AND file != ?2 AND file IN
                   (SELECT path FROM feedback_files WHERE model = ?1 AND document = ?3)""",
                (model, path, origin_of(path).document),
            )

    def stamps(self, model: str) -> dict[str, tuple[int, int]]:
        """Size in bytes and time of change in nanoseconds of every file that was read, by path."""
        rows = self._database.rows("SELECT path, size_bytes, mtime_ns FROM feedback_files WHERE model = ?", (model,))
        return {path: (size_bytes, mtime_ns) for path, size_bytes, mtime_ns in rows}

    def quarantine(self, model: str, *, file: str, line: int, reason: str, excerpt: str, kept: str) -> None:
        """Note one unusable piece; the same piece of the same file is noted once."""
        self._database.execute(
            """INSERT INTO quarantine (model, file, line, reason, excerpt, kept, received_at)
               VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET reason = excluded.reason""",
            (model, file, line, reason, excerpt, kept, self._database.now()),
        )

    def forget_quarantine_except(self, model: str, *, file: str, lines_kept: Sequence[tuple[int, str]]) -> None:
        """Drop notes about a file that no longer hold after it was corrected; `lines_kept` are (line, kept) pairs."""
        self._database.execute(
            """DELETE FROM quarantine WHERE model = ? AND file = ?
               AND json_array(line, kept) NOT IN (SELECT json_array(value ->> 0, value ->> 1) FROM json_each(?))""",
            (model, file, json.dumps(list(lines_kept))),
        )

    def refusals(self, model: str) -> dict[str, str]:
        """The reasons, by path, why files were not read that were never read since."""
        rows = self._database.rows(
            """SELECT file, reason FROM quarantine WHERE model = ? AND line = 0 AND kept = ''
               AND file NOT IN (SELECT path FROM feedback_files WHERE model = ?)""",
            (model, model),
        )
        return {row["file"]: row["reason"] for row in rows}

    def forget_refusals(self, model: str, files: Iterable[str]) -> None:
        """Drop these reasons, for they no longer hold."""
        self._database.execute_many(
            "DELETE FROM quarantine WHERE model = ? AND file = ? AND line = 0 AND kept = ''",
            [(model, file) for file in files],
        )

    def quarantined(self, model: str) -> list[Quarantined]:
        """Everything in quarantine, oldest first."""
        columns = "id, file, line, reason, excerpt, kept, received_at"
        rows = self._database.rows(f"SELECT {columns} FROM quarantine WHERE model = ? ORDER BY id", (model,))  # noqa: S608 (names)
        return [Quarantined(**{**dict(row), "received_at": datetime.fromisoformat(row["received_at"])}) for row in rows]

    def quarantined_count(self, model: str) -> int:
        """How many pieces are in quarantine."""
        return self._one("SELECT count(*) FROM quarantine WHERE model = ?", model)

    def forget_pieces(self, ids: Iterable[int]) -> None:
        """Delete the notes about these pieces in quarantine."""
        self._database.execute_many("DELETE FROM quarantine WHERE id = ?", [(each,) for each in ids])

    def change_piece(self, piece: Quarantined) -> None:
        """Write reason and excerpt of a note, and where its bytes are, anew."""
        self._database.execute(
            "UPDATE quarantine SET reason = ?, excerpt = ?, kept = ? WHERE id = ?",
            (piece.reason, piece.excerpt, piece.kept, piece.id),
        )

    def _one(self, sql: str, *values: object) -> int:
        row = self._database.row(sql, values)
        return int(row[0]) if row else 0


def _not_later_than(arrival: datetime, stored: StoredFeedback) -> StoredFeedback:
    """The same, created at its arrival if it says later."""
    if stored.created_at < arrival + _ROUNDED:
        return stored
    fields = {**json.loads(stored.record), "created_at": arrival.isoformat()}
    record = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return replace(stored, created_at=arrival, record=record)
