"""What was found in records when they were scanned for secrets and personal data, and which of them were released.

A row belongs to the content of a record, not to a row of feedback: the same statement is scanned once. It has kinds and
places, never the text.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapterd.store.database import Database

Findings = Sequence[Sequence[str | int]]
"""Kind, field, first character and end of each finding."""


@dataclass(frozen=True)
class Unscanned:
    """A record that the scanner in use has not seen."""

    content_hash: str
    record: str


@dataclass(frozen=True)
class WithFindings:
    """A record in which something was found; `released` if somebody said that it may be taught."""

    id: int
    content_hash: str
    record: str
    file: str
    line: int
    findings: Findings
    released: bool


_UNSCANNED = """model = ?1 AND withdrawn_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM screenings s
    WHERE s.model = ?1 AND s.content_hash = feedback.content_hash AND s.scanner = ?2
)"""


class Screenings:
    """The screenings table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unscanned(self, model: str, scanner: int, most: int) -> list[Unscanned]:
        """Records in force of the model that this scanner has not seen, each once, at most so many."""
        rows = self._database.rows(
            f"SELECT content_hash, record FROM feedback WHERE {_UNSCANNED} ORDER BY id LIMIT ?3",  # noqa: S608
            (model, scanner, most),
        )
        return [Unscanned(*row) for row in dict(map(tuple, rows)).items()]

    def count_unscanned(self, model: str, scanner: int) -> int:
        """How many records of the model this scanner has not seen."""
        row = self._database.row(
            f"SELECT count(DISTINCT content_hash) FROM feedback WHERE {_UNSCANNED}",  # noqa: S608
            (model, scanner),
        )
        return int(row[0]) if row else 0

    def add(self, model: str, scanner: int, found: Iterable[tuple[str, Findings]]) -> None:
        """Note what was found in records, by their content hash; what was released stays so."""
        self._database.execute_many(
            """INSERT INTO screenings (model, content_hash, scanner, findings) VALUES (?, ?, ?, ?)
               ON CONFLICT DO UPDATE SET scanner = excluded.scanner, findings = excluded.findings""",
            ((model, content_hash, scanner, json.dumps(findings)) for content_hash, findings in found),
        )

    def with_findings(self, model: str) -> list[WithFindings]:
        """The records in force in which something was found, each once, in the order of arrival."""
        rows = self._database.rows(
            """SELECT max(f.id), f.content_hash, f.record, f.file, f.line, s.findings, s.released_at IS NOT NULL
               FROM screenings s CROSS JOIN feedback f ON substr(f.content_hash, 1, 12) = substr(s.content_hash, 1, 12)
               AND f.model = s.model AND f.content_hash = s.content_hash
               WHERE s.model = ? AND s.findings != '[]' AND f.withdrawn_at IS NULL
               GROUP BY f.content_hash ORDER BY max(f.id)""",
            (model,),
        )
        return [
            WithFindings(number, content_hash, record, file, line, json.loads(findings), bool(released))
            for number, content_hash, record, file, line, findings, released in rows
        ]

    def arrivals(self, model: str, content_hashes: Iterable[str], *, last_id: int) -> list[datetime]:
        """When those of the records came that are in force and have no higher id, the oldest first."""
        rows = self._database.rows(
            """SELECT min(received_at) FROM json_each(?2) CROSS JOIN feedback
                   ON substr(content_hash, 1, 12) = substr(value, 1, 12)
                   AND model = ?1 AND content_hash = value AND withdrawn_at IS NULL AND +feedback.id <= ?3
               GROUP BY value ORDER BY 1""",
            (model, json.dumps(sorted(set(content_hashes))), last_id),
        )
        return [datetime.fromisoformat(row[0]) for row in rows]

    def release(self, model: str, content_hashes: Iterable[str]) -> None:
        """Note that these records may be taught, whatever was found in them."""
        self._database.execute_many(
            "UPDATE screenings SET released_at = ? WHERE model = ? AND content_hash = ? AND released_at IS NULL",
            [(self._database.now(), model, content_hash) for content_hash in content_hashes],
        )

    def forget(self, model: str, content_hashes: Iterable[str]) -> None:
        """Remove what is known of these records."""
        self._database.execute_many(
            "DELETE FROM screenings WHERE model = ? AND content_hash = ?",
            [(model, content_hash) for content_hash in content_hashes],
        )
