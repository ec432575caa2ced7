"""Reading a prompt: turns of a conversation, a system prompt, and what the prompt is about."""

from collections.abc import Mapping

from adapterd.chat import Message, Role
from adapterd.errors import InputError
from adapterd.feedback import checks
from adapterd.feedback.formats.answers import content_of, refuse_output
from adapterd.feedback.formats.feedback_format import Content, Fields

CHAT_ROLES = {str(role): role for role in Role}
SHAREGPT_ROLES = CHAT_ROLES | {"human": Role.USER, "gpt": Role.ASSISTANT}


def read_conversation(fields: Fields, name: str, keys: tuple[str, str], roles: Mapping[str, Role]) -> Content:
    """The content of a record whose field `name` is a list of turns; `keys` name the speaker and the text of a turn."""
    turns = with_system(fields, name, turns_of(fields, name, keys, roles))
    last_answer = turns.pop().content if turns[-1].role is Role.ASSISTANT else None
    if not turns or turns[-1].role is not Role.USER:
        raise InputError(f"{name} must have a user turn before the answer")
    if last_answer is not None:
        refuse_output(fields, name)
    return content_of(fields, tuple(with_inputs(turns, fields, "inputs")), last_answer)


def turns_of(fields: Fields, name: str, keys: tuple[str, str], roles: Mapping[str, Role]) -> list[Message]:
    """The turns of a conversation, at least one; raises InputError for a turn that is not text of a known role."""
    items = fields[name]
    if not isinstance(items, list) or not items:
        raise InputError(f"{name} must be a list of turns, not {'empty' if items == [] else checks.shown(items)}")
    return [_turn(f"{name}[{index}]", item, keys, roles) for index, item in enumerate(items)]


def _turn(name: str, item: object, keys: tuple[str, str], roles: Mapping[str, Role]) -> Message:
    if not isinstance(item, dict):
        raise InputError(f"{name} must be an object with {keys[0]} and {keys[1]}, not {checks.shown(item)}")
    speaker, content = item.get(keys[0]), item.get(keys[1])
    if item.get("tool_calls") or item.get("function_call"):
        raise InputError(f"{name} calls a tool; only text can be trained on")
    if not isinstance(speaker, str) or speaker not in roles:
        raise InputError(f"{name}.{keys[0]} is {checks.shown(speaker)}, which is not one of: {', '.join(roles)}")
    if isinstance(content, list | dict):
        raise InputError(f"{name}.{keys[1]} is {checks.shown(content)}; only text can be trained on")
    return Message(roles[speaker], checks.text(f"{name}.{keys[1]}", content))


def with_system(fields: Fields, name: str, turns: list[Message]) -> list[Message]:
    """The turns behind the system prompt, if one is given in a field of its own."""
    if fields.get("system", "") == "":
        return turns
    if turns[0].role is Role.SYSTEM:
        raise InputError(f"system is given, and {name} begins with a system turn as well")
    return [Message(Role.SYSTEM, checks.text("system", fields["system"])), *turns]


def with_inputs(turns: list[Message], fields: Fields, name: str) -> list[Message]:
    """The turns with what the prompt is about, the field `name`, below the last of them, which is the user's."""
    if name in fields and (added := checks.answer(name, fields[name])).strip():
        return [*turns[:-1], Message(Role.USER, f"{turns[-1].content}\n\n{added}")]
    return turns
