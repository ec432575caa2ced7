"""Prompts that a person edited and sent again: a weak sign that the answer before was not what was wanted.

Applications ask near-prompts, too: one template with other data. What tells them apart (decision 42): a person changes
a few words of a short last turn and keeps the rest, adds or takes away words or mends one, puts no other name or number
in, needs seconds for it, and does not go on so.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile
from typing import Any

from adapterd.capture.captures import Capture

EDITED = "edited"
"""The tag of the answer before, and why the answer to the edited prompt is recorded. It is no fault."""
LOOKED_AT, WITHIN_S = 8, 3600.0
"""So many of the newest conversations of a model, from so many seconds before, are compared with."""
MOST_BYTES = 100_000
"""Longer conversations take no part."""
PERSON_S = 3.0
"""Nobody reads an answer, edits the prompt and sends it in less."""
FEWEST_WORDS, MOST_WORDS = 3, 200
"""So many words have to stay as they were; a turn with more is text that somebody works on."""
KEPT, ALIKE = 0.6, 0.5
"""The share of the words that an edit keeps, and that prompts made alike have in common."""
MOST_CHANGES = 3
"""In so many places a person changes a prompt."""
PROGRAM = 3
"""Who asks prompts alike for so many times before this one is a program."""
LEAST_LETTERS = 5
"""A misspelt word is at least so long; shorter ones that differ by a letter are other words."""

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+|[^\w\s]")
_DIGITS = re.compile(r"\d+")

Turns = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Edits:
    """The id of the answer whose prompt was edited, None where there is none; and the ids of those whose prompts turned
    out to be a program's: they are no edits."""

    former: str | None = None
    of_program: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """What was asked, and when (seconds since 1970)."""

    turns: Turns
    tools: Sequence[Mapping[str, Any]]
    schema: Mapping[str, Any] | str | None
    at: float

    @property
    def is_a_persons(self) -> bool:
        """Whether it ends with a short text of a user."""
        return _is_a_persons(self.turns)


def edits(request: Request, earlier: Sequence[Capture], within_s: float) -> Edits:
    """Which of the `earlier` answers of the model (the newest first) a person asked for with nearly this prompt, at
    most `within_s` seconds before."""
    if not request.is_a_persons:
        return Edits()
    alike = [each for each in earlier if _is_alike(request, each)]
    if len(alike) >= PROGRAM:
        return Edits(of_program=tuple(each.id for each in alike if EDITED in each.faults))
    is_found = bool(alike) and _is_by_the_same(request, alike[0], earlier, within_s)
    return Edits(alike[0].id if is_found and _is_edit_of(request, alike[0]) else None)


def _is_by_the_same(request: Request, former: Capture, earlier: Sequence[Capture], within_s: float) -> bool:
    """Whether one person may have asked both: there was time to edit, and nobody asked in between but an application
    about the former itself, for a title."""
    if former.at < request.at - within_s or former.at + former.seconds + PERSON_S > request.at:
        return False
    return all(_last(former.turns) in _last(each.turns) for each in takewhile(lambda each: each is not former, earlier))


def _is_edit_of(request: Request, former: Capture) -> bool:
    besides, besides_before = ({**turns[-1], "content": ""} for turns in (request.turns, former.turns))
    return besides == besides_before and is_edit(_last(former.turns), _last(request.turns), former.answer)


def is_edit(before: str, after: str, answer: str = "") -> bool:
    """Whether a turn is another one with a small edit; what goes on with the answer is none."""
    if answer.strip() and answer.strip() in after and answer.strip() not in before:
        return False
    one, other = _words(before), _words(after)
    matching = SequenceMatcher(None, one, other, autojunk=False)
    kept = sum(block.size for block in matching.get_matching_blocks())
    if kept < max(FEWEST_WORDS, KEPT * max(len(one), len(other))):
        return False
    changes = [
        (one[start:end], other[first:last])
        for kind, start, end, first, last in matching.get_opcodes()
        if kind != "equal"
    ]
    return 0 < len(changes) <= MOST_CHANGES and all(_is_small(*change) for change in changes)


def _is_small(old: Sequence[str], new: Sequence[str]) -> bool:
    """Whether words were added, taken away or mended, and none is only a name or a number."""
    if any(word.isdigit() for word in (*old, *new)):
        return False
    if old and new:
        return len(old) == len(new) and all(map(_is_mended, old, new))
    added = [word for word in (*old, *new) if word[0].isalpha()]
    return not added or not all(word[0].isupper() for word in added)


def _is_mended(old: str, new: str) -> bool:
    """Whether one is the other with a letter more, less, changed, or two of them swapped; or in another case."""
    if not (old[0].isalpha() and new[0].isalpha()):
        return not old[0].isalnum() and not new[0].isalnum()
    if old.lower() == new.lower():
        return True
    if min(len(old), len(new)) < LEAST_LETTERS or old[0].lower() != new[0].lower() or new[0].isupper():
        return False
    start = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    left, right = old[start:], new[start:]
    return (
        left[1:] == right[1:]
        or left[1:] == right
        or left == right[1:]
        or (left[1::-1] == right[:2] and left[2:] == right[2:])
    )


def _is_alike(request: Request, earlier: Capture) -> bool:
    """Whether two prompts look as if one had been made of the other, by a person or by a program."""
    if (earlier.schema, list(earlier.tools)) != (request.schema, list(request.tools)):
        return False
    if len(earlier.turns) != len(request.turns) or not _is_a_persons(earlier.turns):
        return False
    if any(_before(one) != _before(other) for one, other in zip(earlier.turns[:-1], request.turns[:-1], strict=True)):
        return False
    one, other = Counter(_words(_last(earlier.turns))), Counter(_words(_last(request.turns)))
    return (one & other).total() >= ALIKE * max(one.total(), other.total())


def _is_a_persons(turns: Turns) -> bool:
    """Whether a prompt ends with a short text of a user."""
    return bool(turns) and turns[-1].get("role") == "user" and 0 < len(_words(_last(turns))) <= MOST_WORDS


def _last(turns: Turns) -> str:
    return str(turns[-1].get("content", ""))


def _words(text: str) -> list[str]:
    return _WORD.findall(text[: MOST_WORDS * 40])


def _before(turn: Mapping[str, Any]) -> Mapping[str, Any]:
    """A turn, of an instruction without numbers: some tell the time."""
    return {**turn, "content": _DIGITS.sub("0", str(turn.get("content", "")))} if turn.get("role") == "system" else turn
