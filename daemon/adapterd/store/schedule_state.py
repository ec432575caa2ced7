"""What comes next: when each model is due, why a run that is due does not begin, and what is paused."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from adapterd.store.database import Database

ALL = ""
"""In the place of a model's name: every model."""


@dataclass(frozen=True)
class Outlook:
    """What the daemon said last of a model.

    `scheduled_at` is the next time of its schedule. `due` says why a run is due and did not begin, since `due_since`;
    `why_not` what it waits for. `base_drift` is what the base's own tag names now, if that is not the pinned digest.
    """

    scheduled_at: datetime | None = None
    due: str | None = None
    due_since: datetime | None = None
    why_not: str | None = None
    base_drift: str | None = None


@dataclass(frozen=True)
class Pause:
    """Nothing begins by itself for this model (None: for any) until somebody says `resume`."""

    model: str | None
    reason: str
    since: datetime


class Agenda:
    """The outlooks and pauses tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def outlook(self, model: str) -> Outlook:
        """What the daemon said last; an empty one if it never looked."""
        row = self._database.row("SELECT * FROM outlooks WHERE model = ?", (model,))
        if row is None:
            return Outlook()
        return Outlook(
            scheduled_at=_moment(row["scheduled_at"]),
            due=row["due"],
            due_since=_moment(row["due_since"]),
            why_not=row["why_not"],
            base_drift=row["base_drift"],
        )

    def set_outlook(self, model: str, outlook: Outlook) -> None:
        """Replace what was said before."""
        self._database.execute(
            "INSERT OR REPLACE INTO outlooks VALUES (?, ?, ?, ?, ?, ?)",
            (
                model,
                outlook.scheduled_at.isoformat() if outlook.scheduled_at else None,
                outlook.due,
                outlook.due_since.isoformat() if outlook.due_since else None,
                outlook.why_not,
                outlook.base_drift,
            ),
        )

    def update(self, model: str, **changes: object) -> None:
        """Change some of what was said, in one step; nothing is written where nothing changes."""
        if _with(self.outlook(model), changes) == self.outlook(model):
            return
        with self._database.transaction():
            self.set_outlook(model, _with(self.outlook(model), changes))

    def pause(self, model: str | None, reason: str) -> None:
        """Let nothing begin by itself; pausing again changes the reason only."""
        self._database.execute(
            """INSERT INTO pauses (model, reason, since) VALUES (?, ?, ?)
               ON CONFLICT (model) DO UPDATE SET reason = excluded.reason""",
            (model or ALL, reason, self._database.now()),
        )

    def resume(self, model: str | None) -> bool:
        """Take a pause back; returns whether there was one."""
        return self._database.execute("DELETE FROM pauses WHERE model = ?", (model or ALL,)).rowcount > 0

    def paused(self, model: str) -> Pause | None:
        """The pause that holds for the model, its own before the one of all."""
        row = self._database.row("SELECT * FROM pauses WHERE model IN (?, ?) ORDER BY model DESC LIMIT 1", (model, ALL))
        return _pause(row) if row else None


def _with(outlook: Outlook, changes: Mapping[str, object]) -> Outlook:
    return replace(outlook, **changes)  # type: ignore[arg-type]


def _pause(row: Any) -> Pause:
    return Pause(row["model"] or None, row["reason"], datetime.fromisoformat(row["since"]))


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
