"""Versions and what is live: which tag should point where, and changes that were begun."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from adapterd.store.database import Database

PROMOTE, ROLLBACK = "promote", "rollback"
"""By which a version goes live, and what was live before does."""
REBASE, REPIN = "rebase", "repin"
BASE_CHANGES = (REBASE, REPIN)
"""Changes of the base: by hand, and after a pull of the base's own tag."""


class VersionState(StrEnum):
    """What became of a version. Whether it is live or previous is said by the deployment.

    One that is `waiting` may become challenger; the `challenger` is compared with live on fresh cases, until it is
    promoted or `dropped`.
    """

    CANDIDATE = "candidate"
    WAITING = "waiting"
    CHALLENGER = "challenger"
    DROPPED = "dropped"
    HELD = "held"
    PROMOTED = "promoted"
    WITHDRAWN = "withdrawn"
    COLLECTED = "collected"


@dataclass(frozen=True)
class Version:
    """One registered version; `digest` is that of its tag, `base_digest` that of the base's file, `reason` says why it
    is in its state. One that is `pinned` is never collected; `label` is what a person calls it."""

    model: str
    version: str
    run_id: str
    digest: str
    base_digest: str
    state: VersionState
    reason: str
    metrics: dict[str, Any]
    created_at: datetime
    pinned: bool = False
    label: str | None = None


@dataclass(frozen=True)
class Deployment:
    """What the model's `latest` and `previous` tags point to (a version's name, or `base`), and by which action."""

    model: str
    action: str
    live: str
    live_digest: str
    previous: str | None
    previous_digest: str | None
    since: datetime


@dataclass(frozen=True)
class Intent:
    """A change of tags that was begun: `action` is promote or rollback, `target` becomes live. Changes of the base are
    told of at `begun_base_changes`."""

    id: int
    model: str
    action: str
    target: str
    withdrawn: str


