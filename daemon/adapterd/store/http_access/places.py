"""Where the daemon listens, or why it does not: written by it, read by `status` and `doctor`."""

from collections.abc import Iterable
from dataclasses import dataclass

from adapterd.store.database import Database


@dataclass(frozen=True)
class Place:
    """One place, `unix` or `tcp`: its address, and what is wrong with it if nothing can be had there."""

    place: str
    address: str
    fault: str | None = None
    hint: str | None = None


class Places:
    """The table of places."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, places: Iterable[Place]) -> None:
        """Let these be all places."""
        with self._database.transaction():
            self._database.execute("DELETE FROM http_places")
            self._database.execute_many(
                "INSERT INTO http_places VALUES (?, ?, ?, ?)",
                [(each.place, each.address, each.fault, each.hint) for each in places],
            )

    def all(self) -> list[Place]:
        """The places as they were said last, by the daemon that runs or ran."""
        return [Place(*row[:4]) for row in self._database.rows("SELECT * FROM http_places ORDER BY place")]
