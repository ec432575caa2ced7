"""What the daemon could not read of the inboxes when it looked last, and why: the terminal may have other rights."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adapterd.store.database import Database


@dataclass(frozen=True)
class UnreadablePath:
    """A folder or file, the sentence why it cannot be read, and what to do about it (empty: nothing is known)."""

    path: str
    reason: str
    hint: str
    since: datetime


class Unreadable:
    """The unreadable table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, model: str) -> list[UnreadablePath]:
        """What the daemon cannot read of the model's inbox."""
        rows = self._database.rows(
            "SELECT path, reason, hint, since FROM unreadable WHERE model = ? ORDER BY path", (model,)
        )
        return [
            UnreadablePath(row["path"], row["reason"], row["hint"], datetime.fromisoformat(row["since"]))
            for row in rows
        ]

    def replace(self, model: str, found: Sequence[tuple[str, str, str]]) -> tuple[list[str], list[str]]:
        """Keep these (path, reason, hint) in the place of what was found before, writing only what is new or gone.

        Returns the paths that are new and those that can be read again.
        """
        before = {each.path: each for each in self.all(model)}
        now = {path: (reason, hint) for path, reason, hint in found}
        changed = [path for path, why in now.items() if path not in before or _why(before[path]) != why]
        gone = [path for path in before if path not in now]
        if changed or gone:
            with self._database.transaction():
                for path in gone:
                    self._database.execute("DELETE FROM unreadable WHERE model = ? AND path = ?", (model, path))
                for path in changed:
                    since = before[path].since.isoformat() if path in before else self._database.now()
                    self._database.execute(
                        "INSERT OR REPLACE INTO unreadable (model, path, reason, hint, since) VALUES (?, ?, ?, ?, ?)",
                        (model, path, *now[path], since),
                    )
        return [path for path in now if path not in before], gone


def _why(known: UnreadablePath) -> tuple[str, str]:
    return known.reason, known.hint