class Versions:
    """The versions, deployments and intents tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, model: str, version: str, *, run_id: str, digest: str, base_digest: str) -> None:
        """Note a registered candidate; registering the same version again replaces it."""
        self._database.execute(
            """INSERT OR REPLACE INTO versions
               (model, version, run_id, digest, base_digest, state, reason, metrics, created_at)
               VALUES (?, ?, ?, ?, ?, ?, '', '{}', ?)""",
            (model, version, run_id, digest, base_digest, VersionState.CANDIDATE, self._database.now()),
        )

    def set_state(
        self, model: str, version: str, state: VersionState, reason: str, metrics: Mapping[str, Any] | None = None
    ) -> None:
        """Say what became of a version and why; metrics are replaced if given."""
        self._database.execute(
            """UPDATE versions SET state = ?, reason = ?, metrics = coalesce(?, metrics)
               WHERE model = ? AND version = ?""",
            (state, reason, None if metrics is None else json.dumps(metrics), model, version),
        )

    def set_metrics(self, model: str, version: str, metrics: Mapping[str, Any]) -> None:
        """Replace what was measured of a version; its state stays."""
        self._database.execute(
            "UPDATE versions SET metrics = ? WHERE model = ? AND version = ?", (json.dumps(metrics), model, version)
        )

    def pin(self, model: str, version: str, *, pinned: bool) -> None:
        """Have a version kept whatever its age, or no longer."""
        self._database.execute(
            "UPDATE versions SET pinned = ? WHERE model = ? AND version = ?", (pinned, model, version)
        )

    def set_label(self, model: str, version: str, label: str | None) -> None:
        """Replace what a person calls a version; None takes it away."""
        self._database.execute("UPDATE versions SET label = ? WHERE model = ? AND version = ?", (label, model, version))

    def get(self, model: str, version: str) -> Version | None:
        """The version, if it exists."""
        row = self._database.row("SELECT * FROM versions WHERE model = ? AND version = ?", (model, version))
        return _version(row) if row else None

    def all(self, model: str) -> list[Version]:
        """Every version of the model in the order of their creation, whatever the clock said then."""
        rows = self._database.rows("SELECT * FROM versions WHERE model = ? ORDER BY rowid", (model,))
        return [_version(row) for row in rows]

    def deployment(self, model: str) -> Deployment | None:
        """What is live now, if anything was ever deployed."""
        row = self._database.row(f"{_DEPLOYMENTS} ORDER BY id DESC LIMIT 1", (model,))
        return _deployment(row) if row else None

    def deployments(self, model: str) -> list[Deployment]:
        """Everything that was ever live, oldest first."""
        return [_deployment(row) for row in self._database.rows(f"{_DEPLOYMENTS} ORDER BY id", (model,))]

    def deploy(
        self,
        model: str,
        action: str,
        *,
        live: str,
        live_digest: str,
        previous: str | None = None,
        previous_digest: str | None = None,
    ) -> None:
        """Record what the tags now point to."""
        self._database.execute(
            """INSERT INTO deployments (model, action, live, live_digest, previous, previous_digest, since)
               VALUES (?, ?, ?, ?, ?, ?, ?)""",
            (model, action, live, live_digest, previous, previous_digest, self._database.now()),
        )

    def rename_base(self, model: str, name: str, other: str) -> None:
        """Have all that is recorded of one base under this name under another name from now on."""
        values = (other, model, name)
        self._database.execute("UPDATE deployments SET live = ? WHERE model = ? AND live = ?", values)
        self._database.execute("UPDATE deployments SET previous = ? WHERE model = ? AND previous = ?", values)

    def begin_intent(self, model: str, action: str, target: str, withdrawn: str = "") -> int:
        """Write down a change of tags before it is begun; returns its id."""
        cursor = self._database.execute(
            "INSERT INTO intents (model, action, target, withdrawn, state, created_at) VALUES (?, ?, ?, ?, 'begun', ?)",
            (model, action, target, withdrawn, self._database.now()),
        )
        return int(cursor.lastrowid or 0)

    def finish_intent(self, intent_id: int, state: str = "done") -> None:
        """Note that a change is finished (`done`) or was given up (`undone`)."""
        self._database.execute(
            "UPDATE intents SET state = ?, finished_at = ? WHERE id = ?", (state, self._database.now(), intent_id)
        )

    def begun_intents(self, model: str) -> list[Intent]:
        """Changes of what is live that were begun and never finished, oldest first."""
        return [intent for intent in self._begun(model) if intent.action not in BASE_CHANGES]

    def begun_base_changes(self, model: str) -> list[Intent]:
        """The same of changes of the base; their target is the digest of the new base's file, and `withdrawn` the name
        of the one that it replaces."""
        return [intent for intent in self._begun(model) if intent.action in BASE_CHANGES]

    def changed_base(self, model: str) -> str | None:
        """The digest of the file of the base in use, where another one was in use before."""
        row = self._database.row(
            """SELECT target FROM intents WHERE model = ? AND state = 'done' AND action IN (?, ?)
               ORDER BY id DESC LIMIT 1""",
            (model, *BASE_CHANGES),
        )
        return str(row["target"]) if row else None

    def _begun(self, model: str) -> list[Intent]:
        rows = self._database.rows(
            "SELECT id, model, action, target, withdrawn FROM intents WHERE model = ? AND state = 'begun' ORDER BY id",
            (model,),
        )
        return [Intent(**dict(row)) for row in rows]


_DEPLOYMENTS = """SELECT model, action, live, live_digest, previous, previous_digest, since
                  FROM deployments WHERE model = ?"""


def _deployment(row: Any) -> Deployment:
    return Deployment(**{**dict(row), "since": datetime.fromisoformat(row["since"])})


def _version(row: Any) -> Version:
    values = dict(row)
    values["state"] = VersionState(values["state"])
    values["metrics"] = json.loads(values["metrics"])
    values["created_at"] = datetime.fromisoformat(values["created_at"])
    values["pinned"] = bool(values["pinned"])
    return Version(**values)
