"""Which records are new statements, which were read before, and which are replaced by what their file says now.

A record is a new statement unless it was read before from the same document, was said at the very time that it names,
or repeats what was said last of its prompt. So a file may be read as often as one likes, and a post sent twice counts
once; but what is said again after something else is said anew. What a file says that another one has said last gets a
row that does not count, so that it is known when the file is read again.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from adapterd.store.database import Database
from adapterd.store.new_feedback import NewFeedback
from adapterd.store.origin import is_import, origin_of

_as_json = lru_cache(maxsize=1024)(json.dumps)  # of failure tags, of which few sets are ever used

_ROW = "SELECT id, document, line, withdrawn_at, record ->> 'correction_notes', content_hash, created_at FROM "
_SAID = _ROW + "feedback WHERE substr(content_hash, 1, 12) = substr(?2, 1, 12) AND model = ?1 AND +content_hash = ?2 "
_SAID_THEN = _SAID + "AND created_at = ?3 AND (?4 OR document = ?5) ORDER BY withdrawn_at, id DESC LIMIT 1"
_IN_DOCUMENT = _SAID + "AND document = ?3 AND (?4 OR line = ?5) ORDER BY withdrawn_at, id DESC LIMIT 1"
_ANYWHERE = _SAID + "AND withdrawn_at IS NULL ORDER BY +id LIMIT 1"
_SAID_LAST = _ROW + (
    "feedback_in_force WHERE substr(prompt_hash, 1, 12) = substr(?2, 1, 12) AND model = ?1 AND +prompt_hash = ?2 "
    "ORDER BY created_at DESC, id DESC LIMIT 1"
)


@dataclass(frozen=True)
class Reading:
    """How the records of a document are read: the first `read_before` of them stand in the part that was read before.

    Where it is `watched`, what is found is remembered, so that at the end it is known what is not there any more. Read
    `apart`, what another document says at the same time is said by this one, too. What was `read_by_earlier_release`
    may have no row of its own, for content was stored once. `document` is what the file stands for, if that is not its
    own path.
    """

    read_before: int = 0
    watched: bool = False
    apart: bool = False
    read_by_earlier_release: bool = False
    document: str = ""


AFRESH = Reading()


class Statements:
    """Adds records to the feedback table, and withdraws those that their file has replaced."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, model: str, records: Sequence[NewFeedback], reading: Reading) -> int:
        """Store the records that are new statements, in their order; returns how many these are."""
        known = self._known(model, records)
        new, pending = 0, list[NewFeedback]()
        for place, record in enumerate(records):
            found = None
            if record.content_hash in known:
                self._insert(model, pending, reading)
                pending = []
                found = self._same(model, record, reading, read_before=place < reading.read_before)
            known.add(record.content_hash)
            if found is None:
                pending.append(record)
                new += 1
                continue
            self._keep_notes(record, found)
            if repeated := self._if_of_another_document(record, found, reading):
                pending.append(repeated)
            else:
                self._see_again(record, found, reading)
        self._insert(model, pending, reading)
        return new

    def begin(self) -> None:
        """Forget what was found in the document that was watched before."""
        self._database.execute(
            "CREATE TEMP TABLE IF NOT EXISTS sightings (id INTEGER PRIMARY KEY, is_new INTEGER NOT NULL)"
        )
        self._database.execute("DELETE FROM sightings")

    def end(self, model: str, file: str, document: str, *, vanished: bool) -> int:
        """Withdraw what the watched document no longer says: what it says anew of the same answer, and with `vanished`
        all that was read from this file; returns how many records these are."""
        cursor = self._database.execute(
            """UPDATE feedback SET withdrawn_at = ?1
               WHERE model = ?2 AND document = ?3 AND withdrawn_at IS NULL AND id NOT IN (SELECT id FROM sightings)
               AND ((?4 AND (file = ?5 OR NOT ?6)) OR EXISTS (
                   SELECT 1 FROM feedback AS successor
                   WHERE substr(successor.prompt_hash, 1, 12) = substr(feedback.prompt_hash, 1, 12)
                   AND successor.model = feedback.model AND successor.prompt_hash = feedback.prompt_hash
                   AND successor.record ->> 'output' IS feedback.record ->> 'output'
                   AND successor.id IN (SELECT id FROM sightings WHERE is_new)
               ))""",
            (self._database.now(), model, document, vanished, file, is_import(file)),
        )
        return cursor.rowcount

    def withdraw_file(self, model: str, file: str, document: str) -> int:
        """Withdraw all that was read from a file that has gone, and forget that it was read; returns how many records
        these are."""
        cursor = self._database.execute(
            """UPDATE feedback SET withdrawn_at = ?1 WHERE model = ?2 AND document = ?3 AND (file = ?4 OR NOT ?5)
               AND withdrawn_at IS NULL""",
            (self._database.now(), model, document, file, is_import(file)),
        )
        self._database.execute("DELETE FROM feedback_files WHERE model = ? AND path = ?", (model, file))
        return cursor.rowcount

    def _known(self, model: str, records: Sequence[NewFeedback]) -> set[str]:
        rows = self._database.rows(
            """SELECT value FROM json_each(?)
               WHERE EXISTS (SELECT 1 FROM feedback WHERE substr(content_hash, 1, 12) = substr(value, 1, 12)
                             AND model = ? AND content_hash = value)""",
            (json.dumps([record.content_hash for record in records]), model),
        )
        return {row[0] for row in rows}

    def _same(self, model: str, record: NewFeedback, reading: Reading, *, read_before: bool) -> Sequence[Any] | None:
        """The row of this very statement, if it is there. One that was withdrawn is deleted: what comes back is
        something new, so that it is noticed."""
        found = self._row_of(model, record, reading, read_before=read_before)
        if found is None or found["withdrawn_at"] is None:
            return found
        self._database.execute("DELETE FROM feedback WHERE id = ?", (found["id"],))
        return None

    def _row_of(self, model: str, record: NewFeedback, reading: Reading, *, read_before: bool) -> sqlite3.Row | None:
        content, document = (model, record.content_hash), _document_of(record, reading)
        if record.dated:
            at = record.created_at.isoformat()
            found = self._database.row(_SAID_THEN, (*content, at, not reading.apart, document))
            if found is None or read_before or found["document"] != document or found["line"] == record.line:
                return found
            last = self._database.row(_SAID_LAST, (model, record.prompt_hash))
            is_said_anew = (
                document and last and last["created_at"] == at and last["content_hash"] != record.content_hash
            )
            return None if is_said_anew else found
        if document:
            found = self._database.row(_IN_DOCUMENT, (*content, document, read_before, record.line))
            if found is None and read_before and reading.read_by_earlier_release:
                found = self._database.row(_ANYWHERE, content)
            if found is not None:
                return found
        last = self._database.row(_SAID_LAST, (model, record.prompt_hash))
        return last if last is not None and last["content_hash"] == record.content_hash else None

    @staticmethod
    def _if_of_another_document(record: NewFeedback, found: Sequence[Any], reading: Reading) -> NewFeedback | None:
        """The record as one that repeats a row of another document; a post repeats nothing, for it is not read again,
        and a time that is named tells by itself that it is the same statement."""
        id_, stands_in = found[:2]
        document = _document_of(record, reading)
        return record._replace(repeats=id_) if document not in ("", stands_in) and not record.dated else None

    def _keep_notes(self, record: NewFeedback, found: Sequence[Any]) -> None:
        if record.notes is not None and record.notes != found[4]:
            self._database.execute(
                "UPDATE feedback SET record = json_set(record, '$.correction_notes', ?) WHERE id = ?",
                (record.notes, found[0]),
            )

    def _see_again(self, record: NewFeedback, found: Sequence[Any], reading: Reading) -> None:
        """Keep where a statement that is there stands now."""
        id_, stands_in, line = found[:3]
        document = _document_of(record, reading)
        if document and stands_in == document and line != record.line:
            self._database.execute("UPDATE feedback SET line = ? WHERE id = ?", (record.line, id_))
        if reading.watched:
            self._database.execute("INSERT OR IGNORE INTO sightings VALUES (?, ?)", (id_, stands_in != document))

    def _insert(self, model: str, records: Sequence[NewFeedback], reading: Reading) -> None:
        if not records:
            return
        received_at, last_id = self._database.now(), self._last_id()
        self._database.execute_many(
            """INSERT INTO feedback (model, content_hash, prompt_hash, output_type, source_id, rating, failure_tags,
                                     record, origin, application, document, file, line, created_at, received_at,
                                     repeats)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            _rows(model, records, reading, received_at),
        )
        if reading.watched:
            self._database.execute("INSERT INTO sightings SELECT id, 1 FROM feedback WHERE id > ?", (last_id,))

    def _last_id(self) -> int:
        row = self._database.row("SELECT coalesce(max(id), 0) FROM feedback")
        return int(row[0]) if row else 0


def _document_of(record: NewFeedback, reading: Reading) -> str:
    return reading.document or origin_of(record.file).document


def _rows(
    model: str, records: Sequence[NewFeedback], reading: Reading, received_at: str
) -> Iterator[tuple[object, ...]]:
    file = created_at = None
    for record in records:
        if record.file is not file:
            file, origin = record.file, origin_of(record.file)
            kind, document = origin.kind.value, reading.document or origin.document
        if record.created_at is not created_at:  # records without a time share that of their file
            created_at = record.created_at
            created = created_at.isoformat()
        yield (
            model, record.content_hash, record.prompt_hash, record.output_type, record.source_id, record.rating,
            _as_json(record.failure_tags) if record.failure_tags else "[]", record.record, kind, record.application,
            document, file, record.line, created, received_at, record.repeats,
        )  # fmt: skip
