"""Argilla's rows, as its data sets are written to Hugging Face's: fields beside what was answered to each question.

Version 2 has a column `QUESTION.responses` with the answers, one for each person, beside `QUESTION.responses.users` and
`QUESTION.responses.status`; version 1 has them as objects in a column of the question's own name. A suggestion
(`QUESTION.suggestion`, or `QUESTION-suggestion`) is no answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from adapterd.errors import InputError
from adapterd.feedback import checks, ways_on
from adapterd.feedback.formats import schema
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields, Schema
from adapterd.feedback.formats.options import ReadingOptions
from adapterd.feedback.formats.tools.argilla import is_taken, refuse_discarded
from adapterd.feedback.formats.tools.records import SHOWN, beside, shown
from adapterd.feedback.formats.tools.statements import QUESTION, Statement, person
from adapterd.feedback.formats.unknown_fields import is_empty, unpacked

_USERS, _STATUS = f"{QUESTION}.users", f"{QUESTION}.status"
_SUGGESTED = (".suggestion", ".suggestion.score", ".suggestion.agent", "-suggestion", "-suggestion-metadata")
_COLUMNS = (QUESTION, _USERS, _STATUS, *_SUGGESTED[:3])
_OF_A_RESPONSE = frozenset({"user_id", "value", "status"})


class _Answer(NamedTuple):
    """One person's answer to a question, and the column in which it stands."""

    who: object
    column: str
    value: object
    status: object


@beside
def _read(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    refuse_discarded(fields)
    asked = shown("", {name: value for name, value in fields.items() if name in SHOWN}, options)
    people: dict[object, Statement] = {}
    for column in _answered(fields):
        for place, each in enumerate(_answers(fields, column)):
            path = f"{column}[{place}]"
            if not is_empty(each.value) and is_taken(path, {"status": each.status}, fields.get("status")):
                people.setdefault(person(each.who), Statement(options)).take(column, path, each.value)
    contents = [said.content(asked.prompt, asked.output) for said in people.values()]
    if not contents and asked.output is not None:
        contents = [Content(asked.prompt, output=asked.output)]
    return [each._replace(metadata=frozenset(asked.aside.metadata)) for each in contents]


def _answered(fields: Fields) -> Iterator[str]:
    """The columns with answers of people."""
    return (name for name, value in fields.items() if name.endswith(QUESTION) or has_responses(value))


def _answers(fields: Fields, column: str) -> Iterator[_Answer]:
    value = unpacked(fields[column])
    if not column.endswith(QUESTION):
        for said in _as_objects(value):
            yield _Answer(said.get("user_id"), column, said.get("value"), said.get("status"))
        return
    question = column.removesuffix(QUESTION)
    values = _list(column, value)
    users = _beside(fields, f"{question}{_USERS}", values)
    statuses = _beside(fields, f"{question}{_STATUS}", values)
    for place, (each, user, status) in enumerate(zip(values, users, statuses, strict=True)):
        yield _Answer(place if is_empty(user) else user, column, each, status)


def _list(column: str, value: object) -> list[object]:
    """A column's values: a list, or the only one of it; raises InputError for a list as Python prints it."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{") and unpacked(value) is value:
        raise InputError(
            f"{column} is {checks.shown(value)}, a list as Python prints it: write the rows as JSON Lines, with "
            f"to_json; {ways_on.if_nothing(column)}"
        )
    return value if isinstance(value, list) else [value]


def _beside(fields: Fields, column: str, values: Sequence[object]) -> Sequence[object]:
    """What stands beside each of the values; raises InputError where there are more or fewer."""
    if column not in fields:
        return [None] * len(values)
    found = _list(column, unpacked(fields[column]))
    if len(found) != len(values):
        raise InputError(f"{column} has {len(found)} entries for {len(values)} answers")
    return found


def has_responses(value: object) -> bool:
    """Whether a column has version 1's responses: objects, or one object of lists."""
    if isinstance(value, str):
        return '"user_id"' in value and bool(_as_objects(unpacked(value)))
    if isinstance(value, list):
        return bool(value) and isinstance(value[0], dict) and "user_id" in value[0] and bool(_as_objects(value))
    return isinstance(value, dict) and "user_id" in value and bool(_as_objects(value))


def _as_objects(value: object) -> list[Mapping[str, object]]:
    if isinstance(value, list) and value and isinstance(value[0], dict) and "user_id" in value[0]:
        return value if all(isinstance(each, dict) and each.keys() == _OF_A_RESPONSE for each in value) else []
    if not isinstance(value, dict) or value.keys() != _OF_A_RESPONSE:
        return []
    lists = [value[name] for name in ("user_id", "value", "status")]
    if not all(isinstance(each, list) for each in lists) or len(set(map(len, lists))) != 1:
        return []
    return [dict(zip(("user_id", "value", "status"), each, strict=True)) for each in zip(*lists, strict=True)]


def _own(fields: Fields) -> frozenset[str]:
    """The columns of questions; those of suggestions are known, and not read."""
    return frozenset(
        name
        for name, value in fields.items()
        if name.endswith(_COLUMNS) or has_responses(value) or (name.endswith(_SUGGESTED) and _is_of_v1(name, fields))
    )


def _is_of_v1(name: str, fields: Fields) -> bool:
    question = next(name.removesuffix(end) for end in reversed(_SUGGESTED) if name.endswith(end))
    return question in fields


def is_row(fields: Fields) -> bool:
    """Whether a record has a column of Argilla's."""
    return any(name.endswith(_COLUMNS) or has_responses(value) for name, value in fields.items())


_RESPONSES: Schema = {"type": "object", "required": sorted(_OF_A_RESPONSE)}
_OBJECTS: Schema = {"anyOf": [_RESPONSES, {"type": "array", "minItems": 1, "items": _RESPONSES}]}
_ANY_COLUMN: Schema = {
    "anyOf": [
        {"not": {"propertyNames": {"not": {"pattern": r"\.(responses|suggestion)$"}}}},
        {"not": {"additionalProperties": {"not": _OBJECTS}}},
    ]
}
_ROW = schema.record_of({"status": {}}, {"minProperties": 2})
_SCHEMA: Schema = {**_ROW, "allOf": [*_ROW["allOf"], _ANY_COLUMN]}
ARGILLA_ROW = FeedbackFormat(
    name="ArgillaRow",
    description="Argilla's rows in a data set of Hugging Face: fields beside `QUESTION.responses`, with their `.users` "
    "and `.status`, or beside version 1's objects; suggestions are no answers.",
    marks=(),
    columns=(f"*{QUESTION}", f"*{_USERS}", f"*{_STATUS}"),
    looks_so=is_row,
    read=_read,
    schema=_SCHEMA,
    example={
        "prompt": "Who met?",
        "response": "The mayor.",
        "status": "completed",
        "correction.responses": ["The council."],
        "correction.responses.users": ["u"],
        "correction.responses.status": ["submitted"],
        "correction.suggestion": "The mayor.",
    },
    also=frozenset((*SHOWN, "external_id", "_server_id", "inserted_at", "vectors")),
    own=_own,
)
