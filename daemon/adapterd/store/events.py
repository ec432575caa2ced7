"""The history: everything that happened, in order. A line of counts grows until its day is over; no other changes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapterd.store.database import Database


@dataclass(frozen=True)
class Event:
    """One thing that happened; `kind` is dotted (`run.started`), `text` a sentence, `detail` plain values."""

    id: int
    at: str
    model: str | None
    kind: str
    text: str
    detail: dict[str, Any]


class Events:
    """The events table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, kind: str, text: str, *, model: str | None = None, detail: Mapping[str, Any] | None = None) -> int:
        """Append one event; returns its id."""
        added = self._database.execute(
            "INSERT INTO events (at, model, kind, text, detail) VALUES (?, ?, ?, ?, ?)",
            (self._database.now(), model, kind, text, json.dumps(detail or {})),
        )
        return int(added.lastrowid or 0)

    def last(self, kind: str, model: str) -> Event | None:
        """The newest event of this kind about the model."""
        row = self._database.row(
            "SELECT * FROM events WHERE model = ? AND kind = ? ORDER BY id DESC LIMIT 1", (model, kind)
        )
        return Event(**{**dict(row), "detail": json.loads(row["detail"])}) if row else None

    def change(self, event_id: int, text: str, detail: Mapping[str, Any]) -> None:
        """Put another text and detail in place of those of an event that counts."""
        self._database.execute(
            "UPDATE events SET text = ?, detail = ? WHERE id = ?", (text, json.dumps(detail), event_id)
        )

    def latest(self, *, model: str | None = None, limit: int = 50) -> list[Event]:
        """The newest events, newest first; of one model, or of all."""
        rows = self._database.rows(
            "SELECT * FROM events WHERE ?1 IS NULL OR model = ?1 ORDER BY id DESC LIMIT ?2", (model, limit)
        )
        return [Event(**{**dict(row), "detail": json.loads(row["detail"])}) for row in rows]

    def details(self, kind: str) -> list[dict[str, Any]]:
        """The details of all events of a kind, oldest first."""
        rows = self._database.rows("SELECT detail FROM events WHERE kind = ? ORDER BY id", (kind,))
        return [json.loads(row["detail"]) for row in rows]
