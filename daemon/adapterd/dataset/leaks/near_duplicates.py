"""Prompts that are nearly the same: a model that was trained on one has seen the other.

Two prompts are alike if they share most of their shingles of three words (Broder's resemblance, counted exactly), with
or without the shingles that many prompts share, such as an instruction in front of every article. Prompts that were
made from one template are alike, too, and yet ask different things. So where at least three prompts that differ from a
case no more than the two do fill the same place in different ways, the place is a blank of a template, and what is
filled in has to be alike as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from adapterd.chat import Prompt
from adapterd.dataset.leaks.shingles import NO_CONTEXT, Corpus, Identities, Index, Rows, Shingles, words
from adapterd.dataset.leaks.short_prompts import ShortPrompts

ALIKE = 0.7
"""The share of their shingles that two prompts have in common (Jaccard) from which on they are alike."""
FILLED_ALIKE = 0.85
"""The share of the words in the blanks of a case, by rarity, that a prompt that is nearly the same has as well."""
COMMON = 0.2
"""The share of prompts above which a shingle says nothing of a single one, …"""
OWN_WORDS = 20
"""… so that two prompts are compared without it, if what is left of the case are so many shingles: an article that is
given with another instruction, not a name that fills the blanks of two templates."""
FILLINGS = 3
"""A place that prompts fill in so many ways is a blank; two ways are a change of one of them."""
FEW_PROMPTS, FEW_ALIKE = 25, 5
"""Among so few prompts so few that are alike are versions of one text, and not fillings of a template, …"""
VERSION_ALIKE, VERSION_WORDS = 0.8, 20
"""… if they share so much, and have so many words."""
REACH = 3
"""A template is looked for among the prompts that differ from the case at most so many times as much as the prompt."""

Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
Numbers = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def near_duplicates_of(prompts: Sequence[Prompt], others: Sequence[Prompt], more: Sequence[Prompt] = ()) -> list[bool]:
    """For each prompt, whether it is a near-duplicate of one of the others. Templates are looked for in all of them and
    in `more` prompts."""
    if not prompts or not others:
        return [False] * len(prompts)
    corpus, by_case = _compared(prompts, others, more)
    near = np.zeros(len(corpus.shingles), dtype=bool)
    for _, rows in by_case:
        near |= rows
    return [bool(near[row]) for row in corpus.row_of[: len(prompts)]]


def cases_near(prompts: Sequence[Prompt], cases: Sequence[Prompt]) -> list[bool]:
    """For each case, whether one of the prompts is a near-duplicate of it."""
    if not prompts or not cases:
        return [False] * len(cases)
    corpus, by_case = _compared(prompts, cases)
    rows = sorted(set(corpus.row_of[: len(prompts)]))
    near = {case: bool(found[rows].any()) for case, found in by_case}
    return [near[row] for row in corpus.row_of[len(prompts) :]]


def near_each(prompts: Sequence[Prompt], cases: Sequence[Prompt]) -> list[list[int]]:
    """For each case, the places of the prompts that are near-duplicates of it."""
    if not prompts or not cases:
        return [[] for _ in cases]
    corpus, by_case = _compared(prompts, cases)
    rows = np.array(corpus.row_of[: len(prompts)])
    near = {case: np.flatnonzero(found[rows]).tolist() for case, found in by_case}
    return [near[row] for row in corpus.row_of[len(prompts) :]]


def _compared(
    prompts: Sequence[Prompt], others: Sequence[Prompt], more: Sequence[Prompt] = ()
) -> tuple[Corpus, Iterator[tuple[int, Flags]]]:
    """All as one corpus; and of each of the others, by its row, which rows are nearly the same."""
    texts = [words(prompt) for prompt in (*prompts, *others, *more)]
    corpus = Corpus.of(texts, range(len(prompts), len(prompts) + len(others)))
    common = corpus.having.counts > max(2, COMMON * len(corpus.shingles))
    own_sizes = corpus.sizes - corpus.having.counted(np.flatnonzero(common), len(corpus.shingles))
    short = ShortPrompts(list(dict.fromkeys(texts)), corpus.cases)

    def found() -> Iterator[tuple[int, Flags]]:
        for row in corpus.cases:
            case = _Case(corpus, row, common, own_sizes)
            yield row, case.near() | (short.near(row) & ~case.alike) if row in short.cases else case.near()

    return corpus, found()


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
        near: Flags = self.distance == 0
        rows = np.flatnonzero(self.alike & ~near)
        if len(rows):
            near[rows] = ~self._in_other_words(rows) | self._is_version[rows]
        return near

    @cached_property
    def _is_version(self) -> Flags:
        """Which rows are versions of the case, if there are few of all."""
        is_small = len(self.corpus.shingles) <= FEW_PROMPTS and int(self.alike.sum()) <= FEW_ALIKE
        if not is_small or len(self._numbers) < VERSION_WORDS:
            return np.zeros(len(self.corpus.shingles), dtype=bool)
        return _resemble(self._shared, self.corpus.sizes, len(self._numbers), VERSION_ALIKE)

    @cached_property
    def alike(self) -> Flags:
        """Which rows share most of their shingles with the case."""
        own = self._counted(self._numbers[~self.common[self._numbers]])
        alike = _resemble(self._shared, self.corpus.sizes, len(self._numbers))
        own_size = int(self.own_sizes[self.row])
        return alike | _resemble(own, self.own_sizes, own_size) if own_size >= OWN_WORDS else alike

    @cached_property
    def shingles(self) -> Shingles:
        return self.corpus.shingles[self.row]

    @cached_property
    def _numbers(self) -> Rows:
        return self.corpus.having.numbers(self.shingles.whole)

    @cached_property
    def same_rows(self) -> Rows:
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


def _resemble(shared: Rows, sizes: Rows, size: int, least: float = ALIKE) -> Flags:
    flags: Flags = (shared > 0) & (shared >= least * (sizes + size - shared))
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
        index, first, same = case.corpus.having, *np.unique(case.same_rows, return_inverse=True)
        having = [each[each < len(rows)] for number in first for each in [ranks[index.rows[index.at(int(number))]]]]
        places = np.flatnonzero(np.array([len(each) < len(rows) for each in having])[same])
        has = np.zeros((len(rows), len(places)), dtype=bool)
        for column, place in enumerate(places):
            has[having[same[place]], column] = True
        blank_from = np.array([_blank_from(case, int(place), reach) for place in places])
        rarity = np.log((len(case.distance) + 1) / index.counts[case.same_rows[places]])
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
    corpus, own = case.corpus, case.shingles.whole[shingle]
    return min(
        _fillings_from(case, corpus.by_head, case.shingles.heads[shingle], own, corpus.last, reach),
        _fillings_from(case, corpus.by_tail, case.shingles.tails[shingle], own, corpus.first, reach),
    )


def _fillings_from(case: _Case, index: Index, key: np.uint64, own: np.uint64, outside: Identities, reach: int) -> float:
    """What is filled in with nothing counts as little as nothing that is filled in: texts may end sooner or later."""
    at = index.at(int(index.numbers(np.array([key], dtype=np.uint64))[0]))
    distances, fillings = case.distance[index.rows[at]], index.values[at]
    if own in outside or int(key) in NO_CONTEXT:
        return float("inf")
    other = (fillings != own) & (distances <= reach)
    distances, fillings = distances[other], fillings[other]
    inside = outside[np.minimum(np.searchsorted(outside, fillings), len(outside) - 1)] != fillings
    distances, fillings = distances[inside], fillings[inside]
    order = np.argsort(distances, kind="stable")
    first = np.unique(fillings[order], return_index=True)[1]
    nearest = np.sort(distances[order][first])
    return float(nearest[FILLINGS - 2]) if len(nearest) >= FILLINGS - 1 else float("inf")
