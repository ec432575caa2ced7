"""How much of what teachers made is kept, and what each filter dropped: numbers that add up over batches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from adapterd.formats.teacher_yield import in_words, teacher_yield
from adapterd.store.teaching.examples import UNJUDGED

EXAMPLES = 3
"""Reasons that are kept of each filter."""


@dataclass(frozen=True)
class FilterYield:
    """What one filter dropped and was unsure of, with some of its reasons; `said` is what the sentence calls it."""

    name: str
    said: str
    dropped: int = 0
    unsure: int = 0
    examples: tuple[str, ...] = ()

    def __add__(self, other: "FilterYield") -> "FilterYield":
        examples = tuple(dict.fromkeys((*self.examples, *other.examples)))[:EXAMPLES]
        return FilterYield(self.name, self.said, self.dropped + other.dropped, self.unsure + other.unsure, examples)


@dataclass(frozen=True)
class Yield:
    """How many candidates were made and are kept, and what each filter did, in their order."""

    made: int = 0
    kept: int = 0
    filters: tuple[FilterYield, ...] = ()

    @property
    def unsure(self) -> int:
        """How many a person has to look at, or a judge."""
        return sum(each.unsure for each in self.filters)

    @property
    def unjudged(self) -> int:
        """How many of the unsure ones wait for a judge."""
        return sum(each.unsure for each in self.filters if each.name == UNJUDGED)

    @property
    def dropped(self) -> int:
        """How many are dropped."""
        return sum(each.dropped for each in self.filters)

    def __add__(self, other: "Yield") -> "Yield":
        """Of two batches together; filters that only one of them knows stand last."""
        theirs = {each.name: each for each in other.filters}
        own = [each + theirs.pop(each.name) if each.name in theirs else each for each in self.filters]
        return Yield(self.made + other.made, self.kept + other.kept, (*own, *theirs.values()))

    def as_dict(self, formless: int = 0) -> dict[str, Any]:
        """As plans and data cards have it, with the answers without the form that was asked for."""
        dropped = {each.said: each.dropped for each in self.filters if each.dropped}
        return teacher_yield(
            self.made, self.kept, dropped, unsure=self.unsure - self.unjudged, formless=formless, unjudged=self.unjudged
        )

    def __str__(self) -> str:
        return in_words(self.as_dict())


def yield_of(
    names: Sequence[tuple[str, str]], made: int, kept: int, dropped: Iterable[tuple[str, str]],
    unsure: Iterable[tuple[str, str]],
) -> Yield:  # fmt: skip
    """Of the names of filters with what they are called, and the name and the reason of each that is not kept."""
    found = {name: FilterYield(name, said) for name, said in names}
    for name, why in dropped:
        found[name] += FilterYield(name, "", 1, 0, (why,))
    for name, why in unsure:
        found[name] += FilterYield(name, "", 0, 1, (why,))
    return Yield(made, kept, tuple(found.values()))
