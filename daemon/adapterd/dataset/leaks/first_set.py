"""Choosing the cases of the first frozen set: the newest prompts, whole groups of them, from all origins."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from adapterd.dataset.examples import Example
from adapterd.dataset.leaks.origins import ENOUGH as ENOUGH_OF_OTHERS
from adapterd.dataset.leaks.origins import places_by_origin
from adapterd.dataset.left_out import LeftOut

WHOLE_GROUP = 0.25
"""The share of a set up to which groups are put into it first, so that it has many; larger ones only fill it up."""
ENOUGH = 0.5
"""The share of the places from which on a set is filled well enough for no group to be divided."""

FaultOf = Callable[[Example], str]
"""Says why an example cannot be used; empty if it can."""


class FirstSet:
    """A set of at most `size` cases that is being chosen; `group_of` has the group of each prompt, by its hash."""

    def __init__(
        self, newest_first: Sequence[Example], group_of: Mapping[str, int], size: int, share: float, unaskable: FaultOf
    ) -> None:
        self._newest_first, self._size, self._unaskable = newest_first, size, unaskable
        self._group_of = group_of
        self._members: dict[int, list[Example]] = {}
        for each in newest_first:
            self._members.setdefault(group_of[each.prompt_hash], []).append(each)
        self._prompts = Counter(each.origin for each in newest_first)
        self._places = places_by_origin(self._prompts, size, share)
        self._share = 1.0 if self._places == self._prompts else max(share, 1 / len(self._prompts))
        self._taken: Counter[str] = Counter()
        self._chosen: dict[str, Example] = {}
        self._left_out: dict[str, LeftOut] = {}

    def choose(self) -> tuple[list[Example], list[LeftOut]]:
        """The newest examples that can be cases, and those that cannot, as far as they were tried.

        A group goes in as a whole, small ones first. Only where groups leave half of the places empty, single prompts
        of those are taken that are too large; where the groups of an origin have no room among its places, of those,
        one group after the other. Where hardly any prompt of the other origins can be asked, none is limited.
        """
        self._fill()
        if len(self._within_share()) < min(ENOUGH_OF_OTHERS, ENOUGH * self._room):
            self._places, self._share = self._prompts, 1.0
            self._fill()
        return self._within_share(), list(self._left_out.values())

    @property
    def _room(self) -> int:
        return min(self._size, sum(self._places.values()))

    def _fill(self) -> None:
        size = self._room
        for most in (max(1, size * WHOLE_GROUP), size):
            self._take([each for each in self._members.values() if len(each) <= most], size)
            if self._is_filled(size):
                return
        large = {number for number, members in self._members.items() if len(members) > size}
        self._take([[each] for each in self._newest_first if self._group_of[each.prompt_hash] in large], size)
        if self._share < 1 and not self._is_filled(size):
            self._take([[each] for members in self._members.values() for each in members], size)

    def _is_filled(self, size: int) -> bool:
        return len(self._within_share()) >= ENOUGH * size

    def _within_share(self) -> list[Example]:
        chosen = [each for each in self._newest_first if each.prompt_hash in self._chosen]
        return within_share(chosen, self._share)

    def _take(self, groups: Sequence[Sequence[Example]], size: int) -> None:
        for group in groups:
            if len(self._chosen) >= size:
                break
            tried = [each for each in group if not self._was_tried(each)]
            wanted = Counter(each.origin for each in tried)
            fits = all(self._taken[origin] + count <= self._places[origin] for origin, count in wanted.items())
            if len(self._chosen) + len(tried) <= size and fits:
                for each in tried:
                    self._try(each)

    def _was_tried(self, example: Example) -> bool:
        return example.prompt_hash in self._chosen or example.prompt_hash in self._left_out

    def _try(self, example: Example) -> None:
        if fault := self._unaskable(example):
            self._left_out[example.prompt_hash] = LeftOut(example.record, example.source_id, fault)
        else:
            self._chosen[example.prompt_hash] = example
            self._taken[example.origin] += 1


def within_share(newest_first: Sequence[Example], share: float) -> list[Example]:
    """The examples without the oldest ones of an origin that has more than the share of them."""
    kept = list(newest_first)
    while True:
        [(origin, count)] = Counter(each.origin for each in kept).most_common(1) or [("", 0)]
        if count <= max(1, share * len(kept) + 1e-9):
            return kept
        kept.remove(next(each for each in reversed(kept) if each.origin == origin))
