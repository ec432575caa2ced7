"""Feedback: what was taken, what it teaches, and how it is taken back."""

import json
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from adapterd.dataset.statements import Teaching
from adapterd.errors import InputError, NotFoundError
from adapterd.intake.teaching import teachings_of
from adapterd.page.desk import Desk, go
from adapterd.page.forms import number
from adapterd.page.jobs import Report
from adapterd.page.rendering import rendered
from adapterd.removal.outliving import open_store
from adapterd.removal.remove import remove as remove_selection
from adapterd.removal.selection import Criteria, select
from adapterd.store.feedback import StoredFeedback

AT_ONCE = 50
LONGEST = 1_000
"""Characters of a text to look for."""


@dataclass(frozen=True)
class Row:
    """A record with its fields, and what it teaches."""

    stored: StoredFeedback
    record: dict[str, Any]
    teaching: Teaching

    @property
    def asked(self) -> str:
        """The last turn of its prompt."""
        return str(self.record["messages"][-1]["content"])


def show(desk: Desk) -> str:
    """GET /feedback/MODEL: the newest, or those with the text of `?text`; `?before` an id."""
    jobs = desk.jobs.of(_kind(desk))
    if "part" in desk.query:
        return rendered("removing", jobs=jobs)
    text, before = desk.query.get("text", "").strip(), desk.query.get("before", "")
    if len(text) > LONGEST:
        raise InputError(f"a text to look for has at most {LONGEST:,} characters, not {len(text):,}")
    limit = number(before) if before else None
    ids, rest = desk.store.feedback.ids.with_text(desk.model, text, before_id=limit, most=AT_ONCE + 1)
    found = list(desk.store.feedback.some(desk.model, ids))[::-1]
    more = found[AT_ONCE - 1].id if len(found) > AT_ONCE else rest
    return desk.page(
        "feedback", "Feedback", jobs=jobs, rows=_rows(desk, found[:AT_ONCE]), text=text,
        count=desk.store.feedback.count(desk.model), more=more,
        unusable=desk.store.feedback.quarantined_count(desk.model),
    )  # fmt: skip


def one(desk: Desk) -> str:
    """GET /feedback/MODEL/ID: a record."""
    found = list(desk.store.feedback.some(desk.model, [number(desk.path["record"])]))
    if not found:
        raise NotFoundError(f"{desk.model} has no record {desk.path['record']}")
    [row] = _rows(desk, found)
    return desk.page("record", f"Record {row.stored.id}", row=row)


def remove(desk: Desk) -> Response:
    """POST /feedback/MODEL/remove: take a record back for good, which takes a while where there are many."""
    home, settings, model, record = desk.home, desk.settings, desk.model, desk.form.text("record")

    def work(report: Report) -> str:
        with open_store(home) as store:
            selection = select(store, home, model, Criteria(ids=(record,)))
            done = remove_selection(
                store, home, settings, model, selection, progress=lambda _, share: report(round(100 * share), 100)
            )
        learned = f"; {', '.join(done.versions)} learned it or were judged by it" if done.versions else ""
        return f"record {record} is removed{learned}"

    desk.jobs.start(_kind(desk), record, work)
    return go(f"/feedback/{desk.model}")


def _kind(desk: Desk) -> str:
    return f"removal from {desk.model}"


def _rows(desk: Desk, found: list[StoredFeedback]) -> list[Row]:
    """What each of the records teaches, beside all others about the same prompts."""
    rows = desk.store.feedback.about(desk.model, {each.prompt_hash for each in found})
    taught = {row.id: teaching for row, teaching in zip(rows, teachings_of(rows), strict=True)}
    return [Row(each, json.loads(each.record), taught[each.id]) for each in found]
