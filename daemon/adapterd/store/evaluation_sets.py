"""Frozen evaluation sets: written once, identified by their content, never changed. One that grows is another set."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapterd.store.database import Database


@dataclass(frozen=True)
class EvaluationSet:
    """The `number`-th frozen set of a model; `cases` are the plain values of its cases.

    One that was frozen `by_hand` stays as it was chosen. One that was `grown_from` the set of that number has its cases
    and more; its `bridge` is what was live then on both, in plain values, once it was asked.
    """

    number: int
    content_hash: str
    cases: list[dict[str, Any]]
    created_at: datetime
    by_hand: bool = False
    grown_from: int | None = None
    bridge: dict[str, Any] | None = None


class EvaluationSets:
    """The evaluation_sets table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def freeze(
        self,
        model: str,
        content_hash: str,
        cases: Sequence[dict[str, Any]],
        *,
        by_hand: bool = False,
        grown: bool = False,
    ) -> EvaluationSet:
        """Add a set as the newest of the model; one that has `grown` is the one before with more cases."""
        newest = self.newest(model)
        number, now = newest.number + 1 if newest else 1, self._database.now()
        grown_from = newest.number if newest and grown else None
        self._database.execute(
            """INSERT INTO evaluation_sets (model, number, content_hash, cases, created_at, by_hand, grown_from)
               VALUES (?, ?, ?, ?, ?, ?, ?)""",
            (model, number, content_hash, json.dumps(list(cases), ensure_ascii=False), now, by_hand, grown_from),
        )
        return EvaluationSet(number, content_hash, list(cases), datetime.fromisoformat(now), by_hand, grown_from)

    def joined(self, model: str, frozen: EvaluationSet) -> list[str]:
        """The ids of the cases that a set has more than the one that it was grown from; none if it was not grown."""
        former = next((each for each in self.all(model) if each.number == frozen.grown_from), None)
        known = {case["id"] for case in former.cases} if former else {case["id"] for case in frozen.cases}
        return [case["id"] for case in frozen.cases if case["id"] not in known]

    def keep_bridge(self, model: str, content_hash: str, bridge: Mapping[str, Any]) -> bool:
        """Note what was live on a grown set and on the one before, unless it is known; returns whether it is new."""
        done = self._database.execute(
            """UPDATE evaluation_sets SET bridge = ?
               WHERE model = ? AND content_hash = ? AND grown_from IS NOT NULL AND bridge IS NULL""",
            (json.dumps(bridge), model, content_hash),
        )
        return done.rowcount > 0

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


_SETS = "SELECT * FROM evaluation_sets WHERE model = ?"


def _set(row: Any) -> EvaluationSet:
    created_at = datetime.fromisoformat(row["created_at"])
    bridge = json.loads(row["bridge"]) if row["bridge"] else None
    return EvaluationSet(
        row["number"], row["content_hash"], json.loads(row["cases"]), created_at, bool(row["by_hand"]),
        row["grown_from"], bridge,
    )  # fmt: skip
