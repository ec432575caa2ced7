"""The pool: prompts without answers, to be answered, reviewed or taught from later."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapterd.chat import from_dicts
from adapterd.record import prompt_hash
from adapterd.store.database import Database


@dataclass(frozen=True)
class NewPrompt:
    """A prompt to be kept: its messages as JSON, the keys by which its application knows it, and where it came from."""

    prompt_hash: str
    messages: str
    keys: tuple[str, ...]
    origin: str
    source_id: str | None = None
    output_type: str | None = None


@dataclass(frozen=True)
class PooledPrompt:
    """A prompt of the pool. `answered` if there is feedback on it, `frozen` if it is in a frozen set."""

    id: int
    prompt_hash: str
    messages: list[dict[str, Any]]
    origin: str
    source_id: str | None
    output_type: str | None
    added_at: datetime
    answered: bool
    frozen: bool


@dataclass(frozen=True)
class PoolCounts:
    """How many prompts there are, of which so many have feedback, and so many are in a frozen set."""

    prompts: int
    answered: int
    frozen: int


_STATES = """EXISTS (SELECT 1 FROM feedback f WHERE substr(f.prompt_hash, 1, 12) = substr(p.prompt_hash, 1, 12)
                     AND f.model = ?1 AND f.prompt_hash = p.prompt_hash) AS answered,
             p.prompt_hash IN (SELECT value FROM json_each(?2)) AS frozen"""


class Prompts:
    """The tables of the pool."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, model: str, prompts: Iterable[NewPrompt]) -> int:
        """Keep each prompt once; returns how many were not there. The keys of one that is there are added to it."""
        added = 0
        for each in prompts:
            cursor = self._database.execute(
                """INSERT INTO prompts (model, prompt_hash, messages, origin, source_id, output_type, added_at)
                   VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
                (
                    model, each.prompt_hash, each.messages, each.origin, each.source_id, each.output_type,
                    self._database.now(),
                ),
            )  # fmt: skip
            added += max(cursor.rowcount, 0)
            self._database.execute_many(
                "INSERT INTO prompt_keys (model, key, prompt_hash) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [(model, key, each.prompt_hash) for key in each.keys],
            )
        return added

    def known_by(self, model: str, key: str) -> tuple[str, str] | None:
        """Hash and messages, as JSON, of the prompt that has this key, or this hash, in the pool or in feedback."""
        row = self._database.row(
            """SELECT prompt_hash, messages FROM prompts WHERE model = ?1 AND prompt_hash IN (
                   ?2, (SELECT prompt_hash FROM prompt_keys WHERE model = ?1 AND key = ?2)
               )
               UNION ALL
               SELECT prompt_hash, record ->> 'messages' FROM feedback
               WHERE substr(prompt_hash, 1, 12) = substr(?2, 1, 12) AND model = ?1 AND +prompt_hash = ?2
               LIMIT 1""",
            (model, key),
        )
        return (str(row[0]), str(row[1])) if row else None

    def texts(self, model: str) -> list[tuple[str, str]]:
        """Hash and messages, as JSON, of every prompt in the pool and in feedback."""
        rows = self._database.rows(
            """SELECT prompt_hash, messages FROM prompts WHERE model = ?1
               UNION SELECT prompt_hash, record ->> 'messages' FROM feedback WHERE model = ?1""",
            (model,),
        )
        return [(str(row[0]), str(row[1])) for row in rows]

    def label(self, model: str, prompt_hash: str, source_id: str | None, output_type: str | None) -> None:
        """Fill in the labels of a prompt that it has not yet."""
        self._database.execute(
            """UPDATE prompts SET source_id = coalesce(source_id, ?3), output_type = coalesce(output_type, ?4)
               WHERE model = ?1 AND prompt_hash = ?2""",
            (model, prompt_hash, source_id, output_type),
        )

    def newest(self, model: str, most: int, *, only_open: bool = False) -> list[PooledPrompt]:
        """The newest prompts of the pool, at most so many; only those without feedback that are in no frozen set, if
        asked for."""
        rows = self._database.rows(
            f"""SELECT * FROM (SELECT p.*, {_STATES} FROM prompts p WHERE p.model = ?1)
                WHERE NOT ?3 OR NOT (answered OR frozen) ORDER BY id DESC LIMIT ?4""",  # noqa: S608 - text of ours
            (model, self._frozen(model), only_open, most),
        )
        return [_pooled(row) for row in rows]

    def counts(self, model: str) -> PoolCounts:
        """How many prompts the pool has, and what became of them."""
        row = self._database.row(
            f"""SELECT count(*), coalesce(sum(answered), 0), coalesce(sum(frozen), 0)
                FROM (SELECT {_STATES} FROM prompts p WHERE p.model = ?1)""",  # noqa: S608 - text of ours
            (model, self._frozen(model)),
        )
        return PoolCounts(*row) if row else PoolCounts(0, 0, 0)

    def oldest(self, model: str) -> datetime | None:
        """When the first of the prompts came that are there."""
        row = self._database.row("SELECT min(added_at) FROM prompts WHERE model = ?", (model,))
        return datetime.fromisoformat(row[0]) if row and row[0] else None

    def hashes_older(self, model: str, limit: datetime) -> list[str]:
        """The hashes of the prompts that came before then."""
        rows = self._database.rows(
            "SELECT prompt_hash FROM prompts WHERE model = ? AND added_at < ?",
            (model, limit.astimezone(UTC).isoformat(timespec="milliseconds")),
        )
        return [str(row["prompt_hash"]) for row in rows]

    def remove_older(self, model: str, limit: datetime) -> int:
        """Remove the prompts that came before then, with their keys; returns how many these are."""
        with self._database.transaction():
            where = "model = ?1 AND added_at < ?2"
            values = (model, limit.astimezone(UTC).isoformat(timespec="milliseconds"))
            self._database.execute(
                f"""DELETE FROM prompt_keys WHERE model = ?1 AND prompt_hash IN
                    (SELECT prompt_hash FROM prompts WHERE {where})""",  # noqa: S608 - text of ours
                values,
            )
            return self._database.execute(f"DELETE FROM prompts WHERE {where}", values).rowcount  # noqa: S608

    def remove_matching(self, model: str, matches: Callable[[PooledPrompt], bool], *, change: bool = True) -> list[int]:
        """Remove the prompts that match, with their keys; returns their ids. Without `change` they are only found."""
        found = [each for each in self.newest(model, -1) if matches(each)]
        if change:
            for each in found:
                where = (model, each.prompt_hash)
                self._database.execute("DELETE FROM prompt_keys WHERE model = ? AND prompt_hash = ?", where)
                self._database.execute("DELETE FROM prompts WHERE model = ? AND prompt_hash = ?", where)
        return [each.id for each in found]

    def remove_by_keys(self, keys: Sequence[str], origin: str) -> dict[str, int]:
        """Remove the prompts of an origin that are known by one of these keys, with all keys of theirs; returns how
        many these are by model."""
        rows = self._database.rows(
            """SELECT DISTINCT p.model, p.prompt_hash FROM prompt_keys k
               JOIN prompts p ON p.model = k.model AND p.prompt_hash = k.prompt_hash
               WHERE k.key IN (SELECT value FROM json_each(?)) AND p.origin = ?""",
            (json.dumps(keys), origin),
        )
        for row in rows:
            self._database.execute("DELETE FROM prompt_keys WHERE model = ? AND prompt_hash = ?", tuple(row))
            self._database.execute("DELETE FROM prompts WHERE model = ? AND prompt_hash = ?", tuple(row))
        return dict(Counter(str(row["model"]) for row in rows))

    def _frozen(self, model: str) -> str:
        """The hashes of the prompts of all frozen sets, as JSON."""
        return json.dumps(sorted(self.frozen_hashes(model)))

    def frozen_hashes(self, model: str) -> set[str]:
        """The hashes of the prompts of all frozen sets."""
        sets = self._database.rows("SELECT cases FROM evaluation_sets WHERE model = ?", (model,))
        cases = (case for row in sets for case in json.loads(row["cases"]))
        return {prompt_hash(from_dicts(case["messages"])) for case in cases}


def _pooled(row: Any) -> PooledPrompt:
    return PooledPrompt(
        row["id"], row["prompt_hash"], json.loads(row["messages"]), row["origin"], row["source_id"],
        row["output_type"], datetime.fromisoformat(row["added_at"]), bool(row["answered"]), bool(row["frozen"]),
    )  # fmt: skip
