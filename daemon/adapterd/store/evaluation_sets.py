"""Frozen evaluation sets: written once, identified by their content, never changed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapterd.store.database import Database


@dataclass(frozen=True)
class EvaluationSet:
    """The `number`-th frozen set of a model; `cases` are the plain values of its cases."""

    number: int
    content_hash: str
    cases: list[dict[str, Any]]
    created_at: datetime


class EvaluationSets:
    """The evaluation_sets table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def freeze(self, model: str, content_hash: str, cases: Sequence[dict[str, Any]]) -> EvaluationSet:
        """Add a set as the newest of the model."""
        newest = self.newest(model)
        number, now = newest.number + 1 if newest else 1, self._database.now()
        self._database.execute(
            "INSERT INTO evaluation_sets VALUES (?, ?, ?, ?, ?)",
            (model, number, content_hash, json.dumps(list(cases), ensure_ascii=False), now),
        )
        return EvaluationSet(number, content_hash, list(cases), datetime.fromisoformat(now))

    def reduce(self, model: str, number: int, content_hash: str, cases: Sequence[dict[str, Any]]) -> None:
        """Put in a set's place the version of it without cases that were taken back; its former hash is remembered."""
        former = next(each for each in self.all(model) if each.number == number)
        with self._database.transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO reduced_evaluation_sets VALUES (?, ?, ?, ?)",
                (model, number, former.content_hash, len(former.cases) - len(cases)),
            )
            self._database.execute(
                "UPDATE evaluation_sets SET content_hash = ?, cases = ? WHERE model = ? AND number = ?",
                (content_hash, json.dumps(list(cases), ensure_ascii=False), model, number),
            )

    def successors(self, model: str) -> dict[str, str]:
        """The content hash of today by each former one of a set from which cases were taken back."""
        rows = self._database.rows(
            """SELECT former_hash, content_hash FROM reduced_evaluation_sets JOIN evaluation_sets USING (model, number)
               WHERE model = ?""",
            (model,),
        )
        return {row["former_hash"]: row["content_hash"] for row in rows}

    def newest(self, model: str) -> EvaluationSet | None:
        """The set that candidates are judged by, if one was frozen."""
        row = self._database.row(f"{_SETS} ORDER BY number DESC LIMIT 1", (model,))
        return _set(row) if row else None

    def all(self, model: str) -> list[EvaluationSet]:
        """Every frozen set of the model, oldest first: none of their prompts may be trained on."""
        return [_set(row) for row in self._database.rows(f"{_SETS} ORDER BY number", (model,))]


_SETS = "SELECT number, content_hash, cases, created_at FROM evaluation_sets WHERE model = ?"


def _set(row: Any) -> EvaluationSet:
    created_at = datetime.fromisoformat(row["created_at"])
    return EvaluationSet(row["number"], row["content_hash"], json.loads(row["cases"]), created_at)
