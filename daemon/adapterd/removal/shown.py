"""One record as `adapterctl feedback show` shows it: all of it, where it came from, and where it was used."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapterd.dataset.statements import Teaching, resolve
from adapterd.record import FeedbackRecord
from adapterd.removal.remove import versions_with
from adapterd.store import Store
from adapterd.store.feedback import StoredFeedback
from adapterd.store.taken_back.removals import VersionMark

WITHDRAWN = "withdrawn"
"""What a record is that is no longer in force."""


@dataclass(frozen=True)
class ShownRecord:
    """A record with its origin, what it teaches among all records and the reason where that is nothing, the numbers of
    the frozen sets that it is in, and the versions that know it."""

    id: int
    content_hash: str
    record: dict[str, Any]
    origin: str
    application: str | None
    file: str
    line: int
    created_at: datetime
    received_at: datetime
    teaches: tuple[str, ...]
    reason: str
    evaluation_sets: tuple[int, ...]
    versions: dict[str, VersionMark]


def shown(store: Store, model: str, row: StoredFeedback) -> ShownRecord:
    """Everything that is known of a record."""
    record = FeedbackRecord.from_json(row.record)
    hashes = {row.content_hash, record.content_hash}
    sets = store.evaluation_sets.all(model)
    teaching = _teaching(store, model, row)
    return ShownRecord(
        id=row.id,
        content_hash=row.content_hash,
        record=json.loads(row.record),
        origin=row.origin,
        application=row.application,
        file=row.file,
        line=row.line,
        created_at=row.created_at,
        received_at=row.received_at,
        teaches=tuple(map(str, teaching.uses)) or (WITHDRAWN,),
        reason=teaching.reason,
        evaluation_sets=tuple(each.number for each in sets if any(case["record"] in hashes for case in each.cases)),
        versions=versions_with(store, model, [row]),
    )


def _teaching(store: Store, model: str, row: StoredFeedback) -> Teaching:
    """What the record is used for, or that it is no longer in force."""
    rows = store.feedback.all(model)
    place = next((place for place, each in enumerate(rows) if each.id == row.id), None)
    if place is None:
        return Teaching((), "its file says something else now")
    return resolve(FeedbackRecord.from_json(each.record) for each in rows).teachings[place]
