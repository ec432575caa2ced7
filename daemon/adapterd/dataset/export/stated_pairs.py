"""Preference pairs as they are written: in an order, and with what is known of the better answer, from which reading
them again gives the same examples and pairs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from adapterd.dataset.examples import Example, PreferencePair
from adapterd.dataset.same_answer import answer_key


class Better(Enum):
    """What is known of the better answer of a pair, besides that it is better."""

    RIGHT = "it is the example of its prompt"
    BETTER = "nothing"
    BAD = "it is bad"
    STILL_BAD = "it is bad, as an earlier pair says"


@dataclass(frozen=True)
class StatedPair:
    """A pair, and what is known of its better answer."""

    pair: PreferencePair
    better: Better

    @property
    def is_right(self) -> bool:
        """Whether the better answer is the example of its prompt."""
        return self.better is Better.RIGHT


def stated_pairs(examples: Iterable[Example], pairs: Iterable[PreferencePair]) -> Iterator[StatedPair]:
    """The pairs in the order in which they are to be said again; `pairs` are in the order of their arrival.

    Of two pairs of a prompt the one whose worse answer is the better one of the other comes first: said later, it would
    replace that one. Where the format has no word for it, the better answer of the last pair counts as the right one,
    so those of which nothing more is known come first.
    """
    right = {each.prompt_hash: answer_key(each.completion) for each in examples}
    in_order = sorted(pairs, key=lambda each: each.created_at)
    known = [(each, _known(each, right.get(each.prompt_hash))) for each in in_order]
    bad = set[tuple[str, str]]()
    for pair, better in sorted(known, key=lambda each: each[1] is not Better.BETTER):
        answer = pair.prompt_hash, answer_key(pair.chosen)
        yield StatedPair(pair, Better.STILL_BAD if answer in bad else better)
        if better is Better.BAD:
            bad.add(answer)


def _known(pair: PreferencePair, right: str | None) -> Better:
    if not pair.imitate:
        return Better.BAD
    return Better.RIGHT if answer_key(pair.chosen) == right else Better.BETTER
