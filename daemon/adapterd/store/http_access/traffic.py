"""Posts and refusals, counted by day: a line of the history for each application and kind of refusal."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from http import HTTPStatus

from adapterd.store.database import Database
from adapterd.store.events import Events

POSTED = "http.posted"
REFUSED = "http.refused"
WITHOUT_TOKEN = ""
"""Stands for the application where somebody posted over the Unix socket and showed no token."""


@dataclass(frozen=True)
class Posts:
    """The posts of an application over all days, and the records in them that were new."""

    posts: int
    records: int
    last_at: datetime | None


class Traffic:
    """The tables of posts and refusals; days are those of local time."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events

    def add_post(self, application: str | None, model: str, records: int) -> None:
        """Count a post with so many new records; belongs into the transaction that stores them."""
        name, day = application or WITHOUT_TOKEN, self._today().isoformat()
        row = self._database.row(
            "SELECT * FROM http_posts WHERE day = ? AND application = ? AND model = ?", (day, name, model)
        )
        posts, total = (row["posts"] + 1, row["records"] + records) if row else (1, records)
        who = application or "without a token, over the Unix socket"
        text = f"{who}: {_counted(posts, 'post')}, {_counted(total, 'new record')}"
        detail = {"application": application, "posts": posts, "records": total}
        event = self._say(row["event"] if row else None, POSTED, text, detail, model)
        self._database.execute(
            "INSERT OR REPLACE INTO http_posts VALUES (?, ?, ?, ?, ?, ?, ?)",
            (day, name, model, posts, total, self._database.now(), event),
        )

    def add_refusals(self, counts: Mapping[int, int]) -> None:
        """Count so many refused requests of each HTTP status."""
        day = self._today().isoformat()
        with self._database.transaction():
            for status, count in counts.items():
                row = self._database.row("SELECT * FROM http_refusals WHERE day = ? AND status = ?", (day, status))
                total = count + (row["refusals"] if row else 0)
                text = f"refused over HTTP: {named(status)}, {_counted(total, 'time')}"
                event = self._say(row["event"] if row else None, REFUSED, text, {"status": status, "refusals": total})
                self._database.execute(
                    "INSERT OR REPLACE INTO http_refusals VALUES (?, ?, ?, ?)", (day, status, total, event)
                )

    def posts(self) -> dict[str, Posts]:
        """The posts of each application; of those without a token under the empty name."""
        rows = self._database.rows(
            """SELECT application, sum(posts) AS posts, sum(records) AS records, max(last_at) AS last_at
               FROM http_posts GROUP BY application ORDER BY application"""
        )
        return {
            row["application"]: Posts(row["posts"], row["records"], datetime.fromisoformat(row["last_at"]))
            for row in rows
        }

    def refusals_since_yesterday(self) -> dict[str, int]:
        """How many requests were refused yesterday and today, by status and its name, such as `401 Unauthorized`."""
        rows = self._database.rows(
            "SELECT status, sum(refusals) FROM http_refusals WHERE day >= ? GROUP BY status ORDER BY status",
            ((self._today() - timedelta(days=1)).isoformat(),),
        )
        return {named(status): count for status, count in rows}

    def _say(
        self, event: int | None, kind: str, text: str, detail: Mapping[str, object], model: str | None = None
    ) -> int:
        if event is None:
            return self._events.add(kind, text, model=model, detail=detail)
        self._events.change(event, text, detail)
        return event

    def _today(self) -> date:
        return self._database.clock().astimezone().date()


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def named(status: int) -> str:
    """A status with its name: `401 Unauthorized`."""
    return f"{status} {HTTPStatus(status).phrase}"
