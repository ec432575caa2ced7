"""JSON as the evaluation reads it: what counts as JSON at all, and which values are the same."""

import json
import math
import re
from typing import Any

from adapterd.evaluation.metrics.text_forms import composed, plain

INVALID: Any = object()
"""What `parse_json` gives for text that is no JSON."""
LARGEST = 1e50
"""No quantity is larger: numbers beyond count as this, so that neither sums nor squares of squares leave a float."""
_MAX_DEPTH = 64  # as much as an answer in a feedback record may have
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")


def parse_json(text: str) -> Any:
    """The JSON value that the whole text is (white space around it allowed), else INVALID.

    No JSON is also what its readers do not agree on (I-JSON, RFC 7493), as in feedback: a key that is there twice, half
    of a surrogate pair, a number like 1e400 that no float holds, NaN and Infinity, which Python would take; and what is
    nested too deeply. A whole number is an int however it is written, for JSON knows one kind of number.
    """
    try:
        value = json.loads(text, parse_constant=_refused, parse_float=_number, object_pairs_hook=_object)
        if _is_deeper(value, _MAX_DEPTH):
            return INVALID
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # UnicodeEncodeError is a ValueError
        return INVALID
    return value


def canonical(value: Any) -> str:
    """Text that is the same for equal JSON values only; in Python, true and 1 are equal as well."""
    return json.dumps(_with_texts(value, composed), sort_keys=True)


def without_notation(value: Any) -> Any:
    """The value with its texts and keys as `plain`; INVALID stays."""
    return value if value is INVALID else _with_texts(value, plain)


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number; in Python, true is one as well."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_float(value: float) -> float:
    """A JSON number as a float, at most LARGEST either way."""
    try:
        return min(max(float(value), -LARGEST), LARGEST)
    except OverflowError:  # a whole number of hundreds of digits
        return math.copysign(LARGEST, value > 0 or -1)


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"no float holds {text[:20]}")
    return int(value) if value.is_integer() else value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key is there twice")
    return fields


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inner)


def _with_texts(value: Any, form: Any) -> Any:
    if isinstance(value, dict):
        return {form(name): _with_texts(inner, form) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_texts(inner, form) for inner in value]
    return form(value) if isinstance(value, str) else value


def strings_in(value: Any) -> list[str]:
    """All strings in a value, without the names of fields."""
    if isinstance(value, dict | list):
        return [text for each in (value.values() if isinstance(value, dict) else value) for text in strings_in(each)]
    return [value] if isinstance(value, str) else []


def lists_in(value: Any) -> list[list[Any]]:
    """All lists in a value, that within another one behind it."""
    if not isinstance(value, dict | list):
        return []
    inner = value.values() if isinstance(value, dict) else value
    return [*([value] if isinstance(value, list) else []), *(found for each in inner for found in lists_in(each))]
