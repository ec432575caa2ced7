"""Requests to teachers and their replies: the journal by which nothing is asked twice."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from adapterd.store.database import Database


class RequestState(StrEnum):
    """How far a request is: asked at least once without a reply that was kept, answered, or refused for good."""

    ASKED = "asked"
    ANSWERED = "answered"
    REFUSED = "refused"


@dataclass(frozen=True)
class NewRequest:
    """A request that is about to be asked. `key` names all that decides its answer, `request` is what is sent, as plain
    values. `records` are the content hashes of the feedback and the ids of the captures that it was made from."""

    key: str
    kind: str
    teacher: str
    teacher_model: str
    request: Mapping[str, Any]
    records: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spent:
    """What a teacher's work took: requests that were answered or refused, tokens of prompts and answers, and the
    seconds of the answers, added up."""

    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Unanswered:
    """How many requests have no answer, and the bytes of their texts."""

    number: int
    size_bytes: int


@dataclass(frozen=True)
class StoredRequest(NewRequest):
    """A request as it stands: `tries` is how often it was begun, `reply` what came, as plain values, `reason` why it
    was refused, or why the last try failed, and `tokens` those of the prompt and of the answer."""

    state: RequestState = RequestState.ASKED
    tries: int = 1
    reply: Mapping[str, Any] | None = None
    reason: str | None = None
    seconds: float = 0.0
    tokens: tuple[int, int] = (0, 0)
    asked_at: datetime | None = None
    ended_at: datetime | None = None


ALL_REQUESTS = "DELETE FROM teacher_requests"
"""Deletes the journal of what teachers were asked, captured prompts among it; what was made of the answers stays."""


class TeacherRequests:
    """The teacher_requests table: one row for each request of a model, by its key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, model: str, new: NewRequest) -> bool:
        """Note that a request is asked now; returns False for one that must not be: it has its answer, was refused, or
        was made from a record that was taken back."""
        values = (
            model, new.key, new.kind, new.teacher, new.teacher_model, json.dumps(new.request), json.dumps(new.records),
            RequestState.ASKED, self._database.now(),
        )  # fmt: skip
        return (
            self._database.execute(
                """INSERT INTO teacher_requests (model, key, kind, teacher, teacher_model, request, records, state,
                                                 tries, asked_at)
                   SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, ?9 WHERE NOT EXISTS (
                       SELECT 1 FROM removed_statements r, json_each(?7) e WHERE r.model = ?1 AND r.hash = e.value
                   )
                   ON CONFLICT DO UPDATE SET tries = tries + 1, asked_at = excluded.asked_at, reason = NULL
                   WHERE state = ?8""",
                values,
            ).rowcount
            > 0
        )

    def answered(self, model: str, key: str, reply: Mapping[str, Any], tokens: tuple[int, int], seconds: float) -> bool:
        """Keep the reply; returns False where the request is gone, as what it was made from was taken back meanwhile.
        `tokens` are those of the prompt and of the answer."""
        return self._end(model, key, RequestState.ANSWERED, (json.dumps(reply), None, *tokens, seconds))

    def refused(self, model: str, key: str, reason: str) -> bool:
        """Note that a request cannot be answered; returns False where it is gone."""
        return self._end(model, key, RequestState.REFUSED, (None, reason, 0, 0, 0.0))

    def failed(self, model: str, key: str, reason: str) -> None:
        """Note why a try came to nothing; the request can be asked again."""
        self._database.execute(
            "UPDATE teacher_requests SET reason = ? WHERE model = ? AND key = ? AND state = ?",
            (reason, model, key, RequestState.ASKED),
        )

    def _end(self, model: str, key: str, state: RequestState, values: tuple[object, ...]) -> bool:
        return (
            self._database.execute(
                """UPDATE teacher_requests SET state = ?, reply = ?, reason = ?, prompt_tokens = ?, answer_tokens = ?,
                                               seconds = ?, ended_at = ? WHERE model = ? AND key = ? AND state = ?""",
                (state, *values, self._database.now(), model, key, RequestState.ASKED),
            ).rowcount
            > 0
        )

    def of(self, model: str, keys: Sequence[str]) -> dict[str, StoredRequest]:
        """The requests with these keys, as far as they were ever asked."""
        rows = self._database.rows(
            "SELECT * FROM teacher_requests WHERE model = ? AND key IN (SELECT value FROM json_each(?))",
            (model, json.dumps(list(keys))),
        )
        return {row["key"]: _stored(row) for row in rows}

    def states(self, model: str, keys: Sequence[str]) -> dict[str, tuple[RequestState, bool]]:
        """The same without texts: the state of each, and whether a try of it has failed."""
        rows = self._database.rows(
            """SELECT key, state, reason IS NOT NULL AS failed FROM teacher_requests
               WHERE model = ? AND key IN (SELECT value FROM json_each(?))""",
            (model, json.dumps(list(keys))),
        )
        return {row["key"]: (RequestState(row["state"]), bool(row["failed"])) for row in rows}

    def keys(self, model: str, state: RequestState) -> set[str]:
        """The keys of all in a state."""
        rows = self._database.rows("SELECT key FROM teacher_requests WHERE model = ? AND state = ?", (model, state))
        return {row["key"] for row in rows}

    def all(self, model: str) -> list[StoredRequest]:
        """Every request, in the order in which they were first asked."""
        return [
            _stored(row)
            for row in self._database.rows("SELECT * FROM teacher_requests WHERE model = ? ORDER BY rowid", (model,))
        ]

    def counts(self, model: str) -> dict[tuple[str, str, RequestState], int]:
        """How many there are of each kind, teacher and state."""
        rows = self._database.rows(
            "SELECT kind, teacher, state, count(*) AS n FROM teacher_requests WHERE model = ? GROUP BY 1, 2, 3",
            (model,),
        )
        return {(row["kind"], row["teacher"], RequestState(row["state"])): row["n"] for row in rows}

    def spent(self, model: str, teacher: str, since: datetime) -> Spent:
        """What ended since then, for a budget that outlives a process."""
        row = self._database.row(
            """SELECT count(*), coalesce(sum(prompt_tokens + answer_tokens), 0), coalesce(sum(seconds), 0)
               FROM teacher_requests WHERE model = ? AND teacher = ? AND ended_at >= ?""",
            (model, teacher, _text_of(since)),
        )
        return Spent(*row) if row else Spent()

    def forget_older(self, limit: datetime) -> int:
        """Delete those of all models that ended before then, and those to judges that were asked before then and never
        answered; returns how many these were."""
        return self._database.execute(
            """DELETE FROM teacher_requests WHERE ended_at < ?1
               OR ended_at IS NULL AND kind = 'verdict' AND asked_at < ?1""",
            (_text_of(limit),),
        ).rowcount

    def unanswered(self, limit: datetime) -> dict[str, Unanswered]:
        """By model, what was last asked before then and never answered or refused."""
        rows = self._database.rows(
            """SELECT model, count(*) AS number, sum(length(CAST(request || records AS BLOB))) AS size_bytes
               FROM teacher_requests WHERE state = ? AND asked_at < ? GROUP BY model ORDER BY model""",
            (RequestState.ASKED, _text_of(limit)),
        )
        return {row["model"]: Unanswered(row["number"], row["size_bytes"]) for row in rows}

    def forget_unanswered(self, model: str, limit: datetime) -> int:
        """Delete these of a model; returns how many there were. What was answered stays, so it is not asked again."""
        return self._database.execute(
            "DELETE FROM teacher_requests WHERE model = ? AND state = ? AND asked_at < ?",
            (model, RequestState.ASKED, _text_of(limit)),
        ).rowcount

    def forget(self, model: str, keys: Sequence[str]) -> int:
        """Delete these; returns how many there were."""
        return self._database.execute(
            "DELETE FROM teacher_requests WHERE model = ? AND key IN (SELECT value FROM json_each(?))",
            (model, json.dumps(list(keys))),
        ).rowcount


def _text_of(moment: datetime) -> str:
    """A moment as columns have it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _stored(row: Any) -> StoredRequest:
    return StoredRequest(
        key=row["key"], kind=row["kind"], teacher=row["teacher"], teacher_model=row["teacher_model"],
        request=json.loads(row["request"]), records=tuple(json.loads(row["records"])),
        state=RequestState(row["state"]), tries=row["tries"],
        reply=json.loads(row["reply"]) if row["reply"] else None, reason=row["reason"],
        seconds=row["seconds"],
        tokens=(row["prompt_tokens"], row["answer_tokens"]),
        asked_at=datetime.fromisoformat(row["asked_at"]),
        ended_at=datetime.fromisoformat(row["ended_at"]) if row["ended_at"] else None,
    )  # fmt: skip
