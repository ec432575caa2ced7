"""What the JSON Schemas (2020-12) of the formats are built of.

A schema cannot say who speaks last in a conversation, that text is free of halves of surrogate pairs, that a whole
number is written without a point, how deep an answer may be nested, or which text is a time. A field that is null
counts as absent.
"""

from collections.abc import Sequence

from adapterd.feedback.formats.answers import CORRECTION, OUTPUT, REJECTED
from adapterd.feedback.formats.feedback_format import Schema
from adapterd.record import FailureTag

_NO_NUL = r"^[^\u0000]*$"
_SAYS_SOMETHING = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"
_MAX_LABEL = 2**64 - 1

_NULL: Schema = {"type": "null"}
TEXT: Schema = {"type": "string", "pattern": _SAYS_SOMETHING}
_OPTIONAL_TEXT: Schema = {"type": ["string", "null"], "pattern": _SAYS_SOMETHING}


def record_of(fields: Schema, *answers: Schema) -> Schema:
    """A record with these fields of its own, by name, and with those that every format has.

    At least one answer has to be there: in a field of its own, or where one of the schemas `answers` allows it.
    """
    system = {"anyOf": [TEXT, {"enum": ["", None]}], "description": "The system prompt."}
    given = [_given(answer) for answer in (*OUTPUT, *CORRECTION, *REJECTED)]
    return {
        "type": "object",
        "properties": {"system": system, **fields},
        "allOf": [
            {"$ref": "#/components/schemas/Judgement"},
            _at_most_one(OUTPUT),
            {"anyOf": [*given, *answers]},
        ],
    }


def output_and_inputs() -> Schema:
    """The fields `output` (under each of its names) and `inputs`."""
    inputs = answer("What it was asked about; it is put below the last user turn.")
    return {**each(OUTPUT, answer("What the model answered.")), "inputs": inputs}


def not_all_given(names: Sequence[str]) -> Schema:
    """At least one of these fields is absent."""
    absent: list[Schema] = [{"properties": {name: _NULL}} for name in names]
    return absent[0] if len(absent) == 1 else {"anyOf": absent}


def judgement() -> Schema:
    """The fields that judge an answer, the same in every format."""
    tags = [str(tag) for tag in FailureTag]
    label: Schema = {
        "type": ["string", "integer", "null"],
        "pattern": _SAYS_SOMETHING,
        "minimum": -_MAX_LABEL,
        "maximum": _MAX_LABEL,
    }
    return {
        "description": "What is said about the answer, in every format.",
        "type": "object",
        "properties": {
            "rating": {"type": ["integer", "null"], "minimum": 1, "maximum": 5, "description": "1 (bad) to 5 (good)."},
            "failure_tags": {
                "description": "In which ways the answer was bad.",
                "anyOf": [{"type": "array", "items": {"enum": tags}}, {"enum": [*tags, None]}],
            },
            **each(CORRECTION, answer_that_says_something("What it should have answered.")),
            **each(REJECTED, answer("An answer that was worse.")),
            "correction_notes": {"type": ["string", "null"], "pattern": _NO_NUL},
            "source_id": {**label, "description": "The application's own name for what this is about."},
            "output_type": {**label, "description": "The application's own name for this kind of answer."},
            "created_at": {
                **_OPTIONAL_TEXT,
                "format": "date-time",
                "description": "ISO 8601; a date alone is taken, too, and UTC where no zone is named.",
            },
        },
        "allOf": [_at_most_one(CORRECTION), _at_most_one(REJECTED)],
    }


def conversation(speaker: str, content: str, speakers: list[str], users: list[str]) -> Schema:
    """A list of turns, of which the fields `speaker` and `content` are named so; `users` are names of the user."""
    no_call: Schema = {"enum": [None, [], {}, "", False, 0]}
    return {
        "description": "It ends with a user's turn, or with one of the assistant after it.",
        "type": "array",
        "minItems": 1,
        "contains": _turn_of(speaker, users),
        "items": {
            "type": "object",
            "required": [speaker, content],
            "properties": {
                speaker: {"enum": speakers},
                content: TEXT,
                "tool_calls": no_call,
                "function_call": no_call,
            },
        },
    }


def answer(description: str) -> Schema:
    """An answer: text, or a JSON object or list."""
    return {"type": ["string", "object", "array", "null"], "pattern": _NO_NUL, "description": description}


def answer_that_says_something(description: str) -> Schema:
    """An answer that is not blank."""
    return answer(description) | {"pattern": _SAYS_SOMETHING}


def each(names: Sequence[str], schema: Schema) -> Schema:
    """Fields that all have the same schema, by name."""
    return dict.fromkeys(names, schema)


def _at_most_one(names: Sequence[str]) -> Schema:
    """Names that mean the same: all of them but one are absent."""
    return {"anyOf": [{"properties": each([n for n in names if n != name], _NULL)} for name in names]}


def _given(name: str) -> Schema:
    return {"required": [name], "properties": {name: {"type": ["string", "object", "array"]}}}


def has_turn(name: str, speaker: str, speakers: list[str]) -> Schema:
    """The conversation in the field `name` has a turn of one of these speakers."""
    return {"properties": {name: {"contains": _turn_of(speaker, speakers)}}}


def _turn_of(speaker: str, speakers: list[str]) -> Schema:
    return {"type": "object", "required": [speaker], "properties": {speaker: {"enum": speakers}}}
