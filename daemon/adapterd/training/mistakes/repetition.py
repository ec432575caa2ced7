"""Where an answer begins to say again what it has said: the ids that a training should make less likely there."""

from collections.abc import Callable, Sequence

GRAM = 4
"""So many ids in a row that were there before are a repetition (as seq-rep-4 of Welleck et al. 2020)."""


def begun_again(ids: Sequence[int], is_word: Callable[[int], bool]) -> tuple[int, ...]:
    """The places in the ids of an answer at which a passage begins that was there before.

    A passage begins with a word behind punctuation, a space or a line's end; what holds an answer together (quotes,
    commas, brackets) has to be said again, and what goes on within a passage follows from its beginning.
    """
    places, seen = set[int](), set[tuple[int, ...]]()
    for start in range(len(ids) - GRAM + 1):
        gram = tuple(ids[start : start + GRAM])
        if gram in seen:
            places.update(range(start, start + GRAM))
        seen.add(gram)
    return tuple(
        place for place in sorted(places) if is_word(ids[place]) and (place == 0 or not is_word(ids[place - 1]))
    )
