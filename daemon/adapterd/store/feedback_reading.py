"""How feedback files are read: what was said at their import, and with which options they were read last."""

from adapterd.store.database import Database


class FeedbackReading:
    """The feedback_reading table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def give(self, model: str, path: str, options: str) -> None:
        """Remember the options (JSON) that were given for a file, in place of earlier ones."""
        self._database.execute(
            """INSERT INTO feedback_reading (model, path, given) VALUES (?, ?, ?)
               ON CONFLICT DO UPDATE SET given = excluded.given""",
            (model, path, options),
        )

    def given(self, model: str) -> dict[str, str]:
        """The options that were given for files, by path."""
        rows = self._database.rows(
            "SELECT path, given FROM feedback_reading WHERE model = ? AND given IS NOT NULL", (model,)
        )
        return {row["path"]: row["given"] for row in rows}

    def note_read(self, model: str, path: str, digest: str) -> None:
        """Remember by which options a file was read; `digest` names them."""
        self._database.execute(
            """INSERT INTO feedback_reading (model, path, read_with) VALUES (?, ?, ?)
               ON CONFLICT DO UPDATE SET read_with = excluded.read_with""",
            (model, path, digest),
        )

    def read_with(self, model: str) -> dict[str, str | None]:
        """The digest of the options that each file was read with, by path.

        It is None for a file that a release without such options read and found fault with.
        """
        rows = self._database.rows(
            """SELECT path, read_with FROM feedback_files LEFT JOIN feedback_reading USING (model, path)
               WHERE model = ? AND (read_with IS NOT NULL OR quarantined > 0)""",
            (model,),
        )
        return {row["path"]: row["read_with"] for row in rows}
