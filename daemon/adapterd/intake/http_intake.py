"""The intake of posted records: all records of a post are stored, or none is.

There is no quarantine here. The application still has what it posted, and the reply says what is wrong with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from adapterd.capture.in_feedback import Find, with_capture
from adapterd.errors import AdapterdError, InputError
from adapterd.feedback.clocks_ahead import ReadRecord, TimesOfPlaces
from adapterd.feedback.formats import Reading, ReadingOptions, parse
from adapterd.intake.teaching import TeachingCounts, teachings_since
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.feedback import NewFeedback
from adapterd.store.origin import POSTED

DEFAULT_OPTIONS = ReadingOptions()


@dataclass(frozen=True)
class Posted:
    """What was stored: the content hash of every record in the order of the post, how many were new, how many were
    taken back earlier and are not taken again (`removed`), and what the new ones teach now, with all that was said
    before of the same prompts."""

    ids: tuple[str, ...]
    accepted: int
    duplicates: int
    removed: int = 0
    teaches: TeachingCounts = field(default_factory=TeachingCounts)

    def as_dict(self) -> dict[str, object]:
        """Plain values, for the reply."""
        counts = {name: value for name, value in vars(self.teaches).items() if name != "refused_for"}
        return {**vars(self), "ids": list(self.ids), "teaches": counts}


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


class RevokedError(AdapterdError):
    """The token was revoked while the post was on its way."""


def take_posted(
    store: Store,
    model: str,
    values: Sequence[object],
    options: ReadingOptions = DEFAULT_OPTIONS,
    application: str | None = None,
    find: Find = lambda _: None,
    *,
    counted: bool = True,
) -> Posted:
    """Store the records in these decoded JSON values in one transaction, each once however often it is posted.

    `options` are the model's settings for reading feedback. `application` is the one whose token the post has: it is
    the application of every record, whatever a record says; without a token the record is believed, as one in a file.
    `find` tells the captures that records name in the place of a prompt and an answer. What a person says on the page
    is not `counted` as a post of an application.

    When it returns they are on the disk. Raises FaultyRecordsError, RevokedError where the application's token does not
    count any more, and StoreError where the store cannot be written.
    """
    received_at = store.clock()
    parsed = [_parsed(index, value, received_at, options, find) for index, value in enumerate(values)]
    faults = [one for one in parsed if isinstance(one, RecordFault)]
    if faults:
        raise FaultyRecordsError(faults, len(parsed))
    readings = [one for one in parsed if isinstance(one, Reading)]
    records = [
        each for line, reading in enumerate(readings, start=1) for each in ReadRecord.all_of(reading, line, received_at)
    ]
    placed = TimesOfPlaces().placed(records)
    rows = [
        NewFeedback.of(_sent_by(application, each.record), POSTED, each.line, dated=each.is_dated) for each in placed
    ]
    last_id = store.feedback.last_id(model)
    with store.transaction():
        _require_not_revoked(store, application)
        allowed, removed = store.removals.divide(model, rows)
        accepted = store.feedback.add_many(model, allowed)
        if counted:
            store.http_traffic.add_post(application, model, accepted)
    passed_over = sum(reading.passed_over for reading in readings)
    teaches = TeachingCounts.of(teachings_since(store, model, last_id), not_judged=passed_over)
    ids = tuple(row.content_hash for row in rows)
    return Posted(ids, accepted, len(allowed) - accepted, len(removed), teaches)


def _require_not_revoked(store: Store, application: str | None) -> None:
    known = store.http_tokens.get(application) if application else None
    if known and known.revoked_at:
        raise RevokedError(f"the token of {application} was revoked")


def _sent_by(application: str | None, record: FeedbackRecord) -> FeedbackRecord:
    """The record as one of this application; what it says itself is kept where that is another name."""
    if application in (None, record.application):
        return record
    return replace(record, application=application, claimed_application=record.application)


def _parsed(
    index: int, value: object, received_at: datetime, options: ReadingOptions, find: Find
) -> Reading | RecordFault:
    try:
        return parse(with_capture(value, find), options=options, received_at=received_at)
    except InputError as exc:
        return RecordFault(index, str(exc))
