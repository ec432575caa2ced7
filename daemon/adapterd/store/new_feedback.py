"""A feedback record on its way into the store."""

from datetime import datetime
from typing import NamedTuple, Self

from adapterd.record import FeedbackRecord


class NewFeedback(NamedTuple):
    """A record to be stored; `record` is its whole JSON, the other fields are what lists and triage search by.

    `dated` tells that the record itself says when it was created. `repeats` is the id of the same statement in another
    document, which this one stands in for should that be withdrawn.
    """

    content_hash: str
    prompt_hash: str
    record: str
    created_at: datetime
    file: str
    line: int
    output_type: str | None = None
    source_id: str | None = None
    rating: int | None = None
    failure_tags: tuple[str, ...] = ()
    notes: str | None = None
    application: str | None = None
    dated: bool = False
    repeats: int | None = None

    @classmethod
    def of(cls, record: FeedbackRecord, file: str, line: int, *, dated: bool = False) -> Self:
        """The row of a record that came from a line of a file."""
        return cls(
            record.content_hash,
            record.prompt_hash,
            record.to_json(),
            record.created_at,
            file,
            line,
            record.output_type,
            record.source_id,
            record.rating,
            record.failure_tags,
            record.correction_notes,
            record.application,
            dated,
        )
