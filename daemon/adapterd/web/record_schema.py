"""The JSON Schema (2020-12) of a record: what `feedback/formats` accepts, as far as a schema can say it.

It cannot say who speaks last in a conversation, that text is free of halves of surrogate pairs, that a whole number is
written without a point, how deep an answer may be nested, or which text is a time. A field that is null counts as
absent.
"""

from collections.abc import Sequence
from typing import Any

from adapterd.chat import Role
from adapterd.feedback.formats import CORRECTION, OUTPUT, REJECTED
from adapterd.record import FailureTag

Schema = dict[str, Any]

_NO_NUL = r"^[^\u0000]*$"
_SAYS_SOMETHING = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"
_MAX_LABEL = 2**64 - 1

_NULL: Schema = {"type": "null"}
_TEXT: Schema = {"type": "string", "pattern": _SAYS_SOMETHING}
_OPTIONAL_TEXT: Schema = {"type": ["string", "null"], "pattern": _SAYS_SOMETHING}


def record_schemas() -> dict[str, Schema]:
    """Schemas by name, `Record` among them; they refer to one another as components of an OpenAPI document."""
    return {
        "Record": {
            "description": "One answer of the model and what is known of it, in one of four shapes. A field that is "
            "null counts as absent, and fields that are not named here are ignored. Without `created_at`, or "
            "with one later than its arrival, a record is as old as its arrival.",
            "anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in _shapes()],
        },
        "Judgement": _judgement(),
        **_shapes(),
    }


def _shapes() -> dict[str, Schema]:
    """The four shapes. A record that has the fields of several is read as the first of them."""
    return {"ShareGPT": _sharegpt(), "Chat": _chat(), "Native": _native(), "Alpaca": _alpaca()}


def _sharegpt() -> Schema:
    turns = _conversation("from", "value", [*map(str, Role), "human", "gpt"], ["user", "human"])
    fields = {"conversations": turns, **_said_and_inputs()}
    said = _has_turn("conversations", "from", ["assistant", "gpt"])
    return _shape("ShareGPT's conversations.", "conversations", (), fields, said)


def _chat() -> Schema:
    fields = {"messages": _conversation("role", "content", [*map(str, Role)], ["user"]), **_said_and_inputs()}
    said = _has_turn("messages", "role", ["assistant"])
    return _shape("OpenAI's messages.", "messages", ("conversations",), fields, said)


def _native() -> Schema:
    return _shape("Our own.", "prompt", ("conversations", "messages"), {"prompt": _TEXT, **_said_and_inputs()})


def _alpaca() -> Schema:
    said = _each(OUTPUT, _answer_that_says_something("What the model answered."))
    fields = {"instruction": _TEXT, "input": _answer("What it is about."), **said}
    return _shape("Alpaca's.", "instruction", ("conversations", "messages", "prompt"), fields)


def _said_and_inputs() -> Schema:
    inputs = _answer("What it was asked about; it is put below the last user turn.")
    return {**_each(OUTPUT, _answer("What the model answered.")), "inputs": inputs}


def _shape(description: str, name: str, absent: Sequence[str], fields: Schema, *teaches: Schema) -> Schema:
    """A shape that is known by one field, while others are absent. Something has to be there to learn from: an answer
    in a field of its own, or what `teaches` names."""
    system = {"anyOf": [_TEXT, {"enum": ["", None]}], "description": "The system prompt."}
    given = [_given(answer) for answer in (*OUTPUT, *CORRECTION, *REJECTED)]
    return {
        "description": description,
        "type": "object",
        "required": [name],
        "properties": {**_each(absent, _NULL), "system": system, **fields},
        "allOf": [
            {"$ref": "#/components/schemas/Judgement"},
            _at_most_one(OUTPUT),
            {"anyOf": [*given, *teaches]},
        ],
    }


def _judgement() -> Schema:
    tags = [str(tag) for tag in FailureTag]
    label: Schema = {
        "type": ["string", "integer", "null"],
        "pattern": _SAYS_SOMETHING,
        "minimum": -_MAX_LABEL,
        "maximum": _MAX_LABEL,
    }
    return {
        "description": "What is said about the answer, in every shape.",
        "type": "object",
        "properties": {
            "rating": {"type": ["integer", "null"], "minimum": 1, "maximum": 5, "description": "1 (bad) to 5 (good)."},
            "failure_tags": {
                "description": "In which ways the answer was bad.",
                "anyOf": [{"type": "array", "items": {"enum": tags}}, {"enum": [*tags, None]}],
            },
            **_each(CORRECTION, _answer_that_says_something("What it should have answered.")),
            **_each(REJECTED, _answer("An answer that was worse.")),
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


def _conversation(speaker: str, content: str, speakers: list[str], users: list[str]) -> Schema:
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
                content: _TEXT,
                "tool_calls": no_call,
                "function_call": no_call,
            },
        },
    }


def _answer(description: str) -> Schema:
    return {"type": ["string", "object", "array", "null"], "pattern": _NO_NUL, "description": description}


def _answer_that_says_something(description: str) -> Schema:
    return _answer(description) | {"pattern": _SAYS_SOMETHING}


def _each(names: Sequence[str], schema: Schema) -> Schema:
    return dict.fromkeys(names, schema)


def _at_most_one(names: Sequence[str]) -> Schema:
    """Names that mean the same: all of them but one are absent."""
    return {"anyOf": [{"properties": _each([n for n in names if n != name], _NULL)} for name in names]}


def _given(name: str) -> Schema:
    return {"required": [name], "properties": {name: {"type": ["string", "object", "array"]}}}


def _has_turn(name: str, speaker: str, speakers: list[str]) -> Schema:
    return {"properties": {name: {"contains": _turn_of(speaker, speakers)}}}


def _turn_of(speaker: str, speakers: list[str]) -> Schema:
    return {"type": "object", "required": [speaker], "properties": {speaker: {"enum": speakers}}}
