"""Values of foreign JSON: what is not of the wanted type counts as not there."""

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]


def text(value: object) -> str:
    """A string, else the empty one."""
    return value if isinstance(value, str) else ""


def whole(value: object) -> int | None:
    """A whole number, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def an_object(value: object) -> Object:
    """An object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[Object]:
    """The objects in a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def content(value: object, text_types: frozenset[str] = frozenset(("text",))) -> tuple[str, int]:
    """The text of a message's content, a string or a list of parts, and how many parts are not text."""
    if isinstance(value, str):
        return value, 0
    parts = objects(value)
    texts = [text(part.get("text")) for part in parts if part.get("type") in text_types]
    return "".join(texts), len(parts) - len(texts)


def logprobs(value: object) -> tuple[float, int]:
    """The sum of the natural logarithms of the tokens in a list of `{"logprob": …}`, and how many there are."""
    found = [each.get("logprob") for each in objects(value)]
    numbers = [float(each) for each in found if isinstance(each, (int, float)) and not isinstance(each, bool)]
    return sum(numbers), len(numbers)


def called(function: Object) -> Object:
    """A tool call: its name, and its arguments as they were said, an object or the text of one."""
    return {"name": text(function.get("name")), "arguments": function.get("arguments")}
