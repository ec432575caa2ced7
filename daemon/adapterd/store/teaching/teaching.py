"""Requests to teachers and synthetic examples together: what was made from something goes with it."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from adapterd.store.database import Database
from adapterd.store.teaching.examples import SyntheticExamples
from adapterd.store.teaching.requests import TeacherRequests

_OF = "(:model IS NULL OR model = :model)"
_NAMED = "IN (SELECT value FROM json_each(:named))"
_MADE_FROM = f"{_OF} AND EXISTS (SELECT 1 FROM json_each(records) r WHERE r.value {_NAMED})"  # noqa: S608 - text of ours
_TO_PROMPTS = f"{_OF} AND prompt_hash {_NAMED}"
_ASKED_FOR = (
    f"((model, key) IN (SELECT model, request_key FROM synthetic_examples WHERE {_TO_PROMPTS}) OR {_MADE_FROM})"  # noqa: S608 - text of ours
)


class Teaching:
    """The tables of teaching."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.requests = TeacherRequests(database)
        self.examples = SyntheticExamples(database)

    def forget_records(self, records: Iterable[str], model: str | None = None) -> dict[str, int]:
        """Delete the requests and the examples that were made from any of these records or captures, of one model or of
        all; returns how many rows these were by model."""
        return self._forget([("teacher_requests", _MADE_FROM), ("synthetic_examples", _MADE_FROM)], records, model)

    def forget_prompts(self, prompt_hashes: Iterable[str], model: str | None = None) -> dict[str, int]:
        """Delete the examples whose prompt has one of these hashes, and the requests that they came of, or that name
        the hash; returns how many rows these were by model."""
        return self._forget(
            [("teacher_requests", _ASKED_FOR), ("synthetic_examples", _TO_PROMPTS)], prompt_hashes, model
        )

    def _forget(self, wheres: Sequence[tuple[str, str]], named: Iterable[str], model: str | None) -> dict[str, int]:
        values, found = {"model": model, "named": json.dumps(list(named))}, Counter[str]()
        with self._database.transaction():
            for table, where in wheres:
                rows = self._database.rows(f"SELECT model FROM {table} WHERE {where}", values)  # noqa: S608 - text of ours
                found.update(str(row["model"]) for row in rows)
                self._database.execute(f"DELETE FROM {table} WHERE {where}", values)  # noqa: S608 - text of ours
        return dict(found)
