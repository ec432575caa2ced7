"""Feedback as rows: what was taken, from which files, and what was put into quarantine."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Self

from adapterd.record import FeedbackRecord
from adapterd.store.database import Database

_ROUNDED = timedelta(milliseconds=1)
"""Arrivals are stored to the millisecond."""
_as_json = lru_cache(maxsize=1024)(json.dumps)  # of failure tags, of which few sets are ever used


@dataclass(frozen=True)
class NewFeedback:
    """A record to be stored; `record` is its whole JSON, the other fields are what lists and triage search by."""

    content_hash: str
    prompt_hash: str
    record: str
    created_at: datetime
    file: str
    line: int
    output_type: str | None = None
    source_id: str | None = None
    rating: int | None = None
    failure_tags: tuple[str, ...] = ()

    @classmethod
    def of(cls, record: FeedbackRecord, file: str, line: int) -> Self:
        """The row of a record that came from a line of a file."""
        return cls(
            record.content_hash,
            record.prompt_hash,
            record.to_json(),
            record.created_at,
            file,
            line,
            record.output_type,
            record.source_id,
            record.rating,
            record.failure_tags,
        )


@dataclass(frozen=True)
class StoredFeedback:
    """A record as it stands in the store."""

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


@dataclass(frozen=True)
class FailureCount:
    """How many records have these failure tags, and have an output or a correction or not."""

    failure_tags: tuple[str, ...]
    has_output: bool
    has_correction: bool
    count: int


@dataclass(frozen=True)
class FileRead:
    """What became of one feedback file; `lines` counts the records it was made of."""

    path: str
    size_bytes: int
    mtime_ns: int
    lines: int
    accepted: int
    duplicates: int
    quarantined: int


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

    def add(self, model: str, record: NewFeedback) -> bool:
        """Store the record once; False if the same content is already there."""
        return self.add_many(model, [record]) == 1

    def add_many(self, model: str, records: Iterable[NewFeedback]) -> int:
        """Store each record once; returns how many were not there already."""
        received_at = self._database.now()
        cursor = self._database.execute_many(
            """INSERT INTO feedback (model, content_hash, prompt_hash, output_type, source_id, rating, failure_tags,
                                     record, file, line, created_at, received_at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
            (
                (
                    model, record.content_hash, record.prompt_hash, record.output_type, record.source_id,
                    record.rating, _as_json(record.failure_tags), record.record, record.file, record.line,
                    record.created_at.isoformat(), received_at,
                )
                for record in records
            ),
        )  # fmt: skip
        return max(cursor.rowcount, 0)

    def all(self, model: str, *, up_to_id: int | None = None) -> list[StoredFeedback]:
        """Every record of the model in the order of arrival, up to an id if one is given.

        None was created later than it arrived, nor later than now (it may have come while the clock was ahead): that
        decides whose answer counts, and rows of earlier releases have whatever date they were given.
        """
        now = self._database.clock()
        rows = self._database.rows(
            "SELECT * FROM feedback WHERE model = ?1 AND (?2 IS NULL OR id <= ?2) ORDER BY id", (model, up_to_id)
        )
        found = (
            StoredFeedback(
                id=row["id"], content_hash=row["content_hash"], prompt_hash=row["prompt_hash"], record=row["record"],
                file=row["file"], line=row["line"], output_type=row["output_type"], source_id=row["source_id"],
                rating=row["rating"], failure_tags=tuple(json.loads(row["failure_tags"])),
                created_at=datetime.fromisoformat(row["created_at"]),
                received_at=datetime.fromisoformat(row["received_at"]),
            )
            for row in rows
        )  # fmt: skip
        return [_not_later_than(min(each.received_at, now), each) for each in found]

    def failures(self, model: str) -> list[FailureCount]:
        """All records, counted by what was said to be wrong with the output."""
        rows = self._database.rows(
            """SELECT failure_tags, record ->> 'output' IS NOT NULL, record ->> 'correction' IS NOT NULL, count(*)
               FROM feedback WHERE model = ? GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
            (model,),
        )
        return [FailureCount(tuple(json.loads(tags)), bool(out), bool(fix), n) for tags, out, fix, n in rows]

    def count(self, model: str, *, after_id: int = 0) -> int:
        """How many records the model has, or has got since the given id."""
        return self._one("SELECT count(*) FROM feedback WHERE model = ? AND id > ?", model, after_id)

    def oldest(self, model: str, *, after_id: int = 0) -> datetime | None:
        """When the first of the records came that the model has got since the given id."""
        row = self._database.row(
            "SELECT received_at FROM feedback WHERE model = ? AND id > ? ORDER BY id LIMIT 1", (model, after_id)
        )
        return datetime.fromisoformat(row["received_at"]) if row else None

    def last_id(self, model: str) -> int:
        """The id of the newest record, 0 if there is none."""
        return self._one("SELECT coalesce(max(id), 0) FROM feedback WHERE model = ?", model)

    def record_file(self, model: str, file: FileRead) -> None:
        """Remember what became of a file, so that it is not read again until it changes."""
        self._database.execute(
            "INSERT OR REPLACE INTO feedback_files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (model, file.path, file.size_bytes, file.mtime_ns, file.lines, file.accepted, file.duplicates,
             file.quarantined, self._database.now()),
        )  # fmt: skip

    def files(self, model: str) -> list[FileRead]:
        """Every file that was read, by path."""
        rows = self._database.rows(
            """SELECT path, size_bytes, mtime_ns, lines, accepted, duplicates, quarantined
               FROM feedback_files WHERE model = ? ORDER BY path""",
            (model,),
        )
        return [FileRead(**dict(row)) for row in rows]

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
        rows = self._database.rows(
            """SELECT id, file, line, reason, excerpt, kept, received_at FROM quarantine WHERE model = ? ORDER BY id""",
            (model,),
        )
        return [Quarantined(**{**dict(row), "received_at": datetime.fromisoformat(row["received_at"])}) for row in rows]

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
