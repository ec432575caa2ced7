"""The key facts of a case: proposed from its reference, and as somebody has edited them, one a line."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from adapterd.errors import InputError
from adapterd.evaluation.metrics.json_answers.values import parse_json
from adapterd.evaluation.metrics.text_forms import without_fence
from adapterd.store.reviews.rubrics import Facts

MOST_FACTS, MOST_CHARACTERS = 50, 1_000
_FENCE = "```"
_MARKER = re.compile(r"^(?:[-*+•–]|#{1,6}|\d{1,3}[.)])\s+")
"""What a line of a list, or a heading, begins with."""
_END = re.compile(r"(?<=[.!?…])[\"'“”’»)\]]*\s+|(?<=[。！？])(?![」』）】”’])")
"""Where a sentence may end."""
_NO_END = re.compile(r"(?:^|[\s(])(?:\w|Mr|Mrs|Ms|Dr|Prof|St|No|Nr|vs|ca|cf|approx|e\.g|i\.e|z\.B|d\.h)\.\s*$")
"""An abbreviation, or an initial."""


def proposed(reference: str, key_facts: Sequence[str] = ()) -> Facts:
    """The facts that a reference states: what a test set names, else the values of JSON, else sentences."""
    if key_facts:
        return _listed(key_facts)
    value = parse_json(without_fence(reference))
    if isinstance(value, dict | list):
        return _listed(_leaves(value, ""))
    return _listed(sentence for line in reference.splitlines() for sentence in _sentences(line))


def edited(text: str) -> Facts:
    """The facts that somebody gave, one a line. Raises InputError for too many, or too long ones."""
    lines = list(_lines(text.splitlines()))
    if len(lines) > MOST_FACTS:
        raise InputError(f"a case has at most {MOST_FACTS} facts, not {len(lines)}", hint="leave the minor ones out")
    if any(len(line) > MOST_CHARACTERS for line in lines):
        raise InputError(f"a fact has at most {MOST_CHARACTERS:,} characters", hint="divide it into several lines")
    return tuple(lines)


def _listed(texts: Iterable[str]) -> Facts:
    """What is proposed, within the limits."""
    return tuple(islice(_lines(line[:MOST_CHARACTERS] for line in _lines(texts)), MOST_FACTS))


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """Each text once, on one line; empty ones are left out."""
    return iter(dict.fromkeys(line for text in texts if (line := " ".join(text.split()))))


def _leaves(value: Any, path: str) -> Iterator[str]:
    """`path: value` of each value within a value of JSON; an empty object or list is one, too."""
    if isinstance(value, dict) and value:
        for name, each in value.items():
            yield from _leaves(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for place, each in enumerate(value):
            yield from _leaves(each, f"{path}[{place}]")
    elif path:
        yield f"{path}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"


def _sentences(line: str) -> Iterator[str]:
    text = _MARKER.sub("", line.strip())
    if text.startswith(_FENCE):
        return
    start = 0
    for end in _END.finditer(text):
        following = text[end.end() : end.end() + 1]
        before = text[start : end.end()]
        if not following or following.islower() or _NO_END.search(before):
            continue
        yield before.strip()
        start = end.end()
    yield text[start:].strip()
