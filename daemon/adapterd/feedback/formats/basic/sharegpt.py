"""ShareGPT's format: `conversations` with `from` and `value`; and conversations of questions with their answers."""

from collections.abc import Sequence

from adapterd.chat import Message, Role
from adapterd.errors import InputError
from adapterd.feedback import checks
from adapterd.feedback.formats import schema
from adapterd.feedback.formats.conversations import contents_of_turns, read_conversation
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields
from adapterd.feedback.formats.messages import Turn, TurnReader
from adapterd.feedback.formats.options import ReadingOptions
from adapterd.feedback.formats.unknown_fields import is_empty


def _read(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    return read_conversation(fields, "conversations", options)


def _has_pairs(fields: Fields) -> bool:
    """Whether the first turn of a conversation is a question with its answer."""
    given = fields.get("conversation")
    first = given[0] if isinstance(given, list) and given else None
    return isinstance(first, dict) and "input" in first and "output" in first


def _read_pairs(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    given, reader = fields["conversation"], TurnReader(options)
    items = given if isinstance(given, list) else [given]
    turns = [turn for place, item in enumerate(items) for turn in _pair(f"conversation[{place}]", item, reader, place)]
    return contents_of_turns(fields, "conversation", turns, reader, options)


def _pair(name: str, item: object, reader: TurnReader, place: int) -> list[Turn]:
    if not isinstance(item, dict):
        raise InputError(f"{name} must be an object with input and output, not {checks.shown(item)}")
    reader.aside.check(item, ("system", "input", "output"), reader.options, name)
    system = item.get("system")
    if not is_empty(system) and place:
        raise InputError(f"{name} has a system prompt; only the first of a conversation may")
    spoken = [(Role.SYSTEM, "system")] if not is_empty(system) else []
    spoken += [(Role.USER, "input"), (Role.ASSISTANT, "output")]
    return [Turn(Message(role, checks.text(f"{name}.{key}", item.get(key)))) for role, key in spoken]


SHAREGPT = FeedbackFormat(
    name="ShareGPT",
    description="ShareGPT's: a conversation as `conversations`, of `from` and `value`.",
    marks=("conversations",),
    read=_read,
    schema=schema.record_of(
        {"conversations": schema.CONVERSATION, **schema.output_and_inputs()}, schema.has_turn("conversations")
    ),
    example={"conversations": [{"from": "human", "value": "Who met?"}, {"from": "gpt", "value": "The council."}]},
)
INPUT_OUTPUT_CONVERSATION = FeedbackFormat(
    name="Pairs",
    description="XTuner's: a `conversation` of questions, each with its answer.",
    marks=("conversation",),
    looks_so=_has_pairs,
    read=_read_pairs,
    schema=schema.record_of({"conversation": {"type": "array", "minItems": 1}}, {"required": ["conversation"]}),
    example={"conversation": [{"system": "Be brief.", "input": "Who met?", "output": "The council."}]},
)
