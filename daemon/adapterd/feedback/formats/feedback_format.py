"""What a feedback format is, and what reading a record gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from adapterd.chat import Prompt
from adapterd.feedback.formats.options import ReadingOptions
from adapterd.record import FailureTag, FeedbackRecord

Fields = Mapping[str, object]
"""The fields of one record as it was handed in, without empty ones: null, '', and but for answers [] and {}."""
Schema = dict[str, Any]
"""A JSON Schema (2020-12)."""

GOOD, BAD = 5, 1
"""The ratings of a thumb up and of a thumb down."""


class Content(NamedTuple):
    """One prompt of a record, the answers to it, and what its own format says about them.

    At least one answer has to be there. `demonstration` is an answer that stands where the right one should: it counts
    as the correction, unless the record has a column for verdicts that nobody filled in, `is_unjudged` says so of its
    own place, or a weight says that it is not taught; then it is an output that nobody judged. What the record says in
    the fields that all formats share (`rating`, `created_at`, …) holds where the format says nothing. `metadata` has
    the names of what was kept aside inside of it.
    """

    prompt: Prompt
    output: str | None = None
    correction: str | None = None
    rejected_output: str | None = None
    demonstration: str | None = None
    is_unjudged: bool = False
    is_taught: bool = True
    rating: int | None = None
    failure_tags: tuple[FailureTag, ...] = ()
    correction_notes: str | None = None
    source_id: str | None = None
    output_type: str | None = None
    conversation_id: str | None = None
    created_at: object = None
    metadata: frozenset[str] = frozenset()


class Reading(NamedTuple):
    """What one value says.

    `records` are its statements; an answer that nobody judged is among them, with nothing but its `output`, if it is
    the only one of its value. `not_judged` counts all answers that nobody judged. `metadata` names the fields that were
    kept aside. `is_clamped` tells that the time of a record was later than its arrival.
    """

    records: tuple[FeedbackRecord, ...]
    format: str
    not_judged: int = 0
    metadata: frozenset[str] = frozenset()
    is_clamped: bool = False

    @property
    def passed_over(self) -> int:
        """How many of the answers that nobody judged are not among the records."""
        return 0 if len(self.records) == self.not_judged == 1 else self.not_judged


@dataclass(frozen=True)
class FeedbackFormat:
    """One format. A record is of the first format in the registry that fits it.

    `name` is that of its schema in the OpenAPI document. `marks` are the fields by which it is known; where they do not
    tell it from others, `looks_so` looks at the values. A format may be known by `columns` instead, whose names are not
    the same in every file: they are told to people, and `looks_so` finds them. `read` raises InputError with a sentence
    that names the field. `schema` describes the format's own fields (`schema.record_of`): its properties, and the names
    in `also`, are those that the format knows, with all that is in them. What is left over is subject to the rule for
    unknown fields, but for what is in `own`: fields that a record of this format has and that are not the same in every
    file; what is declared of them is left to the format. `example` is a whole record, as the documentation shows it.
    """

    name: str
    description: str
    marks: tuple[str, ...]
    read: Callable[[Fields, ReadingOptions], Sequence[Content]]
    schema: Schema
    example: Fields
    also: frozenset[str] = frozenset()
    looks_so: Callable[[Fields], bool] | None = field(default=None)
    columns: tuple[str, ...] = ()
    own: Callable[[Fields], frozenset[str]] = field(default=lambda _fields: frozenset())

    def fits(self, fields: Fields) -> bool:
        """Whether a record has the fields by which this format is known."""
        return self._marks <= fields.keys() and (self.looks_so is None or self.looks_so(fields))

    @cached_property
    def _marks(self) -> frozenset[str]:
        return frozenset(self.marks)

    @cached_property
    def known(self) -> frozenset[str]:
        """The names of the fields that this format reads, but for those that every format shares."""
        return frozenset((*self.schema["properties"], *self.also))
