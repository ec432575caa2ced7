"""Why a run is due, since when, what keeps it from starting, and which models are paused."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from adapterd.store.database import Database

ALL = ""
"""In the place of a model's name: every model."""


class DueReason(StrEnum):
    """Why a run is due that nobody asked for."""

    NEW_FEEDBACK = "new_feedback"
    FRESH_CASES = "fresh_cases"
    INTERRUPTED = "interrupted"
    RETRY = "retry"
    BASE_CHANGED = "base_changed"


@dataclass(frozen=True)
class ScheduleState:
    """What the daemon last decided about a model.

    `scheduled_at` is the next time of its schedule. A run is due since `due_since` where there is a `due_reason`;
    `due_text` says the same to people. `blocked_by` is what a run that is due waits for, or why none became due.
    `base_drift` is what the base's own tag names now, if that is not the pinned digest.
    """

    scheduled_at: datetime | None = None
    due_reason: DueReason | None = None
    due_text: str | None = None
    due_since: datetime | None = None
    blocked_by: str | None = None
    base_drift: str | None = None


@dataclass(frozen=True)
class Pause:
    """Nothing begins by itself for this model (None: for any) until somebody says `resume`."""

    model: str | None
    reason: str
    since: datetime


class ScheduleStates:
    """The schedule_states and pauses tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, model: str) -> ScheduleState:
        """What the daemon last decided; an empty state if it never did."""
        row = self._database.row("SELECT * FROM schedule_states WHERE model = ?", (model,))
        if row is None:
            return ScheduleState()
        return ScheduleState(
            scheduled_at=_moment(row["scheduled_at"]),
            due_reason=DueReason(row["due_reason"]) if row["due_reason"] else None,
            due_text=row["due_text"],
            due_since=_moment(row["due_since"]),
            blocked_by=row["blocked_by"],
            base_drift=row["base_drift"],
        )

    def replace(self, model: str, state: ScheduleState) -> None:
        """Write a state in the place of the one before."""
        self._database.execute(
            """INSERT OR REPLACE INTO schedule_states
               (model, scheduled_at, due_reason, due_text, due_since, blocked_by, base_drift)
               VALUES (?, ?, ?, ?, ?, ?, ?)""",
            (
                model,
                state.scheduled_at.isoformat() if state.scheduled_at else None,
                state.due_reason,
                state.due_text,
                state.due_since.isoformat() if state.due_since else None,
                state.blocked_by,
                state.base_drift,
            ),
        )

    def update(self, model: str, **changes: object) -> None:
        """Change some fields of the state, in one step; nothing is written where nothing changes."""
        if _with(self.get(model), changes) == self.get(model):
            return
        with self._database.transaction():
            self.replace(model, _with(self.get(model), changes))

    def not_due(self, model: str, *, blocked_by: str | None = None) -> None:
        """No run of the model is due any more; `blocked_by` says why not, if there is more to say."""
        self.update(model, due_reason=None, due_text=None, due_since=None, blocked_by=blocked_by)

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


def _with(state: ScheduleState, changes: Mapping[str, object]) -> ScheduleState:
    return replace(state, **changes)  # type: ignore[arg-type]


def _pause(row: Any) -> Pause:
    return Pause(row["model"] or None, row["reason"], datetime.fromisoformat(row["since"]))


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
