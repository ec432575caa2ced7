"""The history: everything that happened, in order, never changed."""

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

    def add(self, kind: str, text: str, *, model: str | None = None, detail: Mapping[str, Any] | None = None) -> None:
        """Append one event."""
        self._database.execute(
            "INSERT INTO events (at, model, kind, text, detail) VALUES (?, ?, ?, ?, ?)",
            (self._database.now(), model, kind, text, json.dumps(detail or {})),
        )

    def latest(self, *, model: str | None = None, limit: int = 50) -> list[Event]:
        """The newest events, newest first; of one model, or of all."""
        rows = self._database.rows(
            "SELECT * FROM events WHERE ?1 IS NULL OR model = ?1 ORDER BY id DESC LIMIT ?2", (model, limit)
        )
        return [Event(**{**dict(row), "detail": json.loads(row["detail"])}) for row in rows]
