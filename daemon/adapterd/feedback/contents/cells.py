"""What a cell of a table holds: text, or JSON where a column is no answer and no prompt."""

import re

from adapterd.errors import InputError
from adapterd.feedback import strict_json
from adapterd.feedback.formats.answers import CORRECTION, OUTPUT, REJECTED

_TEXT = frozenset((
    *OUTPUT, *CORRECTION, *REJECTED, "prompt", "instruction", "question", "query", "input", "context", "system", "text",
    "completion", "response", "answer", "ground_truth", "corrected", "expected_output", "correction_notes",
))  # fmt: skip
_SPEAKERS = frozenset({"role", "from"})
_LIST_OF_PYTHON = re.compile(r"\[\s*\{'(?:role|from|content|value)':")


def value_of(name: str, cell: str) -> object:
    """The value of the cell in a column; raises InputError for turns of a conversation that are not JSON.

    A cell of JSON stays text, as it was written, where its column is a prompt or an answer; but one with turns of a
    conversation is what it says in every column.
    """
    if not cell.lstrip().startswith(("[", "{")):
        return cell
    if _LIST_OF_PYTHON.match(cell.lstrip()):
        raise InputError(f"{name[:60]!r} has turns as Python prints them; write them as JSON, with json.dumps")
    try:
        value = strict_json.decode(cell)
    except InputError:
        return cell
    return cell if name.lower() in _TEXT and not _has_turns(value) else value


def _has_turns(value: object) -> bool:
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        value = value["messages"]
    turns = value if isinstance(value, list) else [value]
    return bool(turns) and all(isinstance(turn, dict) and not _SPEAKERS.isdisjoint(turn) for turn in turns)
