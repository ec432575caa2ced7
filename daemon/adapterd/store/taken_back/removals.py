"""What was taken back: which removals were begun, the hashes that stay, and the versions that knew the records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapterd.record import FeedbackRecord
from adapterd.store.database import Database
from adapterd.store.new_feedback import NewFeedback

RECORD, PIECE, TEXT, FILE = "record", "piece", "text", "file"
"""What is being removed: the JSON of a record, a piece that is in quarantine, a text wherever it stands, all that came
from a file."""


@dataclass(frozen=True)
class Removal:
    """One removal that was begun: of how many records and pieces in quarantine, why, and when."""

    id: int
    model: str
    why: str
    records: int
    pieces: int
    begun_at: datetime


@dataclass(frozen=True)
class BeingRemoved:
    """Something whose text has not gone everywhere yet: its `kind`, its text, and where it came from."""

    kind: str
    text: str
    file: str
    line: int


@dataclass(frozen=True)
class VersionMark:
    """How many removed records a version was trained on, themselves or by what a teacher made of them, and by how many
    it was judged."""

    learned: int
    judged: int


class Removals:
    """The tables of what was taken back. A removal is begun, cleaned (its text is in no place any more) and done (nor
    on a free page of the database); until it is cleaned the table `removing` has what is to be looked for."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[int, frozenset[str]]] = {}

    def begin(
        self,
        model: str,
        why: str,
        *,
        going: Sequence[BeingRemoved],
        hashes: Iterable[str],
        versions: Mapping[str, VersionMark],
    ) -> int:
        """Note a removal, the hashes that must not be taken again, and the versions concerned; returns its id."""
        counts = [sum(each.kind == kind for each in going) for kind in (RECORD, PIECE)]
        cursor = self._database.execute(
            "INSERT INTO removals (model, why, records, pieces, state, begun_at) VALUES (?, ?, ?, ?, 'begun', ?)",
            (model, why, *counts, self._database.now()),
        )
        removal = int(cursor.lastrowid or 0)
        self._database.execute_many(
            "INSERT OR IGNORE INTO removed_statements VALUES (?, ?, ?)", [(model, each, removal) for each in hashes]
        )
        self._database.execute_many(
            "INSERT INTO removing VALUES (?, ?, ?, ?, ?)",
            [(removal, each.kind, each.text, each.file, each.line) for each in going],
        )
        self._database.execute_many(
            "INSERT INTO versions_of_removed VALUES (?, ?, ?, ?, ?)",
            [(model, version, removal, mark.learned, mark.judged) for version, mark in versions.items()],
        )
        return removal

    def bar(self, model: str, hashes: Iterable[str]) -> None:
        """Note more hashes that must not be taken again, with the model's newest removal."""
        self._database.execute_many(
            "INSERT OR IGNORE INTO removed_statements SELECT ?1, ?2, max(id) FROM removals WHERE model = ?1",
            [(model, each) for each in hashes],
        )

    def forget(self, model: str, hashes: Iterable[str]) -> None:
        """What has these hashes may be taken again."""
        self._database.execute_many(
            "DELETE FROM removed_statements WHERE model = ? AND hash = ?", [(model, each) for each in hashes]
        )
        self._known.pop(model, None)

    def unfinished(self) -> list[Removal]:
        """Removals that were begun and are not done, oldest first, of all models."""
        rows = self._database.rows(
            "SELECT id, model, why, records, pieces, begun_at FROM removals WHERE state != 'done' ORDER BY id"
        )
        return [Removal(**{**dict(row), "begun_at": datetime.fromisoformat(row["begun_at"])}) for row in rows]

    def going(self, removal: int) -> list[BeingRemoved]:
        """What a removal has still to look for; nothing once it is cleaned."""
        rows = self._database.rows("SELECT kind, text, file, line FROM removing WHERE removal = ?", (removal,))
        return [BeingRemoved(**dict(row)) for row in rows]

    def cleaned(self, removal: int) -> None:
        """Note that the text is in no place any more, and forget it."""
        with self._database.transaction():
            self._database.execute("DELETE FROM removing WHERE removal = ?", (removal,))
            self._database.execute("UPDATE removals SET state = 'cleaned' WHERE id = ?", (removal,))

    def done(self, removal: int) -> None:
        """Note that the text is not on a free page of the database either."""
        self._database.execute(
            "UPDATE removals SET state = 'done', finished_at = ? WHERE id = ?", (self._database.now(), removal)
        )

    def last_begun(self, model: str, why: str) -> datetime | None:
        """When the newest removal for that reason was begun."""
        row = self._database.row("SELECT max(begun_at) FROM removals WHERE model = ? AND why = ?", (model, why))
        return datetime.fromisoformat(row[0]) if row and row[0] else None

    def hashes(self, model: str) -> frozenset[str]:
        """The hashes of everything of the model that was taken back."""
        row = self._database.row("SELECT count(*) FROM removed_statements WHERE model = ?", (model,))
        count = row[0] if row else 0
        if self._known.get(model, (0, None))[0] != count:
            rows = self._database.rows("SELECT hash FROM removed_statements WHERE model = ?", (model,))
            self._known[model] = count, frozenset(row["hash"] for row in rows)
        return self._known[model][1] if count else frozenset()

    def all_hashes(self) -> dict[str, frozenset[str]]:
        """The hashes of everything that was taken back, by model."""
        rows = self._database.rows("SELECT DISTINCT model FROM removed_statements ORDER BY model")
        return {row["model"]: self.hashes(row["model"]) for row in rows}

    def divide(self, model: str, records: Sequence[NewFeedback]) -> tuple[list[NewFeedback], list[NewFeedback]]:
        """The records that may be taken, and those that were taken back earlier; belongs into the transaction that
        stores the former."""
        hashes = self.hashes(model)
        if not hashes:
            return list(records), []
        allowed: list[NewFeedback] = []
        removed: list[NewFeedback] = []
        for each in records:
            (removed if self._is_removed(model, each, hashes) else allowed).append(each)
        return allowed, removed

    def _is_removed(self, model: str, row: NewFeedback, hashes: frozenset[str]) -> bool:
        """Whether the record, or another of the same prompt and answers, was taken back; one that is stored stays."""
        if row.content_hash in hashes:
            return True
        if FeedbackRecord.from_json(row.record).statement_hash not in hashes:
            return False
        stored = """SELECT 1 FROM feedback
                    WHERE substr(content_hash, 1, 12) = substr(?2, 1, 12) AND model = ?1 AND +content_hash = ?2"""
        return self._database.row(stored, (model, row.content_hash)) is None

    def marks(self, model: str) -> dict[str, VersionMark]:
        """The versions of the model that were trained on removed records or judged by them."""
        rows = self._database.rows(
            "SELECT version, sum(learned), sum(judged) FROM versions_of_removed WHERE model = ? GROUP BY version",
            (model,),
        )
        return {version: VersionMark(learned, judged) for version, learned, judged in rows}
