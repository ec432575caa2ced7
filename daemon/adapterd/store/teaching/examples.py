"""Synthetic examples: what was made of teachers' answers, what a filter said of each, and what it was made from."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from adapterd.serialization import dumps
from adapterd.store.database import Database


class ExampleState(StrEnum):
    """What became of an example: it teaches, it does not, or a person has to say."""

    KEPT = "kept"
    DROPPED = "dropped"
    UNSURE = "unsure"


@dataclass(frozen=True)
class NewExample:
    """An example: `answer` to `messages`, or, with `rejected`, a pair. `sources` are the texts that it rests on, with
    their names in `source_ids`; `records` the content hashes of the feedback and the ids of the captures that it was
    made from; `filter` and `reason` say what decided its state. `run` names the run or the command that made it."""

    kind: str
    teacher: str
    teacher_model: str
    prompt_hash: str
    messages: Sequence[dict[str, str]]
    answer: str
    state: ExampleState
    rejected: str | None = None
    sources: tuple[str, ...] = ()
    source_ids: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    request_key: str | None = None
    filter: str | None = None
    reason: str | None = None
    run: str | None = None


@dataclass(frozen=True)
class Decision:
    """What a filter, or a person, said of an example, and why. `at` is None for what was said when it was made."""

    state: ExampleState
    filter: str | None
    reason: str | None
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class SyntheticExample(NewExample):
    """An example as it is stored. `decided_at` is when its state was last decided, None if that was when it was made;
    `earlier` is what was decided before, the oldest first."""

    id: int
    created_at: datetime
    decided_at: datetime | None = None
    earlier: tuple[Decision, ...] = ()

    @property
    def decision(self) -> Decision:
        """What is in force."""
        return Decision(self.state, self.filter, self.reason, self.decided_at)


@dataclass(frozen=True)
class Outline:
    """What is known of an example without its texts."""

    kind: str
    teacher: str
    teacher_model: str
    prompt_hash: str
    state: ExampleState
    records: tuple[str, ...]
    request_key: str | None
    filter: str | None


BY_PERSON = "person"
"""Stands in place of a filter where a person decided."""
FORM = "form"
"""Stands there where the answer had not the form that was asked for: the messages are those of the teacher."""
JUDGE, UNJUDGED = "judge", "unjudged"
"""Stand there where a judge decided, and where it was not asked yet or did not answer: such an example is unsure."""
_COLUMNS = (
    "kind", "teacher", "teacher_model", "prompt_hash", "messages", "answer", "state", "rejected", "sources",
    "source_ids", "records", "request_key", "filter", "reason", "run",
)  # fmt: skip
_AS_JSON = ("messages", "sources", "source_ids", "records")
_TAKEN_BACK = """
    EXISTS (SELECT 1 FROM removed_statements r, json_each(:records) e WHERE r.model = :model AND r.hash = e.value)
    OR :request_key IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM teacher_requests t WHERE t.model = :model AND t.key = :request_key)
    OR EXISTS (SELECT 1 FROM removed_statements r WHERE r.model = :model AND r.hash = :prompt_hash)
       AND NOT EXISTS (SELECT 1 FROM feedback f WHERE substr(f.prompt_hash, 1, 12) = substr(:prompt_hash, 1, 12)
                       AND f.model = :model AND +f.prompt_hash = :prompt_hash)
