"""A validation set without near-duplicates in training: its loss would be as low for a model that knows texts by heart.

Near-duplicates are sampled as a whole. They are looked for around the prompts that were sampled only, for to compare
all with all takes too long, so a sample is drawn anew once its near-duplicates are known. What has some in training
after that is trained on.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from adapterd.chat import Prompt
from adapterd.dataset.leaks.groups import Together
from adapterd.dataset.leaks.near_duplicates import near_each
from adapterd.dataset.leaks.sources import join_near
from adapterd.dataset.validation import Arrival, most_that_validate, validating

DRAWN = 4
"""So often a sample is drawn, until none of it has near-duplicates that are not known yet."""

TRIED = 20
"""Where a sample is empty at the end, so many of the oldest prompts are tried."""


@dataclass(frozen=True)
class ValidationPrompts:
    """The prompts that validate, those of the first sample that are trained on instead, as they have near-duplicates
    there, and of how many that validate all the same some are trained on."""

    prompts: AbstractSet[str]
    moved: AbstractSet[str]
    alike_in_training: int


def validating_apart(arrivals: Sequence[Arrival], prompts: Mapping[str, Prompt], share: float) -> ValidationPrompts:
    """As `validating`; `prompts` are the usable ones by their hash. Where every prompt of the sample has
    near-duplicates in training and no other sample can be had, it validates all the same."""
    oldest_first = [each.prompt for each in sorted(arrivals, key=lambda each: (each.at, each.prompt))]
    alike = _NearDuplicates({name: prompts[name] for name in oldest_first if name in prompts})
    first = drawn = validating(arrivals, prompts.keys(), share)
    for _ in range(DRAWN - 1):
        if not alike.look_around(drawn):
            break
        drawn = validating(alike.named(arrivals), prompts.keys(), share)
    alike.look_around(drawn)
    apart = alike.apart(drawn) or alike.one_group(most_that_validate(len(prompts), share))
    if not apart:
        return ValidationPrompts(drawn, frozenset(), len(drawn))
    return ValidationPrompts(apart, first - apart, 0)


class _NearDuplicates:
    """The groups of near-duplicates, as far as they were looked for."""

    def __init__(self, prompts: Mapping[str, Prompt]) -> None:
        self._hashes, self._prompts = list(prompts), list(prompts.values())
        self._places = {name: place for place, name in enumerate(self._hashes)}
        self._groups = Together(len(prompts))
        self._looked_at: set[str] = set()

    def look_around(self, drawn: AbstractSet[str]) -> bool:
        """Look for the near-duplicates of what is drawn; whether there are some of any that was not looked at yet."""
        new = sorted(drawn - self._looked_at)
        self._looked_at |= drawn
        near = near_each(self._prompts, [self._prompts[self._places[each]] for each in new])
        join_near(self._groups, near, [self._places[each] for each in new])
        return any(len(each) > 1 for each in near)

    def named(self, arrivals: Iterable[Arrival]) -> list[Arrival]:
        """The arrivals, with sources that near-duplicates have in common."""
        together, first = list(arrivals), dict[str, int]()
        groups, of_near = Together(len(together)), dict[int, int]()
        for place, each in enumerate(together):
            if each.source:
                groups.join(first.setdefault(each.source, place), place)
            if each.prompt in self._places:
                number = self._groups.number(self._places[each.prompt])
                groups.join(of_near.setdefault(number, place), place)
        numbers = groups.numbers()
        shared = {number for place, number in enumerate(numbers) if number != place}
        leaders = [together[number] for number in numbers]
        return [
            replace(each, source=leader.source or leader.prompt) if number in shared else each
            for each, leader, number in zip(together, leaders, numbers, strict=True)
        ]

    def one_group(self, most: int) -> set[str]:
        """One of the oldest prompts, with all its near-duplicates, if these are so few; none where there is none."""
        for name in self._hashes[:TRIED]:
            members = self._all_alike(name, most)
            if len(members) <= min(most, len(self._hashes) - 1):
                return members
        return set()

    def _all_alike(self, name: str, most: int) -> set[str]:
        """The prompt with its near-duplicates, theirs and so on; not all where they are more than `most`."""
        members = {name}
        while len(members) <= most:
            self.look_around(members)
            if (found := self._with(name)) == members:
                break
            members = found
        return members

    def _with(self, name: str) -> set[str]:
        number = self._groups.number(self._places[name])
        return {each for each in self._hashes if self._groups.number(self._places[each]) == number}

    def apart(self, drawn: AbstractSet[str]) -> set[str]:
        """What of it has no near-duplicate among the others."""
        others = {self._groups.number(self._places[each]) for each in self._hashes if each not in drawn}
        return {each for each in drawn if self._groups.number(self._places[each]) not in others}
