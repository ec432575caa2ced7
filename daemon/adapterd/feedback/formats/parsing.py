"""One JSON value to the records that it holds, by its format, by what was said of its fields, and by the rule for those
that nobody knows."""

import difflib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from adapterd.config import FeedbackSettings
from adapterd.errors import InputError
from adapterd.feedback import checks, ways_on
from adapterd.feedback.formats import registry
from adapterd.feedback.formats.answers import CORRECTION, JUDGEMENT, OUTPUT, REJECTED, SHARED, refuse_synthetic
from adapterd.feedback.formats.declared.paths import Way, as_declared
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields, Reading
from adapterd.feedback.formats.field_names import snake
from adapterd.feedback.formats.messages import is_taught
from adapterd.feedback.formats.options import ReadingOptions
from adapterd.feedback.formats.plain.records import read_plain
from adapterd.feedback.formats.ratings import rating_in
from adapterd.feedback.formats.unknown_fields import Aside, is_empty
from adapterd.feedback.formats.verdict_values import VERDICT_FREE, is_a_verdict
from adapterd.feedback.moments import TIME_NAMES, time_in, times_among
from adapterd.feedback.ways_on import OurFieldError
from adapterd.record import FailureTag, FeedbackRecord

_MAY_BE_EMPTY = (*JUDGEMENT, "weight", "loss")
"""The columns that say, where they are empty, that nobody has judged the answer."""
_ANSWERS = frozenset((*OUTPUT, *CORRECTION, *REJECTED, "completion", "response", "answer"))
_NOTHING: tuple[object, ...] = (None, "", [], {})
_KNOWN: dict[str, frozenset[str]] = {}
_DEFAULT = ReadingOptions()
_SAID_BESIDE = SHARED - {"system"}
"""The fields that are taken out of the objects of a tool's export when they are declared: they judge the answer."""
_MIDDLE = 3
"""Ratings above it say that an answer is good."""


def parse(
    value: object, *, received_at: datetime, options: ReadingOptions = _DEFAULT, now: datetime | None = None
) -> Reading:
    """What a decoded JSON value says; raises InputError with a sentence that says why it cannot be used.

    `received_at` (aware) stands in where the value has no time, or one later than `now` (`received_at` unless it is
    given): nothing is created after it arrived, so a clock that is ahead, or a lie, gains nothing by it.
    """
    if options.is_default and (plain := read_plain(value, received_at, now or received_at)):
        return plain
    try:
        return _read_at_length(value, received_at, options, now or received_at)
    except RecursionError as exc:
        raise InputError("the record is nested too deeply") from exc
    except OurFieldError as exc:
        raise exc.named(lambda ours: _path_of(ours, value, options)) from exc


def _path_of(ours: str, value: object, options: ReadingOptions) -> str:
    """Where a field of ours stands in a record: where it was declared to be, unless the record has it itself."""
    is_own = isinstance(value, dict) and ours in value and not is_empty(value[ours])
    return ours if is_own else options.path_of(ours)


def _read_at_length(value: object, received_at: datetime, options: ReadingOptions, now: datetime) -> Reading:
    """The same by looking at everything."""
    given = _as_ours(value, options)
    fields = _present(given)
    chosen, given, fields = _format_of(given, fields)
    rating = rating_in(fields, options)  # first: one beyond its scale says something about the whole file
    aside = Aside()
    known = _known(chosen)
    if not given.keys() <= known:
        aside.check(given, known.union(times_among(fields), chosen.own(given)), options)
    if len(fields) != len(given):
        aside.is_unjudged |= any(name in given and name not in fields for name in _MAY_BE_EMPTY)
    refuse_synthetic(fields)
    contents = chosen.read(fields, options)
    if not is_taught(fields):
        contents = [_not_taught(each) for each in contents]
    if aside.is_unjudged:
        contents = [each._replace(is_unjudged=True) if each.demonstration is not None else each for each in contents]
    if len(contents) == 1:
        return _of_one(
            fields,
            contents[0],
            rating,
            aside,
            chosen.name,
            _time(_timed(fields, contents[0]), received_at, now),
        )
    times = [_time(_timed(fields, each), received_at, now) for each in contents]
    records = [_record(fields, each, rating, time) for each, (time, _) in zip(contents, times, strict=True)]
    judged = [record for record in records if _is_judged(record)]
    metadata = frozenset(aside.metadata).union(*(each.metadata for each in contents))
    is_clamped = any(clamped for _, clamped in times)
    return Reading(tuple(_of_one_conversation(judged)), chosen.name, len(records) - len(judged), metadata, is_clamped)


