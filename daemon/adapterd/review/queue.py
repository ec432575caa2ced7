"""Which captured answer is judged next, and what share of answers fails by those that chance chose.

Two slices take turns. The random one goes through the sample in an order of chance that never changes, so whatever was
gone through is a random part of all answers, and rates can be estimated from it: what was judged on the way for another
reason counts with the verdict that it has. The directed one looks for what teaches most; no rate follows from it alone.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from adapterd.capture.captures import Capture
from adapterd.capture.passthrough.capture_id import chance_of
from adapterd.config import ModelSettings
from adapterd.evidence.chosen_by_chance import ChosenByChance
from adapterd.review.directed import directed, text_of
from adapterd.review.frame import Frame
from adapterd.review.share import Share
from adapterd.review.suggested import Suggested, Suggestions, looked_through
from adapterd.store.reviews.reviews import Outcome, Review, Slice

EVERY = 3
"""Every third answer is one that chance chose."""
BY_CHANCE = "chosen by chance: how often answers fail is estimated from such ones"
CANDIDATES = 150
"""So many of the newest answers, and as many of the newest with a known fault, are looked at for the directed slice."""
JUDGED = 300
"""So many of the last prompts that were judged are compared with."""


@dataclass(frozen=True)
class Item:
    """An answer to be judged, why this one, and when it was chosen."""

    capture: Capture
    slice: Slice
    why: str
    chosen_at: datetime


@dataclass(frozen=True)
class Queue:
    """The queue of a model as it stands; `reviews` by the capture's id, the oldest first. Without the model's
    `settings` no failure tag is suggested."""

    frame: Frame
    reviews: dict[str, Review]
    settings: ModelSettings | None = None

    @classmethod
    def of(cls, frame: Frame, settings: ModelSettings | None = None) -> "Queue":
        """As things are now."""
        return cls(frame, {each.capture: each for each in frame.store.reviews.all(frame.model)}, settings)

    def next(self) -> Item | None:
        """What is judged next, None where nothing is left."""
        shown = sum(each.slice is not Slice.GROUP for each in self.reviews.values())
        ways = (self._directed, self._by_chance) if shown % EVERY else (self._by_chance, self._directed)
        return next((found for way in ways if (found := way())), None)

    def item(self, name: str) -> Item | None:
        """The item of a capture that somebody names, by its id; None if it is not to be judged."""
        found = self.frame.captures.get(name)
        if found is None or not self.frame.has(found):
            return None
        return self._item(found, Slice.DIRECTED, "you have chosen it yourself")

    def suggested(self, item: Item) -> Suggested | None:
        """The failure tag that an answer may deserve; None of one that chance chose, for a rate is estimated from what
        people say of these by themselves."""
        return None if item.slice is Slice.RANDOM else self._suggestions.of_answer(item.capture)

    @property
    def failing(self) -> Share:
        """The share of answers that fail, by all that chance has come to and that have a verdict.

        What follows these, up to the first answer without a verdict, counts, too: the last that chance came to was one
        that nobody had judged before, which failures are less often, and a share that ended with it would be too low.
        """
        found, chosen, is_whole = Counter[Outcome](), ChosenByChance(self.reviews.values()), True
        for capture in self.frame.by_chance(until=chosen.last) if chosen.last else ():
            chance = chance_of(capture.id)
            if not is_whole and chance > chosen.furthest:
                break
            if is_whole or chosen.has(capture.id, chance):
                review = self.reviews.get(capture.id)
                outcome = review.outcome if review else self.frame.outcome_elsewhere(capture)
                is_whole = is_whole and outcome is not None
                found[outcome or Outcome.SKIPPED] += 1
        return Share(found[Outcome.BAD], found[Outcome.BAD] + found[Outcome.GOOD])

    def _by_chance(self) -> Item | None:
        for capture in self.frame.by_chance():
            if capture.id not in self.reviews and self.frame.outcome_elsewhere(capture) is None:
                return self._item(capture, Slice.RANDOM, BY_CHANCE)
        return None

    def _directed(self) -> Item | None:
        both = self._candidates
        judged = list(self._judged())
        known = {each.prompt_hash for each in judged}
        known |= self.frame.store.feedback.known_prompts(self.frame.model, {each.prompt_hash for each in both})
        new = {each.id: each for each in both if each.prompt_hash not in known and each.id not in self.reviews}
        times = Counter(each.prompt_hash for each in new.values())
        one_each = {each.prompt_hash: each for each in reversed(new.values())}
        again = {prompt for prompt, count in times.items() if count > 1}
        texts = [text_of(each) for each in judged]
        found = directed(list(one_each.values()), texts, again, self.frame.disagreement(), self._ungrounded(new))
        return next((self._item(each.capture, Slice.DIRECTED, each.why) for each in found), None)

    @cached_property
    def _candidates(self) -> list[Capture]:
        return [capture for faulty in (True, False) for capture in self.frame.newest(CANDIDATES, faulty=faulty)]

    @cached_property
    def _suggestions(self) -> Suggestions:
        return Suggestions.of(self.settings, looked_through(self._candidates)) if self.settings else Suggestions()

    def _ungrounded(self, new: Mapping[str, Capture]) -> set[str]:
        """The answers that may be shown and of which something is suggested, by their ids."""
        return {each.id for each in looked_through(new.values()) if self._suggestions.of_answer(each)}

    def _item(self, capture: Capture, of: Slice, why: str) -> Item:
        return Item(capture, of, why, self.frame.store.clock())

    def _judged(self) -> Iterator[Capture]:
        for name in list(self.reviews)[-JUDGED:]:
            if found := self.frame.captures.get(name):
                yield found
