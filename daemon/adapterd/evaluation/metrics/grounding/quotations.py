"""The quotations and citations of an answer, and whether its texts have them word for word."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import regex

from adapterd.evaluation.metrics.grounding.forms import shown
from adapterd.evaluation.metrics.text_forms import is_character, words

WORDS = 3
"""Shorter quotations set words apart, and quote nobody."""
CHARACTERS = 8
"""The same where words are characters."""
CHANGED = 0.75
"""A quotation of whose words so many stand together is one that was changed."""
_QUOTATION = regex.compile(r"[\"«]([^\"«»\n]{5,2000})[\"»]|[「『]([^」』]{5,2000})[」』]")
_OMITTED = regex.compile(r"\[[^\]]{0,60}\]|\(?(?:…|\.\.\.)\)?")


@dataclass(frozen=True)
class Said:
    """A text as quotations are looked up in it."""

    text: str

    @cached_property
    def _words(self) -> str:
        return f" {' '.join(words(self.text))} "

    @cached_property
    def _runs(self) -> frozenset[tuple[str, ...]]:
        found = words(self.text)
        return frozenset(found[at : at + WORDS] for at in range(len(found)))

    def has(self, quotation: str) -> bool:
        """Whether every part of it between omissions is there, whatever its case and its marks."""
        return all(f" {' '.join(words(part))} " in self._words for part in _parts(quotation))

    def nearly_has(self, quotation: str) -> bool:
        """Whether most of its runs of words are there."""
        found = words(quotation)
        runs = [found[at : at + WORDS] for at in range(max(1, len(found) - WORDS + 1))]
        return sum(run in self._runs for run in runs) >= CHANGED * len(runs)


def quotations_of(text: str) -> Iterator[str]:
    """What stands in quotation marks and is long enough to quote somebody."""
    for found in _QUOTATION.finditer(shown(text)):
        quotation = found[1] or found[2]
        inner = words(quotation)
        if len(inner) >= (CHARACTERS if any(map(is_character, inner)) else WORDS):
            yield quotation


def _parts(quotation: str) -> list[str]:
    return [part for part in _OMITTED.split(quotation) if any(map(str.isalnum, part))]
