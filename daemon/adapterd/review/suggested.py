"""Failure tags that are suggested for captured answers: a weak sign, and no verdict until a person says so.

`hallucination` is suggested where an answer has numbers, names, quotations or citations that occur nowhere in its
prompt, as the metric `ungrounded` and the filter of teachers' examples find them. Only what is surely not there counts,
and only where the prompt has the material that an answer is made of.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from adapterd.capture.captures import Capture
from adapterd.chat import without_thought
from adapterd.config import ModelSettings, Task
from adapterd.errors import InputError
from adapterd.evaluation.metrics.grounding.checked import Checked, Support, check, ground_of
from adapterd.evaluation.metrics.grounding.material import A, choices, free_fields, has_material
from adapterd.evaluation.metrics.json_answers.schema import read_schema
from adapterd.record import FailureTag

MOST_CHARACTERS = 200_000
"""So many characters of prompts and answers are looked through at most to put answers into an order: about a second."""
REMEMBERED = 1_000
_SHOWN = 80


@dataclass(frozen=True)
class Suggested:
    """A failure tag that an answer may deserve, and why."""

    tag: FailureTag
    why: str

    def __str__(self) -> str:
        return f"perhaps {self.tag}: {self.why}"


@dataclass(frozen=True)
class Suggestions:
    """What is suggested of a model's answers: nothing where they are not `grounded` in their prompts. `free` are fields
    of JSON answers that are no facts of the prompt, `allowed` the texts that the model's schema lets answers choose.
    """

    grounded: bool = False
    allowed: tuple[str, ...] = ()
    free: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: ModelSettings, answers: Iterable[Capture]) -> "Suggestions":
        """For a model, whose `answers` (as many as are looked through) say which fields are no facts."""
        if settings.task is Task.CLASSIFICATION:
            return cls()
        schema: Mapping[str, Any] = {}
        with suppress(InputError):
            schema = read_schema(settings.schema) if settings.schema else {}
        found = cls(True, tuple(choices(schema)))
        return replace(found, free=frozenset(free_fields(map(found._checked, answers))))

    def of_answer(self, capture: Capture) -> Suggested | None:
        """What is suggested of an answer, if anything is."""
        for each in self._checked(capture) if self.grounded else ():
            if each.support is Support.MISSING and each.field not in self.free:
                what = f"{A[each.item]} of the answer is not in its prompt: {each.text:.{_SHOWN}}"
                return Suggested(FailureTag.HALLUCINATION, what)
        return None

    def _checked(self, capture: Capture) -> tuple[Checked, ...]:
        return _check(_texts(capture), (*self.allowed, *choices(capture.schema)), capture.answer)


def looked_through(answers: Iterable[Capture]) -> Iterable[Capture]:
    """The first of the answers, as far as MOST_CHARACTERS go."""
    left = MOST_CHARACTERS
    for each in answers:
        left -= len(each.answer) + sum(map(len, _texts(each)))
        if left < 0:
            return
        yield each


@lru_cache(maxsize=REMEMBERED)
def _check(texts: tuple[str, ...], allowed: tuple[str, ...], answer: str) -> tuple[Checked, ...]:
    return tuple(check(without_thought(answer), ground_of((*texts, *allowed)))) if has_material(texts) else ()


def _texts(capture: Capture) -> tuple[str, ...]:
    return tuple(str(turn.get("content") or "") for turn in capture.turns)
