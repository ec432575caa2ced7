"""Which two versions are compared on fresh cases, what each case said, and how it ended (decision 26)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Any

from adapterd.store.database import Database

TAKEN_BACK = "feedback that it rests on was taken back"


class Purpose(StrEnum):
    """Why two versions are compared: whether a challenger is better than live, or what was live before is."""

    CHALLENGE = "challenge"
    WATCH = "watch"


class ComparisonState(StrEnum):
    """Whether evidence is still collected, and how it ended: proven, dropped for what it said or for its age, or closed
    for a reason that has nothing to do with what it said."""

    OPEN = "open"
    PROVEN = "proven"
    DROPPED = "dropped"
    CLOSED = "closed"


class Counts(StrEnum):
    """Whether a case decides, or is shown only: it would not be there had live answered it well."""

    DECIDES = "decides"
    SHOWN = "shown"


@dataclass(frozen=True)
class NewComparison:
    """Two versions that are to be compared: is `ours` better than `theirs`? Both by name and by the digest of the tag.

    `level` is the probability of an error that is paid for it, `horizon` the number of cases that bets are made for.
    Feedback with a larger id than `after_id` is fresh.
    """

    model: str
    purpose: Purpose
    ours: str
    ours_digest: str
    theirs: str
    theirs_digest: str
    level: float
    horizon: int
    after_id: int


@dataclass(frozen=True)
class Comparison(NewComparison):
    """A comparison as it stands; `log_capital` is the smallest of the logarithms of its capitals when it ended.
    All feedback up to `seen_id` was looked at.
    `standing` is what its evidence said last, in plain values, empty before the first night.
    """

    id: int
    seen_id: int
    began_at: datetime
    state: ComparisonState
    reason: str
    ended_at: datetime | None
    log_capital: float | None
    standing: Mapping[str, Any]

    @property
    def is_open(self) -> bool:
        """Whether evidence is still collected."""
        return self.state is ComparisonState.OPEN


@dataclass(frozen=True)
class CaseEvidence:
    """What one case, or one vote, says of the two versions.

    `case` names it (the prompt's hash, or the vote), `record` is the content hash of its feedback, `origin` who gave
    it, `source` what other cases hang together with it. `kind` is that of the differences: a score or a vote.
    `differences` are by metric, in -1…1 each, positive where `ours` is better.
    """

    case: str
    record: str
    origin: str
    source: str | None
    kind: str
    counts: Counts
    differences: Mapping[str, float]


@dataclass(frozen=True)
class Look:
    """One night's evidence of a comparison."""

    number: int
    at: datetime
    cases: tuple[CaseEvidence, ...]


class Comparisons:
    """The comparisons, evidence and error_budgets tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, new: NewComparison, *, not_before: datetime | None = None) -> Comparison:
        """Note a comparison that begins now, or then, where the clock was set back."""
        now = self._database.now()
        began_at = (
            max(datetime.fromisoformat(now), not_before).isoformat(timespec="milliseconds") if not_before else now
        )
        cursor = self._database.execute(
            """INSERT INTO comparisons (model, purpose, ours, ours_digest, theirs, theirs_digest, level, horizon,
                                        after_id, seen_id, began_at, state, reason)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', '')""",
            (
                new.model, new.purpose, new.ours, new.ours_digest, new.theirs, new.theirs_digest, new.level,
                new.horizon, new.after_id, new.after_id, began_at,
            ),
        )  # fmt: skip
        row = self._database.row("SELECT * FROM comparisons WHERE id = ?", (cursor.lastrowid,))
        return _comparison(row)

    def end(self, comparison_id: int, state: ComparisonState, reason: str, log_capital: float | None = None) -> bool:
        """Note how an open comparison ended; returns whether it was open."""
        return (
            self._database.execute(
                """UPDATE comparisons SET state = ?, reason = ?, log_capital = ?, ended_at = ?
                   WHERE id = ? AND state = 'open'""",
                (state, reason, log_capital, self._database.now(), comparison_id),
            ).rowcount
            > 0
        )

    def set_seen(self, comparison_id: int, newest_id: int) -> None:
        """Note that all feedback up to this id was looked at."""
        self._database.execute("UPDATE comparisons SET seen_id = ? WHERE id = ?", (newest_id, comparison_id))

    def set_standing(self, comparison_id: int, standing: Mapping[str, Any]) -> None:
        """Note what its evidence says, in plain values, so that it can be read without computing it again."""
        self._database.execute(
            "UPDATE comparisons SET standing = ? WHERE id = ?", (json.dumps(dict(standing)), comparison_id)
        )

    def all(self, model: str) -> list[Comparison]:
        """Every comparison of the model, oldest first."""
        return [
            _comparison(row)
            for row in self._database.rows("SELECT * FROM comparisons WHERE model = ? ORDER BY id", (model,))
        ]

    def open(self, model: str, purpose: Purpose) -> Comparison | None:
        """The one that is open for this purpose; there is one at most."""
        found = [each for each in self.all(model) if each.is_open and each.purpose is purpose]
        return found[-1] if found else None

    def add_look(self, comparison_id: int, cases: Iterable[CaseEvidence], *, to_today: bool = False) -> None:
        """Add what the cases of one night said; a case that was asked before is not counted again. With `to_today` they
        belong to the last look where that is of today."""
        row = self._database.row(
            "SELECT max(look) AS last, max(substr(at, 1, 10)) AS day FROM evidence WHERE comparison = ?",
            (comparison_id,),
        )
        number = (row["last"] or 0) + 1 if row else 1
        if to_today and row and row["day"] == self._database.now()[:10]:
            number -= 1
        self._database.execute_many(
            """INSERT OR IGNORE INTO evidence
               (comparison, look, at, case_id, record, origin, source, kind, counts, differences)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            [
                (
                    comparison_id, number, self._database.now(), each.case, each.record, each.origin, each.source,
                    each.kind, each.counts, json.dumps(dict(each.differences)),
                )
                for each in cases
            ],
        )  # fmt: skip

    def looks(self, comparison_id: int) -> list[Look]:
        """All evidence of a comparison by night, oldest first."""
        rows = self._database.rows("SELECT * FROM evidence WHERE comparison = ? ORDER BY look, rowid", (comparison_id,))
        return [_look(number, list(night)) for number, night in groupby(rows, lambda row: int(row["look"]))]

    def forget(self, model: str, records: Iterable[str]) -> int:
        """Remove what records that were taken back said, by their content hashes; returns how many rows these were.

        A comparison that any of them is evidence of is closed: who takes back what speaks against a version must not
        help it by that.
        """
        records = list(records)
        self._database.execute(
            """UPDATE comparisons SET state = ?, reason = ?, ended_at = ? WHERE model = ? AND state = ? AND id IN
               (SELECT comparison FROM evidence WHERE record IN (SELECT value FROM json_each(?)))""",
            (
                ComparisonState.CLOSED, TAKEN_BACK, self._database.now(), model, ComparisonState.OPEN,
                json.dumps(records),
            ),
        )  # fmt: skip
        return self._database.execute(
            """DELETE FROM evidence WHERE record IN (SELECT value FROM json_each(?))
               AND comparison IN (SELECT id FROM comparisons WHERE model = ?)""",
            (json.dumps(list(records)), model),
        ).rowcount

    def of_records(self, model: str, records: Iterable[str]) -> int:
        """How many rows say what these records do."""
        row = self._database.row(
            """SELECT count(*) AS number FROM evidence WHERE record IN (SELECT value FROM json_each(?))
               AND comparison IN (SELECT id FROM comparisons WHERE model = ?)""",
            (json.dumps(list(records)), model),
        )
        return int(row["number"]) if row else 0

    def budget(self, model: str, purpose: Purpose) -> tuple[float, float, datetime] | None:
        """What is left of the budget, what is staked, and as of when; None before the first night."""
        row = self._database.row("SELECT * FROM error_budgets WHERE model = ? AND purpose = ?", (model, purpose))
        return (row["left_over"], row["staked"], datetime.fromisoformat(row["at"])) if row else None

    def set_budget(self, model: str, purpose: Purpose, left: float, staked: float) -> None:
        """Note what is left of the budget, and what is staked, as of now."""
        self._database.execute(
            "INSERT OR REPLACE INTO error_budgets (model, purpose, left_over, staked, at) VALUES (?, ?, ?, ?, ?)",
            (model, purpose, left, staked, self._database.now()),
        )


def _comparison(row: Any) -> Comparison:
    values = dict(row)
    values["purpose"], values["state"] = Purpose(values["purpose"]), ComparisonState(values["state"])
    values["began_at"] = datetime.fromisoformat(values["began_at"])
    values["ended_at"] = datetime.fromisoformat(values["ended_at"]) if values["ended_at"] else None
    values["standing"] = json.loads(values["standing"])
    return Comparison(**values)


def _look(number: int, rows: Sequence[Any]) -> Look:
    cases = tuple(
        CaseEvidence(
            row["case_id"], row["record"], row["origin"], row["source"], row["kind"], Counts(row["counts"]),
            json.loads(row["differences"]),
        )
        for row in rows
    )  # fmt: skip
    return Look(number, datetime.fromisoformat(rows[0]["at"]), cases)
