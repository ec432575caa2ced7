"""Texts of others inside a request: data that is talked about, not instructions."""

import json
from typing import Any

from adapterd.chat import Message, Role
from adapterd.printable import without_halves


def fenced(name: str, text: str) -> str:
    """The text between two lines that it cannot have itself."""
    mark = "<<<"
    while mark in text:
        mark += "<"
    return f"{mark}{name}\n{text}\n{mark}end of {name}"


def conversation(messages: tuple[Message, ...]) -> str:
    """A prompt as text; a single turn stands for itself."""
    if len(messages) == 1:
        return messages[0].content
    return "\n\n".join(f"{each.role}: {each.content}" for each in messages)


def with_last_turn(messages: tuple[Message, ...], text: str) -> tuple[Message, ...]:
    """The prompt with other words in its last turn."""
    return (*messages[:-1], Message(Role.USER, text))


def object_of(text: str, *names: str) -> dict[str, str] | None:
    """The JSON object in an answer, if it has these fields as texts that say something."""
    start, end = text.find("{"), text.rfind("}")
    try:
        found: Any = json.loads(text[start : end + 1]) if 0 <= start < end else None
    except (ValueError, RecursionError):
        return None
    fields = {each: found.get(each) for each in names} if isinstance(found, dict) else {}
    texts = {
        name: without_halves(said.strip()) for name, said in fields.items() if isinstance(said, str) and said.strip()
    }
    return texts if len(texts) == len(names) else None


def schema_of(**fields: str) -> str:
    """A JSON Schema of an object with these texts, each with what it is."""
    properties = {name: {"type": "string", "description": said} for name, said in fields.items()}
    return json.dumps({"type": "object", "properties": properties, "required": list(properties)})