def _of_one(
    fields: Fields, content: Content, rating: int | None, aside: Aside, name: str, time: tuple[datetime, bool]
) -> Reading:
    """What a value says that has one content, as nearly all have."""
    record = _record(fields, content, rating, time[0])
    metadata = content.metadata | aside.metadata if aside.metadata else content.metadata
    return Reading((record,), name, 0 if _is_judged(record) else 1, metadata, time[1])


def reading_options(settings: FeedbackSettings) -> ReadingOptions:
    """The settings of a model's feedback as options for reading it; raises InputError for one that cannot be."""
    options = ReadingOptions.of(settings.fields, settings.scale, settings.ignore, settings.turns)
    return checked(options)


def checked(options: ReadingOptions) -> ReadingOptions:
    """The same options; raises InputError if they name a field of ours that there is not."""
    unknown = sorted(options.fields.keys() - _all_names())
    if unknown:
        near = difflib.get_close_matches(unknown[0], _all_names(), n=1)
        raise InputError(
            f"{checks.shown(unknown[0])} is none of our fields",
            hint=f"did you mean {near[0]}?"
            if near
            else "docs/feedback-formats.md lists them; ours = theirs, as in rating = score",
        )
    return options


def _as_ours(value: object, options: ReadingOptions) -> Fields:
    """The fields of a record under the names that the options give them; raises InputError."""
    if not isinstance(value, dict):
        raise InputError(f"a record must be a JSON object, not {checks.shown(value)}")
    if not options.fields and not options.ignore:
        return value

    def way(ours: str, theirs: str) -> Way:
        """What is done with a declared field; in a tool's export not all is to be moved out of its objects."""
        if "." not in theirs and not isinstance(value.get(theirs), list | dict):
            return Way.MOVED
        fields = _present(value)
        tool = registry.tool_of(fields)
        if tool is None:
            return Way.MOVED
        if ours in _SAID_BESIDE and theirs in tool.own(fields):
            return Way.LEFT
        return Way.MOVED if ours in _SAID_BESIDE or "." not in theirs else Way.RENAMED

    return as_declared(value, options, way)


def _present(given: Fields) -> Fields:
    """The fields that say something; an answer may well be an empty list or object."""
    for name, field in given.items():
        if type(field) is str and field and not field.isspace():
            continue
        if (not field or isinstance(field, str)) and _is_blank(name, field):
            return {name: field for name, field in given.items() if not _is_blank(name, field)}
    return given


def _is_blank(name: str, field: object) -> bool:
    if isinstance(field, str):
        return not field or (name not in _ANSWERS and field.isspace())
    return field is None or (not field and field in _NOTHING and name not in _ANSWERS)


def _format_of(given: Fields, fields: Fields) -> tuple[FeedbackFormat, Fields, Fields]:
    """The format, and the fields under its own names where only capitals or hyphens differ: `Rating`, `failureTags`."""
    try:
        chosen = registry.format_of(fields, given)
    except InputError:
        spelled = _spelled(given, _all_names())
        if spelled is given:
            _refuse_empty_mark(given, fields)
            raise
        fields = _present(spelled)
        return registry.format_of(fields), spelled, fields
    known = _known(chosen)
    if given.keys() <= known:
        return chosen, given, fields
    spelled = _spelled(given, known)
    return (chosen, given, fields) if spelled is given else (chosen, spelled, _present(spelled))


def _refuse_empty_mark(given: Fields, fields: Fields) -> None:
    """Raise InputError if a field by which a format is known is there, and empty."""
    for each in registry.FORMATS:
        if len(each.marks) == 1 and each.marks[0] in given and each.marks[0] not in fields:
            raise InputError(f"{each.marks[0]} is empty")


def _known(chosen: FeedbackFormat) -> frozenset[str]:
    """The names of all fields that a format reads."""
    if chosen.name not in _KNOWN:
        _KNOWN[chosen.name] = chosen.known | SHARED
    return _KNOWN[chosen.name]


def _all_names() -> frozenset[str]:
    return SHARED.union(*(each.known for each in registry.FORMATS))


def _spelled(given: Fields, names: frozenset[str]) -> Fields:
    """The fields under our spelling of their names; raises InputError if one is then there twice."""
    is_usual = len(given) <= _USUAL_FIELDS and max(map(len, given), default=0) <= _USUAL_NAME
    spelling = (_usual_spelling if is_usual else _spelling)(tuple(given), names)
    return given if spelling is None else dict(zip(spelling, given.values(), strict=True))


def _spelling(given: tuple[str, ...], names: frozenset[str]) -> tuple[str, ...] | None:
    """Our spelling of the names of fields, None if it is theirs; raises InputError if one is then there twice."""
    renamed: dict[str, None] = {}
    theirs = frozenset(given)
    for name in given:
        ours = name if name in names else _SYNONYMS.get(snake(name), snake(name))
        known = ours if ours in names or (ours in TIME_NAMES and ours not in theirs) else name
        if known in renamed or (known != name and known in theirs):
            raise InputError(f"{checks.field(name)} and {known} are both given; they mean the same")
        renamed[known] = None
    return None if tuple(renamed) == given else tuple(renamed)


