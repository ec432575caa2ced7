"""Which captured answers chance has come to, so that what was said of them may stand for all.

Reviews by chance go through the sample in the order of the random part of a capture's id: the lowest comes first that
has no verdict. So when one is chosen, all that are lower and were there by then have one, and are a random part of all
answers, for whatever reason each was judged. Those that came later are none, until chance has come to them, too: of
them only failures may have been heard of.
"""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime
from itertools import accumulate

from adapterd.capture.passthrough.capture_id import time_of
from adapterd.store.reviews.reviews import Review, Slice

NOT_OF_THE_SAMPLE = 1.0
"""The place in the order of chance of what is not of the sample: behind all."""


class ChosenByChance:
    """What chance has come to by these reviews."""

    def __init__(self, reviews: Iterable[Review]) -> None:
        rounds = sorted((each.chosen_at, each.chance) for each in reviews if each.slice is Slice.RANDOM)
        self._when = [when for when, _ in rounds]
        self._up_to = list(accumulate((chance for _, chance in reversed(rounds)), max))[::-1]

    def has(self, capture: str, chance: float) -> bool:
        """Whether it has come to a capture, by its id and its place in the order of chance."""
        first = bisect_left(self._when, datetime.fromtimestamp(time_of(capture)).astimezone())
        return first < len(self._up_to) and chance <= self._up_to[first]

    @property
    def last(self) -> datetime | None:
        """When chance chose last; None where it chose nothing yet."""
        return self._when[-1] if self._when else None

    @property
    def furthest(self) -> float:
        """The furthest that it has come to; below all where it chose nothing yet."""
        return max(self._up_to, default=-1.0)


def records_by_chance(reviews: list[Review]) -> set[str]:
    """The content hashes of the records on answers that chance has come to, whatever was said of them."""
    chosen = ChosenByChance(reviews)
    return {each.record for each in reviews if each.record and chosen.has(each.capture, each.chance)}
