"""All formats in the order in which they are tried, and what follows from them: the parser and the JSON Schema."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from adapterd.errors import InputError
from adapterd.feedback import checks
from adapterd.feedback.formats import schema
from adapterd.feedback.formats.alpaca import ALPACA
from adapterd.feedback.formats.feedback_format import FeedbackFormat, Fields, Schema
from adapterd.feedback.formats.native import NATIVE
from adapterd.feedback.formats.openai_chat import OPENAI_CHAT
from adapterd.feedback.formats.sharegpt import SHAREGPT
from adapterd.record import FeedbackRecord

FORMATS: tuple[FeedbackFormat, ...] = (
    SHAREGPT,
    OPENAI_CHAT,
    NATIVE,
    ALPACA,
)
"""A record that has the marks of several formats is of the first of them."""

T = TypeVar("T")


def format_of(fields: Fields) -> FeedbackFormat:
    """The format of a record's fields, null ones left out; raises InputError if it is of none."""
    for each in FORMATS:
        if each.fits(fields):
            return each
    *most, last = (" with ".join(each.marks) for each in FORMATS)
    raise InputError(f"none of {', '.join(most)} and {last} is there")


def is_record(value: dict[str, object]) -> bool:
    """Whether a JSON object has the marks of any format."""
    fields = _present(value)
    return any(each.fits(fields) for each in FORMATS)


def parse(value: object, *, received_at: datetime, now: datetime | None = None) -> FeedbackRecord:
    """The record in a decoded JSON value; raises InputError with a sentence that says why there is none.

    `received_at` (aware) stands in where the value has no `created_at`, or one later than `now` (`received_at` unless
    it is given): nothing is created after it arrived, so a clock that is ahead, or a lie, gains nothing by it.
    """
    fields = _present(value)
    content = format_of(fields).read(fields)
    if content.output is None and content.correction is None and content.rejected_output is None:
        raise InputError("there is nothing to train on: no output, correction or rejected_output")
    return FeedbackRecord(
        content.prompt,
        output=content.output,
        rating=checks.rating(fields["rating"]) if "rating" in fields else None,
        failure_tags=checks.failure_tags(fields["failure_tags"]) if "failure_tags" in fields else (),
        correction=content.correction,
        correction_notes=_named(fields, "correction_notes", checks.any_text),
        rejected_output=content.rejected_output,
        source_id=_named(fields, "source_id", checks.label),
        output_type=_named(fields, "output_type", checks.label),
        created_at=_created_at(fields, received_at, now or received_at),
    )


def record_schemas() -> dict[str, Schema]:
    """Schemas by name, `Record` among them; they refer to one another as components of an OpenAPI document.

    They say what `parse` accepts, as far as a schema can.
    """
    return {
        "Record": {
            "description": "One answer of the model and what is known of it, in one of several formats. A field that "
            "is null counts as absent, and fields that are not named here are ignored. Without `created_at`, or "
            "with one later than its arrival, a record is as old as its arrival.",
            "anyOf": [{"$ref": f"#/components/schemas/{each.name}"} for each in FORMATS],
        },
        "Judgement": schema.judgement(),
        **{each.name: _whole_schema(each, FORMATS[:place]) for place, each in enumerate(FORMATS)},
    }


def _whole_schema(chosen: FeedbackFormat, earlier: tuple[FeedbackFormat, ...]) -> Schema:
    """The schema of a format: its marks are there, and those of no earlier format."""
    return {
        **chosen.schema,
        "description": chosen.description,
        "required": list(chosen.marks),
        "allOf": [*chosen.schema["allOf"], *(schema.not_all_given(each.marks) for each in earlier)],
    }


def _present(value: object) -> Fields:
    if not isinstance(value, dict):
        raise InputError(f"a record must be a JSON object, not {checks.shown(value)}")
    return {name: field for name, field in value.items() if field is not None} if None in value.values() else value


def _named(fields: Fields, name: str, read: Callable[[str, object], T]) -> T | None:
    return read(name, fields[name]) if name in fields else None


def _created_at(fields: Fields, received_at: datetime, now: datetime) -> datetime:
    given = _named(fields, "created_at", checks.moment)
    return given if given is not None and given <= now else min(received_at, now)
