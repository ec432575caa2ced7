"""Two answers to one prompt beside each other, and which of them somebody preferred without knowing whose it was."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from adapterd.store.database import Database


class Vote(StrEnum):
    """What was preferred: the answer of `ours`, of `theirs`, both alike, or neither. Where both gave the same answer
    nobody was asked."""

    OURS = "ours"
    THEIRS = "theirs"
    TIE = "tie"
    BOTH_BAD = "both bad"
    SAME = "same answer"


DIFFERENCE = {Vote.OURS: 1.0, Vote.THEIRS: -1.0, Vote.TIE: 0.0, Vote.BOTH_BAD: 0.0}
"""What a vote says of `ours` against `theirs`."""


@dataclass(frozen=True)
class NewChoice:
    """Two answers to a captured prompt; `ours` and `theirs` are versions by name, and by the digest of the tag that
    answered. `ours_first` tells which one is shown first, by chance."""

    prompt_hash: str
    messages: Sequence[dict[str, Any]]
    ours: str
    ours_digest: str
    ours_answer: str
    theirs: str
    theirs_digest: str
    theirs_answer: str
    ours_first: bool


@dataclass(frozen=True)
class Choice(NewChoice):
    """A choice as it stands: `vote` is None as long as nobody chose. `record` is the content hash of the feedback
    record that came of it, if one did."""

    id: int
    made_at: datetime
    vote: Vote | None
    voted_at: datetime | None
    record: str | None

    @property
    def case(self) -> str:
        """The name of a vote on it among the cases of a comparison."""
        return f"vote {self.id}"

    @property
    def asked_as(self) -> str:
        """What names it in the journal, where a judge is asked about it."""
        return f"choice {self.id}"


NOT_CHOSEN_BETWEEN = f"DELETE FROM choices WHERE vote IS NULL OR vote = '{Vote.SAME}'"  # noqa: S608 - text of ours
"""Deletes the answers that nobody chose between, with the captured prompts that they are to."""
_OPEN_TO = "(c.vote IS NULL OR c.vote = :same) AND c.prompt_hash IN (SELECT value FROM json_each(:prompts))"
_ASKED_ABOUT = f"""
    DELETE FROM teacher_requests WHERE (model, key) IN (
        SELECT t.model, t.key FROM choices c
        JOIN teacher_requests t ON t.model = c.model AND t.kind = 'verdict'
        JOIN json_each(t.records) r ON r.value = 'choice ' || c.id
        WHERE {_OPEN_TO}
    )
"""  # noqa: S608 - text of ours
"""Deletes what judges were asked about them, which has their prompts and answers."""


class Choices:
    """The choices table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, model: str, new: NewChoice, vote: Vote | None = None) -> bool:
        """Keep two answers, with a vote where nobody has to be asked; returns whether this pair of versions had none to
        this prompt before. The id is none that a vote had which is evidence, whose choice may have gone."""
        return (
            self._database.execute(
                """INSERT OR IGNORE INTO choices (id, model, prompt_hash, messages, ours, ours_digest, ours_answer,
                                                  theirs, theirs_digest, theirs_answer, ours_first, made_at, vote)
                   SELECT 1 + max(
                       coalesce((SELECT max(id) FROM choices), 0),
                       coalesce((SELECT max(CAST(substr(case_id, 6) AS INTEGER)) FROM evidence
                                 WHERE case_id GLOB 'vote [0-9]*'), 0)
                   ), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?""",
                (
                    model, new.prompt_hash, json.dumps(list(new.messages), ensure_ascii=False), new.ours,
                    new.ours_digest, new.ours_answer, new.theirs, new.theirs_digest, new.theirs_answer,
                    new.ours_first, self._database.now(), vote,
                ),
            ).rowcount
            > 0
        )  # fmt: skip

    def waiting(self, model: str, ours_digest: str, theirs_digest: str) -> list[Choice]:
        """Those of a pair of versions that nobody voted on, the oldest first."""
        return self._read(
            "model = ? AND ours_digest = ? AND theirs_digest = ? AND vote IS NULL", model, ours_digest, theirs_digest
        )

    def voted(self, model: str) -> list[Choice]:
        """Those that somebody voted on, the latest vote last."""
        found = self._read("model = ? AND vote IS NOT NULL AND vote != ?", model, Vote.SAME)
        return sorted(found, key=lambda each: str(each.voted_at))

    def asked(self, model: str, ours_digest: str, theirs_digest: str) -> set[str]:
        """The hashes of the prompts that a pair of versions has answers to."""
        rows = self._database.rows(
            "SELECT prompt_hash FROM choices WHERE model = ? AND ours_digest = ? AND theirs_digest = ?",
            (model, ours_digest, theirs_digest),
        )
        return {row["prompt_hash"] for row in rows}

    def get(self, model: str, choice: int) -> Choice | None:
        """One by its id."""
        return next(iter(self._read("model = ? AND id = ?", model, choice)), None)

    def vote(self, model: str, choice: int, vote: Vote, record: str | None) -> bool:
        """Note a vote; returns whether there was none before."""
        return (
            self._database.execute(
                "UPDATE choices SET vote = ?, voted_at = ?, record = ? WHERE model = ? AND id = ? AND vote IS NULL",
                (vote, self._database.now(), record, model, choice),
            ).rowcount
            > 0
        )

    def all(self, model: str) -> list[Choice]:
        """Every one, the oldest first."""
        return self._read("model = ?", model)

    def forget(self, model: str, choice: int) -> None:
        """Delete one."""
        self._database.execute("DELETE FROM choices WHERE model = ? AND id = ?", (model, choice))

    def prompts_to_choose(self) -> set[str]:
        """The hashes of the prompts, of all models, with answers that nobody chose between."""
        rows = self._database.rows(
            "SELECT DISTINCT prompt_hash FROM choices WHERE vote IS NULL OR vote = ?", (Vote.SAME,)
        )
        return {row["prompt_hash"] for row in rows}

    def forget_prompts(self, prompt_hashes: Iterable[str]) -> None:
        """Delete those to these prompts, of all models, that nobody chose between, with what judges were asked about
        them: what was voted on is feedback."""
        values = {"same": Vote.SAME, "prompts": json.dumps(list(prompt_hashes))}
        with self._database.transaction():
            self._database.execute(_ASKED_ABOUT, values)
            self._database.execute(f"DELETE FROM choices AS c WHERE {_OPEN_TO}", values)  # noqa: S608 - text of ours

    def _read(self, where: str, *values: object) -> list[Choice]:
        rows = self._database.rows(f"SELECT * FROM choices WHERE {where} ORDER BY id", values)  # noqa: S608 (conditions of this module)
        return [_choice(dict(row)) for row in rows]


def _choice(row: dict[str, Any]) -> Choice:
    row.pop("model")
    row["messages"], row["ours_first"] = json.loads(row["messages"]), bool(row["ours_first"])
    row["vote"] = Vote(row["vote"]) if row["vote"] else None
    row["made_at"] = datetime.fromisoformat(row["made_at"])
    row["voted_at"] = datetime.fromisoformat(row["voted_at"]) if row["voted_at"] else None
    return Choice(**row)
