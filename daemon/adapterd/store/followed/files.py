"""Which feedback files were read and how far, under which names: a log keeps its document when it is rotated."""

from collections.abc import Iterable, Sequence

from adapterd.store.database import Database
from adapterd.store.followed.file_read import FIELDS, FileRead, Stamp
from adapterd.store.origin import is_import, origin_of

MOST_CANDIDATES = 16


class FollowedFiles:
    """The feedback_files table, by path, by inode and by the name that a log has while it is written."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def stamp(self, model: str, path: str) -> tuple[Stamp, str | None, bool] | None:
        """Size and time of change of a file that was read, the options that it was read with (None: those of an
        earlier release), and whether anything of it is in quarantine; None of a file that was not read."""
        row = self._database.row(
            """SELECT size_bytes, mtime_ns, read_with, quarantined > 0
               FROM feedback_files LEFT JOIN feedback_reading USING (model, path) WHERE model = ? AND path = ?""",
            (model, path),
        )
        return ((row[0], row[1]), row[2], bool(row[3])) if row else None

    def of(self, model: str, path: str) -> FileRead | None:
        """The reading of this very file."""
        return self._one("path = ?", model, path)

    def of_inode(self, model: str, inode: str) -> FileRead | None:
        """The last reading of the file with this device and inode."""
        return self._one("inode = ? AND inode != '' ORDER BY read_at DESC", model, inode)

    def of_log(self, model: str, log: str) -> list[FileRead]:
        """The newest readings of files that have had this name while they were written."""
        rows = self._database.rows(
            f"""SELECT {FIELDS} FROM feedback_files WHERE model = ? AND log = ? AND log != '' AND position != ''
                ORDER BY read_at DESC LIMIT {MOST_CANDIDATES}""",  # noqa: S608 - of the names above
            (model, log),
        )
        return [FileRead(**dict(row)) for row in rows]

    def _one(self, condition: str, model: str, value: str) -> FileRead | None:
        row = self._database.row(
            f"SELECT {FIELDS} FROM feedback_files WHERE model = ? AND {condition} LIMIT 1",  # noqa: S608 - ours
            (model, value),
        )
        return FileRead(**dict(row)) if row else None

    def document(self, model: str, path: str) -> str:
        """What a file stands for: the document of its last reading, of a new file one that no rotated file has."""
        if row := self._database.row("SELECT document FROM feedback_files WHERE model = ? AND path = ?", (model, path)):
            return str(row[0])
        plain = origin_of(path).document
        if is_import(path) or self._one("document = ?", model, plain) is None:
            return plain
        number = 1
        while self._is_used(model, document := f"rotation:{number}:{path}"):
            number += 1
        return document

    def _is_used(self, model: str, document: str) -> bool:
        return any(
            self._database.row(f"SELECT 1 FROM {table} WHERE model = ? AND document = ?", (model, document))  # noqa: S608
            for table in ("feedback_files", "feedback")
        )

    def move(self, model: str, moves: Sequence[tuple[str, str]]) -> None:
        """Follow files to their new names, all at the same time; of a file whose name another one has taken, what is
        known stays under a name of its own. Belongs into a transaction."""
        moving = [(f"moving:{old}", new) for old, new in moves]
        for old, _ in moves:
            self._rename(model, old, f"moving:{old}")
        for old, new in moving:
            self.park(model, new)
            self._rename(model, old, new)

    def park(self, model: str, path: str) -> str:
        """Keep what is known of a file whose name another one has taken; returns under which name. Belongs into a
        transaction."""
        if self.of(model, path) is None:
            return path
        number = 1
        while self.of(model, parked := f"{path} (rotated away {number})"):
            number += 1
        self._rename(model, path, parked)
        return parked

    def _rename(self, model: str, old: str, new: str) -> None:
        for table in ("feedback_files", "feedback_reading"):
            self._database.execute(f"DELETE FROM {table} WHERE model = ? AND path = ?", (model, new))  # noqa: S608
            self._database.execute(
                f"UPDATE {table} SET path = ? WHERE model = ? AND path = ?",  # noqa: S608 - of the two names above
                (new, model, old),
            )
        self._database.execute(
            "UPDATE OR REPLACE quarantine SET file = ? WHERE model = ? AND file = ?", (new, model, old)
        )

    def copies_in_quarantine(self, model: str, file: str) -> Iterable[str]:
        """Where whole copies of a file are kept, to which notes refer."""
        rows = self._database.rows(
            "SELECT DISTINCT kept FROM quarantine WHERE model = ? AND file = ? AND kept NOT LIKE '%.raw'", (model, file)
        )
        return [row[0] for row in rows if row[0]]

    def move_copy(self, model: str, file: str, old: str, new: str) -> None:
        """Follow a whole copy in quarantine to its new name."""
        self._database.execute(
            "UPDATE OR REPLACE quarantine SET kept = ? WHERE model = ? AND file = ? AND kept = ?",
            (new, model, file, old),
        )
