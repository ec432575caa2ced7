"""Runs and their stages: the journal from which an interrupted run goes on."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from adapterd.store.database import Database


class RunState(StrEnum):
    """Where a run stands. RUNNING without a live process means it was interrupted and can be continued."""

    RUNNING = "running"
    FAILED = "failed"
    PROMOTED = "promoted"
    HELD = "held"
    ABANDONED = "abandoned"

    @property
    def open(self) -> bool:
        """Whether the run can still be continued."""
        return self in (RunState.RUNNING, RunState.FAILED)


class StageState(StrEnum):
    """Where a stage stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Run:
    """One passage of the pipeline for one model; `fingerprint` tells which settings and base it was planned with.

    `adapter_source` is the folder of the adapter that it registers, None for a run that trains one. `attempts` counts
    transient failures; at `retry_at` the daemon tries again. `cancelled` is why somebody asked it to end.
    `training_job` is the id of its training at the `training_provider`, while it has one there; before that one,
    `training_jobs_ended` were given up.
    """

    id: str
    model: str
    state: RunState
    reason: str
    fingerprint: str
    last_feedback_id: int
    version: str | None
    error: str | None
    hint: str | None
    created_at: datetime
    finished_at: datetime | None
    adapter_source: str | None = None
    attempts: int = 0
    retry_at: datetime | None = None
    cancelled: str | None = None
    training_provider: str | None = None
    training_job: str | None = None
    training_jobs_ended: int = 0


