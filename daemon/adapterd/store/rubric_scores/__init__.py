"""What a person or a judge scored answers of versions by a rubric, from 0 to 1. A row has the id of a case, no text."""

from collections.abc import Iterable
from math import isfinite

from adapterd.errors import InputError
from adapterd.store.database import Database


class RubricScores:
    """The rubric_scores table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, model: str, version: str, case: str, metric: str, score: float, given_by: str) -> None:
        """Keep the score that somebody gave a version's answer to a case, in the place of an earlier one.

        Raises InputError for a score outside of 0 to 1.
        """
        if not (isfinite(score) and 0 <= score <= 1):
            raise InputError(f"a score by {metric} is {score:g}", hint="give a number from 0 to 1")
        self._database.execute(
            "INSERT OR REPLACE INTO rubric_scores VALUES (?, ?, ?, ?, ?, ?, ?)",
            (model, version, case, metric, float(score), given_by, self._database.now()),
        )

    def of(self, model: str, version: str) -> dict[str, dict[str, float]]:
        """All scores of a version's answers, by case and metric."""
        rows = self._database.rows(
            'SELECT "case", metric, score FROM rubric_scores WHERE model = ? AND version = ? ORDER BY "case", metric',
            (model, version),
        )
        found: dict[str, dict[str, float]] = {}
        for row in rows:
            found.setdefault(row["case"], {})[row["metric"]] = row["score"]
        return found

    def given_by(self, model: str, version: str, metric: str) -> dict[str, str]:
        """Who gave the scores by a metric, by case."""
        rows = self._database.rows(
            'SELECT "case", given_by FROM rubric_scores WHERE model = ? AND version = ? AND metric = ?',
            (model, version, metric),
        )
        return {row["case"]: row["given_by"] for row in rows}

    def forget(self, model: str, cases: Iterable[str]) -> None:
        """Delete the scores of answers to these cases, which were taken back."""
        for case in cases:
            self._database.execute('DELETE FROM rubric_scores WHERE model = ? AND "case" = ?', (model, case))
