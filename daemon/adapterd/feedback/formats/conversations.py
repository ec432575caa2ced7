"""Reading a prompt: turns of a conversation, a system prompt, and what the prompt is about."""

from collections.abc import Callable

from adapterd.chat import Message, Prompt, Role
from adapterd.config.choices import FeedbackTurns
from adapterd.errors import InputError
from adapterd.feedback import checks
from adapterd.feedback.formats.answers import JUDGEMENT, content_of, refuse_output
from adapterd.feedback.formats.feedback_format import Content, Fields
from adapterd.feedback.formats.messages import Turn, TurnReader, are_messages, messages
from adapterd.feedback.formats.options import ReadingOptions
from adapterd.feedback.formats.ratings import rating_in
from adapterd.feedback.formats.unknown_fields import unpacked

INPUTS = ("inputs", "input", "context", "contexts")
"""Names of what a prompt is about; it is put below the last user turn."""
_INPUTS = frozenset(INPUTS)
_JUDGED_BY = frozenset(JUDGEMENT)


def read_conversation(fields: Fields, name: str, options: ReadingOptions) -> list[Content]:
    """The contents of a record whose field `name` is a list of turns.

    The last answer is judged by the fields of the record. With `turns` "judged" each earlier one that has a weight of
    its own teaches as well.
    """
    reader = TurnReader(options)
    return contents_of_turns(fields, name, reader.turns(name, fields[name]), reader, options)


def contents_of_turns(
    fields: Fields, name: str, given: list[Turn], reader: TurnReader, options: ReadingOptions
) -> list[Content]:
    """The same for turns that are read already."""
    check_order(name, given)
    system = [*system_of(fields, name, messages(given)), *history_of(fields)]
    *before, last = given
    answer = last if last.message.role is Role.ASSISTANT else None
    if answer is not None:
        refuse_output(fields, name)
    asked = messages(before if answer else given)
    prompt = tuple(with_inputs([*system, *asked], fields))
    content = content_of(fields, prompt, answer.message.content if answer else None)
    found = [content._replace(is_taught=False) if answer and answer.is_taught is False else content]
    if options.turns is FeedbackTurns.JUDGED:
        found = [*_earlier(system, given, before, options), *found]
    return [finished(each, reader) for each in found]


def check_order(name: str, given: list[Turn]) -> None:
    """Raise InputError unless a user's turn stands before the answer that a conversation ends with."""
    last = given[-1].message.role
    if last is Role.ASSISTANT and len(given) > 1 and given[-2].message.role is Role.ASSISTANT:
        raise InputError(f"{name} ends with two answers in a row; which one is meant?")
    asked = given[:-1] if last is Role.ASSISTANT else given
    if not asked or asked[-1].message.role is not Role.USER:
        raise InputError(f"{name} must have a user turn before the answer")


def _earlier(system: list[Message], given: list[Turn], before: list[Turn], options: ReadingOptions) -> list[Content]:
    """What earlier answers say that have a verdict of their own: a weight of 1, or what was declared to be one."""
    said = messages(given)
    return [
        _of_turn((*system, *said[:place]), turn, options)
        for place, turn in enumerate(before)
        if turn.message.role is Role.ASSISTANT
        and (turn.is_taught or not _JUDGED_BY.isdisjoint(turn.said))
        and place
        and said[place - 1].role is Role.USER
    ]


def _of_turn(prompt: Prompt, turn: Turn, options: ReadingOptions) -> Content:
    said = turn.said
    content = content_of(said, prompt, turn.message.content)
    rating = rating_in(said, options)
    return content._replace(
        rating=content.rating if rating is None else rating,
        failure_tags=checks.failure_tags(said["failure_tags"]) if "failure_tags" in said else (),
        correction_notes=_named(said, "correction_notes", checks.any_text),
        source_id=_named(said, "source_id", checks.label),
        output_type=_named(said, "output_type", checks.label),
        is_taught=turn.is_taught is not False,
    )


def _named(said: Fields, name: str, read: Callable[[str, object], str]) -> str | None:
    return read(name, said[name]) if name in said else None


def finished(content: Content, reader: TurnReader) -> Content:
    """The content with what its reader kept aside."""
    aside = reader.aside
    if not aside.metadata and not aside.is_unjudged:
        return content
    return content._replace(
        is_unjudged=content.is_unjudged or aside.is_unjudged,
        metadata=content.metadata | aside.metadata,
    )


def prompt_of(fields: Fields, name: str, options: ReadingOptions) -> tuple[Prompt, TurnReader]:
    """The prompt in a field that is text or a list of messages, with the system prompt and what it is about."""
    reader, value = TurnReader(options), fields[name]
    value = unpacked(value) if are_messages(value) else value
    if isinstance(value, list):
        turns = messages(reader.turns(name, value))
        if turns[-1].role is not Role.USER:
            raise InputError(f"{name} must end with a user turn")
    else:
        turns = [Message(Role.USER, checks.text(name, value))]
    system = system_of(fields, name, turns)
    earlier = history_of(fields)
    return tuple(with_inputs([*system, *earlier, *turns], fields)), reader


def system_of(fields: Fields, name: str, turns: list[Message]) -> list[Message]:
    """The system prompt as a turn, if one is given in a field of its own; raises InputError if there are two."""
    if "system" not in fields:
        return []
    if turns[0].role is Role.SYSTEM:
        raise InputError(f"system is given, and {name} begins with a system turn as well")
    return [Message(Role.SYSTEM, checks.text("system", fields["system"]))]


def history_of(fields: Fields) -> list[Message]:
    """The turns before the prompt that `history` has, as pairs of a question and its answer or as turns.

    Raises InputError for anything else.
    """
    if "history" not in fields:
        return []
    pairs = unpacked(fields["history"])
    if pairs and are_messages(pairs):
        return messages(TurnReader().turns("history", pairs))
    if not isinstance(pairs, list):
        raise InputError(f"history must be a list of pairs, not {checks.shown(pairs)}")
    return [message for place, pair in enumerate(pairs) for message in _pair(f"history[{place}]", pair)]


def _pair(name: str, pair: object) -> list[Message]:
    if not isinstance(pair, list) or len(pair) != 2:
        raise InputError(f"{name} must be a question and its answer, not {checks.shown(pair)}")
    asked, said = (checks.text(f"{name}[{place}]", text) for place, text in enumerate(pair))
    return [Message(Role.USER, asked), Message(Role.ASSISTANT, said)]


def with_inputs(turns: list[Message], fields: Fields) -> list[Message]:
    """The turns with what the prompt is about below the last of them, which is the user's; raises InputError."""
    if _INPUTS.isdisjoint(fields):
        return turns
    given = [name for name in INPUTS if name in fields]
    if len(given) > 1:
        raise InputError(f"{given[0]} and {given[1]} are both given; what is asked about stands in one field")
    if given and (added := about(given[0], fields[given[0]])).strip():
        return [*turns[:-1], Message(Role.USER, f"{turns[-1].content}\n\n{added}")]
    return turns


def about(name: str, value: object) -> str:
    """What is asked about as text: of several passages each stands in a paragraph of its own."""
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return "\n\n".join(checks.any_text(name, each) for each in value)
    return checks.answer(name, value)
