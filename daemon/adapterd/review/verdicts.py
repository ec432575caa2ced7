"""What a person says of a captured answer: a feedback record like any other, and the note that it was judged."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from adapterd.capture.captures import Capture
from adapterd.capture.in_feedback import FIELD
from adapterd.capture.passthrough.capture_id import chance_of
from adapterd.capture.recording import SAMPLE
from adapterd.errors import InputError, NotFoundError
from adapterd.evidence.chosen_by_chance import NOT_OF_THE_SAMPLE
from adapterd.intake.http_intake import FaultyRecordsError, Posted, take_posted
from adapterd.record import FailureTag
from adapterd.review.frame import Frame
from adapterd.review.queue import Item
from adapterd.store import Store
from adapterd.store.reviews.reviews import Outcome, Review, Slice

GOOD_FROM = 4
"""A rating from which on an answer is good."""


@dataclass(frozen=True)
class Verdict:
    """What is said: a rating of 1 to 5, failure tags, what the answer should have been, and why. An empty one says
    nothing, and the answer is skipped."""

    rating: int | None = None
    tags: tuple[FailureTag, ...] = ()
    correction: str | None = None
    notes: str | None = None

    @property
    def outcome(self) -> Outcome:
        """Whether the answer is good or bad by it; one that says nothing skips it."""
        if self.tags or self.correction or (self.rating is not None and self.rating < GOOD_FROM):
            return Outcome.BAD
        return Outcome.GOOD if self.rating is not None else Outcome.SKIPPED

    def as_record(self, capture: Capture) -> dict[str, Any]:
        """As an application would post it. It is of the time of the answer, so that it is told whose answer it was."""
        given = {
            "rating": self.rating, "failure_tags": [str(tag) for tag in self.tags], "correction": self.correction,
            "correction_notes": self.notes,
        }  # fmt: skip
        at = datetime.fromtimestamp(capture.at, UTC).isoformat()
        return {FIELD: capture.id, "created_at": at, **{name: value for name, value in given.items() if value}}


def give(frame: Frame, item: Item, verdict: Verdict) -> Posted | None:
    """Keep what is said of an item, in one transaction: feedback, and that it was judged. None where it is skipped.

    Raises InputError for a verdict that feedback cannot have, and for an answer that was judged already.
    """
    return give_all(frame, [(item, verdict)])


def give_all(frame: Frame, given: Sequence[tuple[Item, Verdict]]) -> Posted | None:
    """Keep verdicts on several items, all or none."""
    store, model = frame.store, frame.model
    last_id, now = store.feedback.last_id(model), store.clock()
    said = [(item, verdict) for item, verdict in given if verdict.outcome is not Outcome.SKIPPED]
    with store.transaction():
        posted = _posted(frame, said) if said else None
        names = dict(zip((item.capture.id for item, _ in said), posted.ids if posted else (), strict=True))
        new = store.feedback.ids.of_contents(model, names.values(), after_id=last_id)
        for item, verdict in given:
            capture = item.capture.id
            record = name if (name := names.get(capture)) in new else None
            chance = chance_of(capture) if item.capture.kept == SAMPLE else NOT_OF_THE_SAMPLE
            review = Review(capture, item.slice, item.why, verdict.outcome, record, chance, item.chosen_at, now)
            if not store.reviews.add(model, review):
                raise InputError("this answer was judged already", hint="undo that first, to judge it anew")
    return posted


def undo_last(store: Store, model: str) -> Review:
    """Take back what was said last, with what was said alike in the same moment; returns the review, or the first of
    these.

    The record goes as if it had never come: unlike after `feedback remove` it may be given again. Raises NotFoundError
    where nothing was judged, and InputError where something rests on it already: a run, or evidence.
    """
    reviews = store.reviews.all(model)
    if not reviews:
        raise NotFoundError("nothing was judged yet that could be undone")
    last = reviews[-1]
    is_group = last.slice is Slice.GROUP
    together = [each for each in reviews if is_group and (each.why, each.at) == (last.why, last.at)] or [last]
    records = [each.record for each in together if each.record]
    ids = store.feedback.ids.of_contents(model, records).values()
    run = store.runs.latest(model)
    if store.comparisons.of_records(model, records) or (run and any(each <= run.last_feedback_id for each in ids)):
        raise InputError(
            "a run or the evidence on a version rests on it already", hint=f"adapterctl feedback remove -m {model}"
        )
    with store.transaction():
        for each in together:
            store.reviews.forget(model, each.capture)
        store.feedback.forget(ids)
    return together[0]


def _posted(frame: Frame, said: Sequence[tuple[Item, Verdict]]) -> Posted:
    captures = {item.capture.id: item.capture for item, _ in said}
    values = [verdict.as_record(item.capture) for item, verdict in said]
    try:
        return take_posted(frame.store, frame.model, values, find=captures.get, counted=False)
    except FaultyRecordsError as exc:
        raise InputError(f"this cannot be kept: {exc.faults[0].reason}") from exc


def grouped(item: Item, why: str) -> Item:
    """An item that is mended as another one was."""
    return replace(item, slice=Slice.GROUP, why=why)
