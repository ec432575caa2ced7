"""Which records of feedback have a content, or a text in them."""

import json
import re
from collections.abc import Iterable

from adapterd.store.database import Database

SEARCHED = 20_000
"""So many of the newest records are looked through for a text at once."""


class FeedbackIds:
    """Finds records by what is in them; each is told by its id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_contents(self, model: str, contents: Iterable[str], *, after_id: int = 0) -> dict[str, int]:
        """The newest record of each of these content hashes, where there is one after the given id."""
        rows = self._database.rows(
            """SELECT value, max(feedback.id) AS id FROM json_each(?2) JOIN feedback
               ON substr(content_hash, 1, 12) = substr(value, 1, 12) AND +model = ?1 AND content_hash = value
               WHERE feedback.id > ?3 GROUP BY value""",
            (model, json.dumps(list(contents)), after_id),
        )
        return {row["value"]: row["id"] for row in rows}

    def with_text(self, model: str, text: str, *, before_id: int | None, most: int) -> tuple[list[int], int | None]:
        """The newest records in force with this text (case of ASCII letters does not matter), all for an empty one,
        before an id if one is given; in the order of arrival. SEARCHED are looked at: where there are more, the id
        before which the next search goes on, else None."""
        in_json = json.dumps(text, ensure_ascii=False)[1:-1]
        looked_at = "SELECT * FROM feedback_in_force WHERE model = ?1 AND (?2 IS NULL OR id < ?2) ORDER BY id DESC"
        end = self._database.rows(
            f"SELECT id FROM ({looked_at} LIMIT 1 OFFSET ?3)",  # noqa: S608 (a text of this module)
            (model, before_id, SEARCHED - 1),
        )
        rows = self._database.rows(
            f"""SELECT id FROM ({looked_at} LIMIT ?3)
                WHERE ?4 = '' OR record LIKE '%' || ?4 || '%' ESCAPE '!' LIMIT ?5""",  # noqa: S608 (as above)
            (model, before_id, SEARCHED, re.sub(r"([!%_])", r"!\1", in_json), most),
        )
        return [row["id"] for row in reversed(rows)], end[0]["id"] if end else None
