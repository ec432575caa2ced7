"""An answer as its text: also where it is given as a message, as parts of text, or as JSON, which is an answer, too."""

from collections.abc import Mapping

from adapterd.chat import Prompt
from adapterd.errors import InputError
from adapterd.feedback import checks
from adapterd.feedback.formats.messages import ROLES, TEXT_PARTS, TurnReader, answer_of, are_messages, seen_in
from adapterd.feedback.formats.unknown_fields import unpacked

_SPEAKERS = frozenset((*ROLES, "ai", "bot", "chatbot", "tool", "function", "chatgpt", "aimessage", "humanmessage"))
_PARTS = frozenset(
    (*TEXT_PARTS, "image_url", "image", "input_image", "tool_use", "tool_result", "thinking", "reasoning")
)
_MOST_LEVELS = 4
_OF_A_PART = frozenset({"type", "text", "annotations", "citations", "cache_control", "logprobs"})


def answer_text(name: str, value: object, prompt: Prompt = (), reader: TurnReader | None = None) -> str:
    """The text of an answer; messages before it have to be the prompt, and are read by `reader`.

    Raises InputError for a message or a response of a tool in a shape that is not read: its JSON is no answer.
    """
    if are_messages(value):
        return answer_of(name, value, prompt, reader)
    inside = seen_in(value) if isinstance(value, str) and may_be_message(value) else value
    if isinstance(inside, dict | list):
        parts = inside if isinstance(inside, list) else [inside]
        if parts and all(_is_text(part) for part in parts):
            unpacked(value)
            return "\n".join(checks.any_text(name, part["text"]) for part in parts if isinstance(part, dict))
        if any(_is_message(part) for part in parts) or _has_other_parts(parts):
            raise InputError(f"{name} is a message in a form that is not read: give its text, or role and content")
    return checks.answer(name, value)


def may_be_message(value: object) -> bool:
    """Whether a text has a name that every message and every part of one has, so that it is worth decoding."""
    if not isinstance(value, str):
        return True
    if value[:1] not in "{[":
        return False
    return (
        '"role"' in value or '"content"' in value or '"text"' in value or '"from"' in value
        or '"sender"' in value or "\\u" in value
    )  # fmt: skip


def _is_text(part: object) -> bool:
    return (
        isinstance(part, dict)
        and part.get("type") in TEXT_PARTS
        and isinstance(part.get("text"), str)
        and part.keys() <= _OF_A_PART
    )


def _has_other_parts(parts: list[object]) -> bool:
    kinds = [part.get("type") if isinstance(part, dict) else None for part in parts]
    return any(_is_text(part) for part in parts) and all(isinstance(kind, str) and kind in _PARTS for kind in kinds)


def _is_message(value: object, depth: int = 0) -> bool:
    """Whether an object is a message, or a response with one in it."""
    if not isinstance(value, Mapping) or depth == _MOST_LEVELS:
        return False
    if any(_speaks(value.get(key)) for key in ("role", "from", "sender")) and not value.keys().isdisjoint(
        ("content", "parts", "value", "text")
    ):
        return True
    if "content" in value and (_speaks(value.get("type")) or _is_author(value.get("author"))):
        return True
    return _is_message(value.get("message"), depth + 1) or any(
        _is_message(each, depth + 1) or (isinstance(each, Mapping) and _is_message(each.get("content"), depth + 1))
        for key in ("choices", "candidates", "messages", "generations")
        for each in _first(value.get(key))
    )


def _speaks(value: object) -> bool:
    return isinstance(value, str) and value.lower() in _SPEAKERS


def _is_author(value: object) -> bool:
    return isinstance(value, Mapping) and _speaks(value.get("role"))


def _first(value: object) -> list[object]:
    return value[:1] if isinstance(value, list) else []
