"""What the JSON Schemas (2020-12) of the formats are built of.

They allow whatever is taken, and more: a schema cannot say who speaks last in a conversation, that text is free of
halves of surrogate pairs, how deep an answer may be nested, which text is a time, or which names of other fields could
be those of a verdict.
"""

from collections.abc import Sequence

from adapterd.chat import Role
from adapterd.feedback.formats.answers import CORRECTION, OUTPUT, REJECTED, SYNTHETIC
from adapterd.feedback.formats.conversations import INPUTS
from adapterd.feedback.formats.feedback_format import Schema
from adapterd.feedback.formats.messages import ROLES
from adapterd.feedback.formats.ratings import THUMBS
from adapterd.record import FailureTag

_NO_NUL = r"^[^\u0000]*$"
_SAYS_SOMETHING = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"
_MAX_LABEL = 2**64 - 1

TEXT: Schema = {"type": "string", "pattern": _SAYS_SOMETHING}
CONVERSATION: Schema = {
    "description": "Turns with `role` and `content`, or with `from` and `value`. They end with a user's turn, or "
    "with one of the assistant after it.",
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "anyOf": [{"required": ["role", "content"]}, {"required": ["from", "value"]}],
        "properties": {name: {"enum": [*ROLES]} for name in ("role", "from")},
    },
}
PROMPT: Schema = {"description": "What was asked: text, or turns.", "anyOf": [TEXT, CONVERSATION]}
_ASSISTANT = [name for name, role in ROLES.items() if role is Role.ASSISTANT]


def record_of(fields: Schema, *answers: Schema) -> Schema:
    """A record with these fields of its own, by name, and with those that every format has.

    At least one answer has to be there: in a field of its own, or where one of the schemas `answers` allows it.
    """
    system = optional({"type": "string", "pattern": _NO_NUL}, "The system prompt.")
    given = [_given(name) for name in (*OUTPUT, *CORRECTION, *REJECTED)]
    return {
        "type": "object",
        "properties": {"system": system, **fields},
        "allOf": [{"$ref": "#/components/schemas/Judgement"}, {"anyOf": [*given, *answers]}],
    }


def inputs() -> Schema:
    """The fields that have what a prompt is about, and the turns before it."""
    about = answer("What is asked about; it is put below the last user turn.")
    history = {"description": "Earlier turns, as pairs of a question and its answer."}
    return {**each(INPUTS, about), "history": history}


def output_and_inputs() -> Schema:
    """The fields `output` (under each of its names), and those that have what the prompt is about."""
    return {**each(OUTPUT, answer("What the model answered.")), **inputs()}


def judgement() -> Schema:
    """The fields that judge an answer, the same in every format."""
    label: Schema = {"type": ["string", "number"], "minimum": -_MAX_LABEL, "maximum": _MAX_LABEL}
    return {
        "description": "What is said about the answer, in every format.",
        "type": "object",
        "properties": {
            "rating": optional(
                {"type": ["number", "string"]}, "1 (bad) to 5 (good), or a number on the scale that is stated."
            ),
            "rating_scale": {"description": "The best rating, or a scale as in `1..10`."},
            **each(THUMBS, {"description": "Whether the answer is good: true or false, `up` or `down`."}),
            SYNTHETIC: {"description": "true: a model made the record; it is refused."},
            "weight": {"description": "0: the answer is not to be trained on."},
            "failure_tags": optional(
                {"type": ["array", "string"]}, f"In which ways the answer was bad: {', '.join(FailureTag)}."
            ),
            **each(CORRECTION, answer("What it should have answered.")),
            **each(REJECTED, answer("An answer that was worse.")),
            "correction_notes": optional({"type": "string", "pattern": _NO_NUL}, "Why it was corrected."),
            "source_id": optional(label, "The application's own name for what this is about."),
            "output_type": optional(label, "The application's own name for this kind of answer."),
            "conversation_id": optional(label, "The application's own name for the conversation."),
            "application": {"description": "The name of the application that says so."},
            "created_at": {"description": "When it was said: ISO 8601, RFC 2822, or seconds since 1970."},
        },
    }


def optional(schema: Schema, description: str) -> Schema:
    """A field that may be empty, which is as if it were not there."""
    empty = {"type": "array", "items": {"enum": [None, ""]}}
    return {"description": description, "anyOf": [schema, {"enum": [None, "", {}]}, empty]}


def answer(description: str) -> Schema:
    """An answer: text, or any JSON."""
    return {"description": description, "anyOf": [{"type": "string", "pattern": _NO_NUL}, {"not": {"type": "string"}}]}


def each(names: Sequence[str], schema: Schema) -> Schema:
    """Fields that all have the same schema, by name."""
    return dict.fromkeys(names, schema)


def has_turn(name: str) -> Schema:
    """The conversation in the field `name` has a turn of the assistant."""
    says: list[Schema] = [{"required": [who], "properties": {who: {"enum": _ASSISTANT}}} for who in ("role", "from")]
    return {"properties": {name: {"contains": {"anyOf": says}}}}


def _given(name: str) -> Schema:
    return {"required": [name], "properties": {name: {"not": {"enum": [None, ""]}}}}