@dataclass(frozen=True)
class StageRow:
    """One stage of a run; `key` is the hash of everything it was given, `result` what it gave back."""

    name: str
    state: StageState
    key: str
    result: dict[str, Any] | None
    progress: dict[str, Any] | None
    error: str | None
    started_at: datetime
    finished_at: datetime | None

    @property
    def seconds(self) -> float:
        """How long the stage took, 0 while it is not finished."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else 0.0


class Runs:
    """The runs, stages and run_requests tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(
        self,
        run_id: str,
        model: str,
        *,
        reason: str,
        fingerprint: str,
        last_feedback_id: int,
        adapter_source: str | None = None,
    ) -> Run:
        """Open a new run."""
        self._database.execute(
            """INSERT INTO runs (id, model, state, reason, fingerprint, last_feedback_id, adapter_source, created_at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
            (
                run_id, model, RunState.RUNNING, reason, fingerprint, last_feedback_id, adapter_source,
                self._database.now(),
            ),
        )  # fmt: skip
        return self.get(run_id)

    def get(self, run_id: str) -> Run:
        """The run of that id; raises KeyError when there is none."""
        row = self._database.row("SELECT * FROM runs WHERE id = ?", (run_id,))
        if row is None:
            raise KeyError(run_id)
        return _run(row)

    def latest(self, model: str) -> Run | None:
        """The model's newest run."""
        return next(iter(self.newest(model, 1)), None)

    def newest(self, model: str, count: int) -> list[Run]:
        """The model's newest runs, at most `count`, the newest first."""
        rows = self._database.rows(
            "SELECT * FROM runs WHERE model = ? ORDER BY created_at DESC, id DESC LIMIT ?", (model, count)
        )
        return [_run(row) for row in rows]

    def any_running(self) -> bool:
        """Whether any model has a run that goes on, or was interrupted."""
        return self._database.row("SELECT 1 FROM runs WHERE state = ? LIMIT 1", (RunState.RUNNING,)) is not None

    def set_state(self, run_id: str, state: RunState, *, error: str | None = None, hint: str | None = None) -> None:
        """Move a run on; reaching any state but RUNNING notes the time."""
        finished = None if state is RunState.RUNNING else self._database.now()
        self._database.execute(
            "UPDATE runs SET state = ?, error = ?, hint = ?, finished_at = ?, retry_at = NULL WHERE id = ?",
            (state, error, hint, finished, run_id),
        )

    def set_version(self, run_id: str, version: str) -> None:
        """Remember which version the run makes."""
        self._database.execute("UPDATE runs SET version = ? WHERE id = ?", (version, run_id))

    def set_training_job(self, run_id: str, provider: str, job_id: str) -> None:
        """Remember the job at a training provider that the run waits for."""
        self._database.execute(
            "UPDATE runs SET training_provider = ?, training_job = ? WHERE id = ?", (provider, job_id, run_id)
        )

    def end_training_job(self, run_id: str) -> None:
        """Forget the job that the run waits for, and count it: the next one is another job."""
        self._database.execute(
            """UPDATE runs SET training_provider = NULL, training_job = NULL,
               training_jobs_ended = training_jobs_ended + 1 WHERE id = ?""",
            (run_id,),
        )

    def newest_feedback_of(self, run_ids: Iterable[str]) -> int:
        """The id of the newest feedback that any of these runs took, 0 where none of them is known."""
        row = self._database.row(
            "SELECT max(last_feedback_id) FROM runs WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps([*run_ids]),),
        )
        return int(row[0] or 0) if row else 0

    def last_learned_id(self, model: str) -> int:
        """The newest feedback id that a finished training has taken into account, 0 if none has."""
        row = self._database.row(
            "SELECT max(last_feedback_id) FROM runs WHERE model = ? AND state IN (?, ?) AND adapter_source IS NULL",
            (model, RunState.PROMOTED, RunState.HELD),
        )
        return int(row[0] or 0) if row else 0

    def last_result(self, model: str, stage: str) -> dict[str, Any] | None:
        """What the newest run in which a stage was done got from it."""
        row = self._database.row(
            """SELECT result FROM stages JOIN runs ON runs.id = stages.run_id
               WHERE runs.model = ? AND stages.name = ? AND stages.state = ? AND result IS NOT NULL
               ORDER BY runs.created_at DESC, runs.id DESC LIMIT 1""",
            (model, stage, StageState.DONE),
        )
        return dict(json.loads(row["result"])) if row else None

    def last_taught_id(self, model: str, stage: str) -> int | None:
        """The newest feedback id of the runs in which a stage was done, also of those that were given up; None if there
        are none."""
        row = self._database.row(
            """SELECT max(runs.last_feedback_id) FROM stages JOIN runs ON runs.id = stages.run_id
               WHERE runs.model = ? AND stages.name = ? AND stages.state = ?""",
            (model, stage, StageState.DONE),
        )
        return None if row is None or row[0] is None else int(row[0])

    def start_stage(self, run_id: str, name: str, key: str) -> None:
        """Note that a stage begins, forgetting an earlier attempt at it."""
        self._database.execute(
            "INSERT OR REPLACE INTO stages (run_id, name, state, key, started_at) VALUES (?, ?, ?, ?, ?)",
            (run_id, name, StageState.RUNNING, key, self._database.now()),
        )

    def report_stage(self, run_id: str, name: str, progress: dict[str, Any]) -> None:
        """Overwrite what a running stage last said of its progress."""
        self._database.execute(
            "UPDATE stages SET progress = ? WHERE run_id = ? AND name = ?", (json.dumps(progress), run_id, name)
        )

    def finish_stage(
        self, run_id: str, name: str, *, result: dict[str, Any] | None = None, error: str | None = None
    ) -> None:
        """Close a stage with its result, or with the error that stopped it."""
        state = StageState.FAILED if result is None else StageState.DONE
        self._database.execute(
            "UPDATE stages SET state = ?, result = ?, error = ?, finished_at = ? WHERE run_id = ? AND name = ?",
            (state, None if result is None else json.dumps(result), error, self._database.now(), run_id, name),
        )

    def stages(self, run_id: str) -> list[StageRow]:
        """The run's stages in the order in which they began."""
        rows = self._database.rows("SELECT * FROM stages WHERE run_id = ? ORDER BY started_at, rowid", (run_id,))
        return [
            StageRow(
                name=row["name"],
                state=StageState(row["state"]),
                key=row["key"],
                result=json.loads(row["result"]) if row["result"] else None,
                progress=json.loads(row["progress"]) if row["progress"] else None,
                error=row["error"],
                started_at=datetime.fromisoformat(row["started_at"]),
                finished_at=datetime.fromisoformat(row["finished_at"]) if row["finished_at"] else None,
            )
            for row in rows
        ]

    def request(self, model: str, reason: str) -> int:
        """Ask the daemon for a run; returns the request's id. A request that still waits is not made twice."""
        with self._database.transaction():
            row = self._database.row(
                "SELECT id FROM run_requests WHERE model = ? AND run_id IS NULL AND error IS NULL", (model,)
            )
            if row:
                return int(row["id"])
            cursor = self._database.execute(
                "INSERT INTO run_requests (model, reason, created_at) VALUES (?, ?, ?)",
                (model, reason, self._database.now()),
            )
            return int(cursor.lastrowid or 0)

    def waiting_requests(self) -> list[tuple[int, str, str]]:
        """Requests that nothing answers yet: (id, model, reason), oldest first."""
        rows = self._database.rows(
            "SELECT id, model, reason FROM run_requests WHERE run_id IS NULL AND error IS NULL ORDER BY id"
        )
        return [(row["id"], row["model"], row["reason"]) for row in rows]

    def answer_request(self, request_id: int, *, run_id: str | None = None, error: str | None = None) -> None:
        """Note which run a request led to, or why none began; a run that began and failed says so itself."""
        self._database.execute(
            "UPDATE run_requests SET run_id = coalesce(run_id, ?), error = ? WHERE id = ?", (run_id, error, request_id)
        )

    def request_answer(self, request_id: int) -> tuple[str | None, str | None]:
        """(run id, error) of a request; both are None while it waits."""
        row = self._database.row("SELECT run_id, error FROM run_requests WHERE id = ?", (request_id,))
        return (row["run_id"], row["error"]) if row else (None, None)

    def retry_later(self, run_id: str, at: datetime) -> None:
        """Count a failure that may pass by itself, and try again at that time."""
        self._database.execute(
            "UPDATE runs SET attempts = attempts + 1, retry_at = ? WHERE id = ?", (at.isoformat(), run_id)
        )

    def reset_attempts(self, run_id: str) -> None:
        """Count failures from 0 again: a stage succeeded since."""
        self._database.execute("UPDATE runs SET attempts = 0 WHERE id = ? AND attempts > 0", (run_id,))

    def request_cancel(self, run_id: str, reason: str) -> None:
        """Ask whichever process works on the run to end it; the stage in progress sees that within a second."""
        self._database.execute("UPDATE runs SET cancelled = ? WHERE id = ?", (reason, run_id))

    def cancel_reason(self, run_id: str) -> str | None:
        """Why the run is to be cancelled, None if it is not."""
        row = self._database.row("SELECT cancelled FROM runs WHERE id = ?", (run_id,))
        return row["cancelled"] if row else None


def _run(row: Any) -> Run:
    values = dict(row)
    values["state"] = RunState(values["state"])
    for name in ("created_at", "finished_at", "retry_at"):
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    return Run(**values)
