"""Feedback that names a capture: prompt and answer are those that were recorded."""

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from adapterd.capture.captures import Capture, Captures
from adapterd.chat import Role
from adapterd.errors import InputError, StoreError
from adapterd.feedback.checks import shown

FIELD = "capture"
"""The field of a record that names a capture: by its id, or by the SHA-256 of its answer."""
ASKED = frozenset(("prompt", "messages", "conversations", "output", "response"))
_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f]{64}")
WAIT_S, STEP_S = 3.0, 0.1
"""How long an answer that was given a moment ago is waited for."""
_ROLES = frozenset(Role)

Find = Callable[[str], Capture | None]


def with_capture(value: object, find: Find) -> object:
    """The record with the recorded conversation in the place of its name; one that names none is left as it is.

    Raises InputError where there is none by this name, it cannot be taught, or the record says it, too.
    """
    if not isinstance(value, Mapping) or FIELD not in value:
        return value
    name, both = value[FIELD], sorted(ASKED & value.keys())
    if both and isinstance(name, str) and _ID.fullmatch(name):
        raise InputError(f"the record has {both[0]} and {FIELD}; the capture says what was asked and answered")
    if both:  # a field of somebody's that has the same name
        return value
    if not isinstance(name, str):
        raise InputError(f"{FIELD} must be the id of a capture, not {shown(name)}")
    found = find(name)
    if found is None:
        raise InputError(f"no capture {shown(name)} is recorded")
    if not found.complete:
        raise InputError(f"the answer of capture {shown(name)} broke off")
    if not is_teachable(found):
        raise InputError(f"capture {shown(name)} has images or tool calls, which feedback cannot have")
    messages = [{"role": each["role"], "content": each.get("content", "")} for each in found.turns]
    rest = {name: each for name, each in value.items() if name != FIELD}
    return {"messages": messages, "output": found.answer, **rest}


def is_teachable(capture: Capture) -> bool:
    """Whether an answer is whole, and all turns of its prompt are plain text."""
    plain = (each.keys() <= {"role", "content"} and each["role"] in _ROLES for each in capture.turns)
    return capture.complete and bool(capture.turns) and all(plain)


def recorded(file: Path) -> Find:
    """Finds captures in the database at this place, for a single post: those that are only just being stored are waited
    for, all of them together for `WAIT_S`."""
    until = time.monotonic() + WAIT_S

    def find(name: str) -> Capture | None:
        while file.is_file():
            try:
                with Captures(file) as captures:
                    found = captures.get(name)
            except StoreError as exc:
                raise InputError(f"the captures cannot be read: {exc}") from exc
            if found or time.monotonic() > until:
                return found
            time.sleep(STEP_S)
        return None

    return find