_USUAL_FIELDS, _USUAL_NAME = 50, 50
"""The spelling of so many fields at most, of names of so many characters, is remembered."""
_usual_spelling = lru_cache(maxsize=1024)(_spelling)


_SYNONYMS: Mapping[str, str] = {"system_prompt": "system"}


def _not_taught(content: Content) -> Content:
    """A content of a record whose weight is 0; raises InputError if it says more than what the model answered."""
    if content.correction is not None or content.rejected_output is not None:
        raise InputError("the weight says that the record does not teach, and it has a better or a worse answer")
    return content._replace(is_taught=False)


def _record(fields: Fields, content: Content, rating: int | None, time: datetime) -> FeedbackRecord:
    output, correction = content.output, content.correction
    if content.demonstration is not None:
        is_example = content.is_taught and not content.is_unjudged
        output, correction = (None, content.demonstration) if is_example else (content.demonstration, None)
    if output is None and correction is None and content.rejected_output is None:
        raise InputError("there is nothing to train on: no output, correction or rejected_output")
    _refuse_verdict_names(fields if content.output_type is None else {**fields, "output_type": content.output_type})
    rating = content.rating if content.rating is not None else rating
    if not content.is_taught and rating is not None and rating > _MIDDLE and correction is None:
        raise InputError("the answer is rated as good, and its weight says that it does not teach")
    return FeedbackRecord(
        content.prompt,
        output=output,
        rating=rating,
        failure_tags=content.failure_tags or _failure_tags(fields),
        correction=correction,
        correction_notes=_named(fields, "correction_notes", content.correction_notes, checks.any_text),
        rejected_output=content.rejected_output,
        source_id=_named(fields, "source_id", content.source_id, checks.label),
        output_type=_named(fields, "output_type", content.output_type, checks.label),
        conversation_id=_named(fields, "conversation_id", content.conversation_id, checks.label),
        application=_application(fields),
        created_at=time,
    )


def _refuse_verdict_names(fields: Fields) -> None:
    """Raise InputError if a name of ours, such as that of the kind of answer, has a verdict as its value."""
    for name in VERDICT_FREE:
        value = fields.get(name)
        if isinstance(value, str) and is_a_verdict(name, value):
            raise _could_be_verdict(name, value)


def _could_be_verdict(name: str, value: str) -> InputError:
    return OurFieldError(
        lambda path_of: (
            f"{ways_on.shown(path_of(name))} is {checks.shown(value)}, which could be a verdict, and should be a name: "
            f"a verdict is given as rating or label; {ways_on.if_nothing(path_of(name))}"
        )
    )


def _failure_tags(fields: Fields) -> tuple[FailureTag, ...]:
    return checks.failure_tags(fields["failure_tags"]) if "failure_tags" in fields else ()


def _application(fields: Fields) -> str | None:
    """The name of the application that says so; what is no text names none."""
    if "application" not in fields and "app" not in fields:
        return None
    given = (fields.get("application"), fields.get("app"))
    return next((checks.label("application", each) for each in given if isinstance(each, str)), None)


def _is_judged(record: FeedbackRecord) -> bool:
    return (
        record.rating is not None
        or record.correction is not None
        or record.rejected_output is not None
        or record.correction_notes is not None
        or bool(record.failure_tags)
    )


def _of_one_conversation(records: Sequence[FeedbackRecord]) -> Sequence[FeedbackRecord]:
    """Records of one value belong together: without the id of a conversation they get that of their first turn."""
    if len(records) < 2 or all(record.conversation_id for record in records):
        return records
    begin = hashlib.sha256(records[0].messages[0].content.encode()).hexdigest()[:16]
    return [replace(record, conversation_id=record.conversation_id or begin) for record in records]


def _named(fields: Fields, name: str, found: str | None, read: Callable[[str, object], str]) -> str | None:
    """What a format found elsewhere, else the field of that name; raises InputError for what the store cannot take."""
    if found:
        return checks.any_text(name, found)
    return read(name, fields[name]) if name in fields else None


def _timed(fields: Fields, content: Content) -> Fields:
    """The fields in which the time of a content stands: its own, else that of the record."""
    return fields if content.created_at is None else {"created_at": content.created_at}


def _time(fields: Fields, received_at: datetime, now: datetime) -> tuple[datetime, bool]:
    """When a record was made, and whether it says that it will be made later than now."""
    given = time_in(fields)
    if given is None or given > now:
        return min(received_at, now), given is not None
    return given, False
