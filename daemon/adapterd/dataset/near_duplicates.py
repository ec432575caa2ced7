"""Prompts that are nearly the same: a model that was trained on one has seen the other.

Two prompts are alike if they share most of their shingles of three words (Broder's resemblance, counted exactly), with
or without the shingles that many prompts share, such as an instruction in front of every article. Prompts that were
made from one template are alike, too, and yet ask different things. So where at least three prompts that differ from a
case no more than the two do fill the same place in different ways, the place is a blank of a template, and what is
filled in has to be alike as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from adapterd.chat import Prompt
from adapterd.dataset.shingles import Corpus, Index, Rows, Shingles, words

ALIKE = 0.7
"""The share of their shingles that two prompts have in common (Jaccard) from which on they are alike."""
FILLED_ALIKE = 0.85
"""The share of the words in the blanks of a case, by rarity, that a prompt that is nearly the same has as well."""
COMMON = 0.2
"""The share of prompts above which a shingle says nothing of a single one."""
FILLINGS = 3
"""A place that prompts fill in so many ways is a blank; two ways are a change of one of them."""
REACH = 3
"""A template is looked for among the prompts that differ from the case at most so many times as much as the prompt."""

Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
Numbers = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def near_duplicates_of(prompts: Sequence[Prompt], others: Sequence[Prompt], more: Sequence[Prompt] = ()) -> list[bool]:
    """For each prompt, whether it is a near-duplicate of one of the others. Templates are looked for in all of them and
    in `more` prompts."""
    if not prompts or not others:
        return [False] * len(prompts)
    texts = [words(prompt) for prompt in (*prompts, *others, *more)]
    corpus = Corpus.of(texts, range(len(prompts), len(prompts) + len(others)))
    common = corpus.having.counts > max(2, COMMON * len(corpus.shingles))
    own_sizes = corpus.sizes - corpus.having.counted(np.flatnonzero(common), len(corpus.shingles))
    near = np.zeros(len(corpus.shingles), dtype=bool)
    for case in corpus.cases:
        near |= _Case(corpus, case, common, own_sizes).near()
    return [bool(near[row]) for row in corpus.row_of[: len(prompts)]]


@dataclass(frozen=True)
class _Case:
    """All prompts of the corpus as seen from one; `common` are the shingles that many share, `own_sizes` the numbers of
    those that do not belong to all."""

    corpus: Corpus
    row: int
    common: Flags
    own_sizes: Rows

    def near(self) -> Flags:
        """Which rows are nearly the same."""
        own = self._counted(self._numbers[~self.common[self._numbers]])
        alike = _resemble(self._shared, self.corpus.sizes, len(self._numbers))
        alike |= _resemble(own, self.own_sizes, int(self.own_sizes[self.row]))
        near: Flags = self.distance == 0
        rows = np.flatnonzero(alike & ~near)
        if len(rows):
            near[rows] = ~self._in_other_words(rows)
        return near

    @cached_property
    def shingles(self) -> Shingles:
        return self.corpus.shingles[self.row]

    @cached_property
    def _numbers(self) -> Rows:
        return self.corpus.having.numbers(self.shingles.whole)

    @cached_property
    def alike(self) -> Rows:
        """Of each of its shingles, the number of one that stands in the same prompts."""
        return self.corpus.having.alike[self._numbers]

    @cached_property
    def _shared(self) -> Rows:
        return self._counted(self._numbers)

    def _counted(self, numbers: Rows) -> Rows:
        return self.corpus.having.counted(numbers, len(self.corpus.shingles))

    @cached_property
    def distance(self) -> Rows:
        """How many shingles only one of the two has."""
        return self.corpus.sizes + len(self._numbers) - 2 * self._shared

    def _in_other_words(self, rows: Rows) -> Flags:
        """Which of these rows fill the blanks of a template in another way than the case; none without a template."""
        distances, differing = self.distance[rows], np.zeros(len(rows), dtype=bool)
        template = _Template.around(self, REACH * int(distances.max()))
        for distance in np.unique(distances):
            at = np.flatnonzero(distances == distance)
            differing[at] = template.differing(rows[at], REACH * int(distance))
        return differing


def _resemble(shared: Rows, sizes: Rows, size: int) -> Flags:
    flags: Flags = (shared > 0) & (shared >= ALIKE * (sizes + size - shared))
    return flags


@dataclass(frozen=True)
class _Template:
    """The prompts near a case, the nearest first, and the places where they differ from it: those of its shingles that
    are not in all of them.

    `has` says which prompt has which of these shingles; `blank_from` is the distance from which on the prompts fill a
    place in FILLINGS ways, `rarity` what a shingle weighs: nothing if it is common."""

    rows: Rows
    distances: Rows
    places: Rows
    has: Flags
    blank_from: Numbers
    rarity: Numbers

    @classmethod
    def around(cls, case: "_Case", reach: int) -> "_Template":
        """Of the prompts that differ from the case by at most so many shingles."""
        nearby = np.flatnonzero((case.distance > 0) & (case.distance <= reach))
        rows = nearby[np.argsort(case.distance[nearby], kind="stable")]
        ranks = np.full(len(case.distance), len(rows))
        ranks[rows] = np.arange(len(rows))
        index, first, same = case.corpus.having, *np.unique(case.alike, return_inverse=True)
        having = [each[each < len(rows)] for number in first for each in [ranks[index.rows[index.at(int(number))]]]]
        places = np.flatnonzero(np.array([len(each) < len(rows) for each in having])[same])
        has = np.zeros((len(rows), len(places)), dtype=bool)
        for column, place in enumerate(places):
            has[having[same[place]], column] = True
        blank_from = np.array([_blank_from(case, int(place), reach) for place in places])
        rarity = np.log((len(case.distance) + 1) / index.counts[case.alike[places]]) * ~case.common[case.alike[places]]
        return cls(rows, case.distance[rows], places, has, blank_from, rarity)

    def differing(self, rows: Rows, reach: int) -> Flags:
        """Which of the rows fill the blanks of the case in another way; blanks are those that show within reach."""
        weights = self._weights(reach)
        has = self._words[self._rank[np.searchsorted(self.rows[self._rank], rows)]]
        differing: Flags = has @ weights < FILLED_ALIKE * weights.sum()
        return differing

    @cached_property
    def _rank(self) -> Rows:
        return np.argsort(self.rows)

    @cached_property
    def _inner(self) -> Flags:
        """The places between two others: their shingles have a word in the middle that is in all three."""
        follows = np.diff(self.places) == 1
        return np.concatenate([[False], follows[:-1] & follows[1:], [False]]) if len(follows) > 1 else self.places < 0

    @cached_property
    def _words(self) -> Flags:
        """Which prompt has the shingle of a place or, at inner places, one next to it: so it has the word in the
        middle."""
        words = self.has.copy()
        inner = np.flatnonzero(self._inner)
        words[:, inner] |= self.has[:, inner - 1] | self.has[:, inner + 1]
        return words

    @cached_property
    def _having(self) -> Rows:
        return np.cumsum(self.has, axis=0, dtype=np.int32)

    def _weights(self, reach: int) -> Numbers:
        """What each place weighs among what fills blanks, by the prompts within reach; 0 where it fills none."""
        weights = np.zeros(len(self.places))
        mates = int(np.searchsorted(self.distances, reach, side="right"))
        if mates < FILLINGS - 1:
            return weights
        own = self._having[mates - 1] + 1 <= (mates + 1) / 2
        for blank in _neighbours(np.flatnonzero(own), self.places):
            if self.blank_from[blank].min() <= reach:
                filled = blank[1:-1] if len(blank) > 2 else blank
                weights[filled] = self.rarity[filled]
        return weights


def _neighbours(chosen: Rows, places: Rows) -> list[Rows]:
    """The chosen, divided where their places do not follow one another."""
    return np.split(chosen, np.flatnonzero(np.diff(places[chosen]) > 1) + 1) if len(chosen) else []


def _blank_from(case: _Case, shingle: int, reach: int) -> float:
    """The distance from which on the prompts have FILLINGS words behind what the shingle begins with, or as many in
    front of what it ends with."""
    corpus, shingles = case.corpus, case.shingles
    return min(
        _fillings_from(case, corpus.by_head, shingles.heads[shingle], shingles.whole[shingle], reach),
        _fillings_from(case, corpus.by_tail, shingles.tails[shingle], shingles.whole[shingle], reach),
    )


def _fillings_from(case: _Case, index: Index, key: np.uint64, own: np.uint64, reach: int) -> float:
    at = index.at(int(index.numbers(np.array([key], dtype=np.uint64))[0]))
    distances, fillings = case.distance[index.rows[at]], index.values[at]
    other = (fillings != own) & (distances <= reach)
    distances, fillings = distances[other], fillings[other]
    order = np.argsort(distances, kind="stable")
    first = np.unique(fillings[order], return_index=True)[1]
    nearest = np.sort(distances[order][first])
    return float(nearest[FILLINGS - 2]) if len(nearest) >= FILLINGS - 1 else float("inf")
