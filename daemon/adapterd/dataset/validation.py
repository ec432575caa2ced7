"""The validation set: a sample by hash that stays the same while more feedback arrives.

An example that was trained on never moves into validation later, and the newest examples are not preferred for it, for
they are what a person waits for. So prompts are processed in the order of their arrival, and whether one is sampled
depends on earlier ones only. A source stays whole; one that grows too large is trained on instead. With strata, each
gets its share of the sample.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

LARGE = 200
"""The number of prompts from which on half of the share is enough."""
EARLY = 10
"""Where no source was sampled, one of so many first prompts is taken."""


@dataclass(frozen=True)
class Arrival:
    """A prompt by its hash, its source and its stratum, if it has them, and when it came first."""

    prompt: str
    source: str | None
    at: datetime
    stratum: str | None = None


def most_that_validate(prompts: int, share: float) -> int:
    """At most the share of the prompts, half of it from LARGE on, in between as many as of half of LARGE; at least one.

    So it never falls while prompts arrive.
    """
    most = max(min(share * prompts, share * LARGE / 2), share / 2 * prompts)
    return max(1, int(most + 1e-9))


def validating(arrivals: Iterable[Arrival], usable: AbstractSet[str], share: float) -> set[str]:
    """The `usable` prompts that are in the validation set: at least one, and never all."""
    in_order = sorted(arrivals, key=lambda each: (each.at, each.prompt))
    most = min(most_that_validate(len(usable), share), max(1, len(usable) - 1))
    for sample in _samples(in_order, usable, most, share):
        if found := [prompt for prompt in sample if prompt in usable]:
            return set(found[:most])
    return set()


def _samples(arrivals: Sequence[Arrival], usable: AbstractSet[str], most: int, share: float) -> Iterator[list[str]]:
    """By sources; where all are too large for that, by single prompts; where none is drawn, one of the first."""
    yield _sample(arrivals, [each.source or each.prompt for each in arrivals], share)
    yield _one_source(arrivals, usable, most)
    yield _sample(arrivals, [each.prompt for each in arrivals], share)
    yield sorted((each.prompt for each in arrivals[:EARLY] if each.prompt in usable), key=_place)[:1]
    yield sorted(usable, key=_place)[:1]


def _sample(arrivals: Sequence[Arrival], groups: Sequence[str], share: float) -> list[str]:
    """The prompts of the groups that are drawn, in the order in which they came."""
    state = _Sample(share)
    for count, (arrival, group) in enumerate(zip(arrivals, groups, strict=True), start=1):
        state.take(group, arrival, most_that_validate(count, share))
    return [each.prompt for each, group in zip(arrivals, groups, strict=True) if group in state.drawn]


class _Sample:
    """The groups that are drawn so far, by the number of their prompts."""

    def __init__(self, share: float) -> None:
        self._share = share
        self.drawn: Counter[str] = Counter()
        self._known: set[str] = set()
        self._total = 0
        self._day: date | None = None
        self._seen_today = 0
        self._drawn_today: Counter[str] = Counter()
        self._seen_of: Counter[str] = Counter()
        self._drawn_of: Counter[str] = Counter()

    def take(self, group: str, arrival: Arrival, most: int) -> None:
        """One more prompt of a group. Of a day's prompts no more than the share is drawn: a night's corrections are to
        be in the model of the morning."""
        day = arrival.at.date()
        if day != self._day:
            self._day, self._seen_today, self._drawn_today = day, 0, Counter()
        self._seen_of[arrival.stratum or ""] += 1
        self._seen_today += 1
        most_today = max(1, int(self._share * self._seen_today + 1e-9))
        has_space = self._total < most and self._drawn_today.total() < most_today
        if group in self.drawn and not has_space:
            self._total -= self.drawn.pop(group)
            del self._drawn_today[group]
        elif group in self.drawn or (group not in self._known and has_space and self._is_due(group, arrival.stratum)):
            self.drawn[group] += 1
            self._drawn_today[group] += 1
            self._drawn_of[arrival.stratum or ""] += 1
            self._total += 1
        self._known.add(group)

    def _is_due(self, group: str, stratum: str | None) -> bool:
        """Whether a new group is drawn: by its place, or once its stratum has less than its share of the sample."""
        if stratum is None:
            return _place(group) < 2 * self._share
        return self._drawn_of[stratum] + 0.5 <= self._share * self._seen_of[stratum]


def _one_source(arrivals: Sequence[Arrival], usable: AbstractSet[str], most: int) -> list[str]:
    """The prompts of one of the first sources, if there is one that will not soon be too large."""
    sizes = Counter(each.source for each in arrivals if each.source and each.prompt in usable)
    first = {each.source for each in arrivals[:EARLY] if each.source}
    small = [source for source, size in sizes.items() if source in first and size <= max(1, most // 2)]
    chosen = min(small, key=_place, default=None)
    return [each.prompt for each in arrivals if each.source == chosen] if chosen else []


@lru_cache(maxsize=100_000)
def _place(name: str) -> float:
    """A number from 0 to 1 that is always the same for a name."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8]) / 2**64
