"""Verdicts of judges on blind choices, which belong to one judge each, and looks at what these add to people's votes.

A row has no text of anybody. Verdicts go with the choice that they are on.
"""

import json
from dataclasses import dataclass
from typing import Any

from adapterd.store.database import Database


@dataclass(frozen=True)
class KeptJudge:
    """A judge that verdicts belong to. `id` is a hash of all that decides what it says: its model with the digest, the
    rubric, what it is asked and how it answers; `settings` of the same but the digest. `warnings` are sentences on
    whom it may favour, `advice` one on why it only advises, empty where it may inform a gate."""

    id: str
    settings: str
    name: str
    judge_model: str
    digest: str
    warnings: tuple[str, ...] = ()
    advice: str = ""

    def __str__(self) -> str:
        """For people: `big (qwen3:14b, 1a2b3c4d5e6f)`."""
        digest = f", {self.digest.removeprefix('sha256:')[:12]}" if self.digest else ""
        return f"{self.name} ({self.judge_model}{digest})"


@dataclass(frozen=True)
class KeptVerdict:
    """What a judge said of `ours` against `theirs` of a choice, by the order in which they were shown: 1 for ours, -1
    for theirs, 0 for neither, None where it gave no verdict. `again` is what it said when the first order was asked
    once more, None where it was not."""

    choice: int
    ours_first: float | None
    theirs_first: float | None
    again: float | None = None


@dataclass(frozen=True)
class Look:
    """What was found when a gate looked at a comparison for the `number`-th time: the share of `votes` that would be
    for `ours` if people voted on all, with its interval at `level`, by a judge that `pool` further verdicts are of.
    `advice` says why it does not count, empty if it does."""

    number: int
    judge: str
    votes: int
    pool: int
    level: float
    value: float
    low: float
    high: float
    advice: str = ""


NOT_ON_A_CHOICE = "DELETE FROM judge_verdicts WHERE choice NOT IN (SELECT id FROM choices)"
"""Deletes verdicts whose choice went in a copy of the database, where nothing goes by itself."""


class JudgeVerdicts:
    """The judges, judge_verdicts and judge_looks tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def use(self, model: str, judge: KeptJudge) -> None:
        """Note that a judge is asked now."""
        self._database.execute(
            "INSERT OR REPLACE INTO judges VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                model, judge.id, judge.settings, judge.name, judge.judge_model, judge.digest,
                json.dumps(judge.warnings, ensure_ascii=False), judge.advice, self._database.now(),
            ),
        )  # fmt: skip

    def newest(self, model: str, settings: str | None = None) -> KeptJudge | None:
        """The judge that was asked last, or the last one with these settings."""
        row = self._database.row(
            """SELECT * FROM judges WHERE model = ?1 AND (?2 IS NULL OR settings = ?2)
               ORDER BY used_at DESC, judge LIMIT 1""",
            (model, settings),
        )
        return _judge(dict(row)) if row else None

    def keep(self, model: str, judge: str, verdict: KeptVerdict) -> bool:
        """Keep a verdict; returns False where there is one, or where the choice is gone."""
        return (
            self._database.execute(
                """INSERT OR IGNORE INTO judge_verdicts
                   SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
                   WHERE EXISTS (SELECT 1 FROM choices WHERE model = ?1 AND id = ?3)""",
                (
                    model, judge, verdict.choice, verdict.ours_first, verdict.theirs_first, verdict.again,
                    self._database.now(),
                ),
            ).rowcount
            > 0
        )  # fmt: skip

    def of(self, model: str, judge: str) -> dict[int, KeptVerdict]:
        """The verdicts of a judge by the choice."""
        rows = self._database.rows(
            "SELECT choice, ours_first, theirs_first, again FROM judge_verdicts WHERE model = ? AND judge = ?",
            (model, judge),
        )
        return {row["choice"]: KeptVerdict(**dict(row)) for row in rows}

    def of_others(self, model: str, judge: str) -> int:
        """How many verdicts are of other judges, which never count for this one."""
        row = self._database.row(
            "SELECT count(*) AS number FROM judge_verdicts WHERE model = ? AND judge != ?", (model, judge)
        )
        return int(row["number"]) if row else 0

    def looks(self, comparison: int) -> list[Look]:
        """The looks at a comparison, the first one first."""
        rows = self._database.rows("SELECT * FROM judge_looks WHERE comparison = ? ORDER BY number", (comparison,))
        return [_look(dict(row)) for row in rows]

    def add_look(self, model: str, comparison: int, look: Look) -> bool:
        """Keep a look; returns False where there is one of that number: no look is taken twice."""
        return (
            self._database.execute(
                "INSERT OR IGNORE INTO judge_looks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    model, comparison, look.number, look.judge, look.votes, look.pool, look.level, look.value, look.low,
                    look.high, look.advice, self._database.now(),
                ),
            ).rowcount
            > 0
        )  # fmt: skip


def _judge(row: dict[str, Any]) -> KeptJudge:
    return KeptJudge(
        row["judge"], row["settings"], row["name"], row["judge_model"], row["digest"],
        tuple(json.loads(row["warnings"])), row["advice"],
    )  # fmt: skip


def _look(row: dict[str, Any]) -> Look:
    return Look(**{name: value for name, value in row.items() if name not in ("model", "comparison", "at")})
