"""Key facts of frozen cases, and what people marked in versions' answers by them."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from adapterd.store.database import Database

Facts = tuple[str, ...]


def facts_hash(facts: Sequence[str]) -> str:
    """The identity of a list of facts."""
    return hashlib.sha256(json.dumps(list(facts)).encode()).hexdigest()


@dataclass(frozen=True)
class Mark:
    """What somebody said of an answer to a case, each named by its hash: which of the `total` facts it has, by their
    places, and whether it is on topic. `facts` is the hash of those facts; a row has no text."""

    case: str
    answer: str
    facts: str
    total: int
    ticked: tuple[int, ...]
    on_topic: bool


class Rubrics:
    """The case_facts and rubric_marks tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def facts(self, model: str) -> dict[str, Facts]:
        """The facts of every case that has some kept, by the case's hash."""
        rows = self._database.rows('SELECT "case", facts FROM case_facts WHERE model = ?', (model,))
        return {row["case"]: tuple(json.loads(row["facts"])) for row in rows}

    def put_facts(self, model: str, case: str, facts: Sequence[str]) -> None:
        """Keep the facts of a case, in the place of earlier ones."""
        self._database.execute(
            "INSERT OR REPLACE INTO case_facts VALUES (?, ?, ?, ?)",
            (model, case, json.dumps(list(facts), ensure_ascii=False), self._database.now()),
        )

    def marks(self, model: str) -> list[Mark]:
        """Every mark, the oldest first."""
        rows = self._database.rows("SELECT * FROM rubric_marks WHERE model = ? ORDER BY id", (model,))
        return [_mark(dict(row)) for row in rows]

    def mark(self, model: str, mark: Mark) -> None:
        """Keep a mark, in the place of an earlier one on the same answer."""
        self._database.execute(
            """INSERT OR REPLACE INTO rubric_marks (model, "case", answer, facts, total, ticked, on_topic, marked_at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
            (
                model, mark.case, mark.answer, mark.facts, mark.total, json.dumps(mark.ticked), mark.on_topic,
                self._database.now(),
            ),
        )  # fmt: skip

    def forget_mark(self, model: str, mark: Mark) -> None:
        """Delete a mark."""
        self._database.execute(
            'DELETE FROM rubric_marks WHERE model = ? AND "case" = ? AND answer = ?', (model, mark.case, mark.answer)
        )

    def cases(self, model: str) -> set[str]:
        """The hashes of all cases of which anything is kept."""
        return {*self.facts(model), *(each.case for each in self.marks(model))}

    def forget(self, model: str, cases: Iterable[str]) -> None:
        """Delete the facts of these cases, and the marks on answers to them."""
        for case in cases:
            for table in ("case_facts", "rubric_marks"):
                self._database.execute(f'DELETE FROM {table} WHERE model = ? AND "case" = ?', (model, case))  # noqa: S608 (tables of ours)


def _mark(row: dict[str, Any]) -> Mark:
    ticked = tuple(json.loads(row["ticked"]))
    return Mark(row["case"], row["answer"], row["facts"], row["total"], ticked, bool(row["on_topic"]))