"""
"""Whether what an example was made from has gone: one of its records, the request that it came of, or its prompt, which
nobody else asked."""


class SyntheticExamples:
    """The synthetic_examples table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, model: str, new: NewExample) -> int | None:
        """Keep an example; returns its id, or None where what it was made from was taken back meanwhile."""
        values = {name: getattr(new, name) for name in _COLUMNS}
        values |= {name: json.dumps(list(values[name]), ensure_ascii=False) for name in _AS_JSON}
        cursor = self._database.execute(
            f"""INSERT INTO synthetic_examples (model, created_at, {", ".join(_COLUMNS)})
                SELECT :model, :now, {", ".join(f":{name}" for name in _COLUMNS)} WHERE NOT ({_TAKEN_BACK})""",
            values | {"model": model, "now": self._database.now()},
        )
        return cursor.lastrowid if cursor.rowcount > 0 else None

    def decide(self, model: str, example: int, state: ExampleState, decided_by: str, reason: str | None) -> bool:
        """Note what a filter, or a person, says of an example later; returns whether it is there."""
        found = self.get(model, example)
        if found is None:
            return False
        self._set(found, Decision(state, decided_by, reason, self._database.clock()), (*found.earlier, found.decision))
        return True

    def undo(self, example: SyntheticExample) -> None:
        """Take the last decision on an example back; raises IndexError where nothing was decided since it was made."""
        self._set(example, example.earlier[-1], example.earlier[:-1])

    def _set(self, example: SyntheticExample, now: Decision, earlier: Sequence[Decision]) -> None:
        at = now.at.astimezone(UTC).isoformat(timespec="milliseconds") if now.at else None
        self._database.execute(
            "UPDATE synthetic_examples SET state = ?, filter = ?, reason = ?, decided_at = ?, earlier = ? WHERE id = ?",
            (now.state, now.filter, now.reason, at, dumps(list(earlier)), example.id),
        )

    def last_decided(self, model: str, decided_by: str) -> SyntheticExample | None:
        """The example that was decided on last, if this decided it."""
        row = self._database.row(
            """SELECT * FROM synthetic_examples WHERE model = ? AND filter = ? AND decided_at IS NOT NULL
               ORDER BY decided_at DESC, id DESC LIMIT 1""",
            (model, decided_by),
        )
        return _example(dict(row)) if row else None

    def next_in(self, model: str, state: ExampleState, after: int = 0) -> SyntheticExample | None:
        """The oldest of a state with a higher id than `after`."""
        row = self._database.row(
            """SELECT * FROM synthetic_examples
               WHERE id = (SELECT min(id) FROM synthetic_examples WHERE model = ? AND state = ? AND id > ?)""",
            (model, state, after),
        )
        return _example(dict(row)) if row else None

    def unjudged(self, model: str) -> list[SyntheticExample]:
        """Those that wait for a judge, the oldest first."""
        rows = self._database.rows(
            "SELECT * FROM synthetic_examples WHERE model = ? AND state = ? AND filter = ? ORDER BY id",
            (model, ExampleState.UNSURE, UNJUDGED),
        )
        return [_example(dict(row)) for row in rows]

    def newest(self, model: str) -> SyntheticExample | None:
        """The one that was made last."""
        row = self._database.row(
            "SELECT * FROM synthetic_examples WHERE id = (SELECT max(id) FROM synthetic_examples WHERE model = ?)",
            (model,),
        )
        return _example(dict(row)) if row else None

    def all(self, model: str, state: ExampleState | None = None) -> list[SyntheticExample]:
        """Every example, or those of a state, the oldest first."""
        rows = self._database.rows(
            "SELECT * FROM synthetic_examples WHERE model = ?1 AND (?2 IS NULL OR state = ?2) ORDER BY id",
            (model, state),
        )
        return [_example(dict(row)) for row in rows]

    def outlines(self, model: str) -> list[Outline]:
        """All without their texts, the oldest first: of many examples they are read in a fraction of the time."""
        names = [each.name for each in fields(Outline)]
        rows = self._database.rows(
            f"SELECT {', '.join(names)} FROM synthetic_examples WHERE model = ? ORDER BY id",  # noqa: S608 - names of ours
            (model,),
        )
        return [
            Outline(**{**dict(row), "state": ExampleState(row["state"]), "records": tuple(json.loads(row["records"]))})
            for row in rows
        ]

    def ids(self, model: str, state: ExampleState) -> list[int]:
        """Those of all that are in a state, the oldest first."""
        rows = self._database.rows(
            "SELECT id FROM synthetic_examples WHERE model = ? AND state = ? ORDER BY id", (model, state)
        )
        return [row["id"] for row in rows]

    def newest_kept(self, model: str) -> datetime | None:
        """When the newest that is kept was made; None where none is."""
        row = self._database.row(
            "SELECT max(created_at) FROM synthetic_examples WHERE model = ? AND state = ?", (model, ExampleState.KEPT)
        )
        return datetime.fromisoformat(row[0]) if row and row[0] else None

    def ever_kept(self, model: str) -> list[SyntheticExample]:
        """Those that a training may have had: all that are kept, and those that a person looked at."""
        rows = self._database.rows(
            "SELECT * FROM synthetic_examples WHERE model = ? AND (state = ? OR filter = ?) ORDER BY id",
            (model, ExampleState.KEPT, BY_PERSON),
        )
        return [_example(dict(row)) for row in rows]

    def get(self, model: str, example: int) -> SyntheticExample | None:
        """One by its id."""
        row = self._database.row("SELECT * FROM synthetic_examples WHERE model = ? AND id = ?", (model, example))
        return _example(dict(row)) if row else None

    def counts(self, model: str) -> dict[tuple[str, str, ExampleState], int]:
        """How many there are of each kind, teacher and state."""
        rows = self._database.rows(
            "SELECT kind, teacher, state, count(*) AS n FROM synthetic_examples WHERE model = ? GROUP BY 1, 2, 3",
            (model,),
        )
        return {(row["kind"], row["teacher"], ExampleState(row["state"])): row["n"] for row in rows}

    def filtered(self, model: str, run: str | None = None) -> dict[tuple[ExampleState, str | None], int]:
        """How many each filter decided on, by what it said; of one run, if one is named."""
        rows = self._database.rows(
            """SELECT state, filter, count(*) AS n FROM synthetic_examples
               WHERE model = ?1 AND (?2 IS NULL OR run = ?2) GROUP BY 1, 2""",
            (model, run),
        )
        return {(ExampleState(row["state"]), row["filter"]): row["n"] for row in rows}

    def forget(self, model: str, examples: Iterable[int]) -> int:
        """Delete these; returns how many there were."""
        return self._database.execute(
            "DELETE FROM synthetic_examples WHERE model = ? AND id IN (SELECT value FROM json_each(?))",
            (model, json.dumps(list(examples))),
        ).rowcount


def _example(row: dict[str, Any]) -> SyntheticExample:
    row.pop("model")
    row["messages"] = json.loads(row["messages"])
    row |= {name: tuple(json.loads(row[name])) for name in ("sources", "source_ids", "records")}
    return SyntheticExample(
        **{
            **row,
            "state": ExampleState(row["state"]),
            "created_at": datetime.fromisoformat(row["created_at"]),
            "decided_at": _moment(row["decided_at"]),
            "earlier": tuple(map(_decision, json.loads(row["earlier"]))),
        }
    )


def _decision(plain: dict[str, Any]) -> Decision:
    return Decision(ExampleState(plain["state"]), plain["filter"], plain["reason"], _moment(plain["at"]))


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
