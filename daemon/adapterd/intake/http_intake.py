"""The intake of posted records: all records of a post are stored, or none is.

There is no quarantine here. The application still has what it posted, and the reply says what is wrong with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adapterd.errors import InputError
from adapterd.feedback.formats import parse
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.feedback import NewFeedback

POSTED = "http"
"""The file name that the store keeps of posted records; the line is the place in the post, from 1."""


@dataclass(frozen=True)
class Posted:
    """What was stored: the content hash of every record in the order of the post, and how many were new."""

    ids: tuple[str, ...]
    accepted: int
    duplicates: int


@dataclass(frozen=True)
class RecordFault:
    """Why a record of a post cannot be used; `index` counts from 0, as applications do."""

    index: int
    reason: str


class FaultyRecordsError(InputError):
    """Records of a post cannot be used; `faults` names each."""

    def __init__(self, faults: Sequence[RecordFault], posted: int) -> None:
        super().__init__(
            f"{len(faults)} of {posted} records cannot be used; nothing was stored",
            hint="correct or leave out the records that are named, and post again",
        )
        self.faults = tuple(faults)


def take_posted(store: Store, model: str, values: Sequence[object]) -> Posted:
    """Store the records in these decoded JSON values in one transaction, each once however often it is posted.

    When it returns they are on the disk. Raises FaultyRecordsError, and StoreError where the store cannot be written.
    """
    received_at = store.clock()
    parsed = [_parsed(index, value, received_at) for index, value in enumerate(values)]
    faults = [one for one in parsed if isinstance(one, RecordFault)]
    if faults:
        raise FaultyRecordsError(faults, len(parsed))
    records = [one for one in parsed if isinstance(one, FeedbackRecord)]
    rows = [NewFeedback.of(record, POSTED, line) for line, record in enumerate(records, start=1)]
    with store.transaction():
        accepted = store.feedback.add_many(model, rows)
    return Posted(tuple(row.content_hash for row in rows), accepted, len(rows) - accepted)


def _parsed(index: int, value: object, received_at: datetime) -> FeedbackRecord | RecordFault:
    try:
        return parse(value, received_at=received_at)
    except InputError as exc:
        return RecordFault(index, str(exc))
