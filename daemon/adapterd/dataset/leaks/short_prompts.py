"""Short prompts that are nearly the same: compared by their characters, for three words are too much of them.

`Translate: good morning` and `Translate: good evening` are alike by their characters and ask different things. So
where a third text fills the place in which two differ in yet another way, the place is a blank of a template, and what
the two fill in has to be nearly the same as well: but for a tenth of its characters, or a word with a letter wrong.
Where two differ in several places, words may be misspelt, left out or added only. Other numbers are never the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property

import numpy as np

from adapterd.dataset.leaks.shingles import SHINGLE_WORDS, Corpus, Rows

Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
Numbers = np.ndarray[tuple[int, int], np.dtype[np.int32]]
Words = tuple[str, ...]

ALIKE = 0.7
"""The share of their shingles of characters that two texts have in common (Jaccard) from which on they are alike."""
SHORT = 160
"""Characters of the longest text that is compared, white space and punctuation aside."""
LONGER = 1.5
"""A text that is so many times as long as a case cannot be like it."""
CHANGED = 0.1
"""The share of the characters in a blank that may be others."""
MISSPELT, WORD = 0.17, 6
"""The share of the letters of a word that may be wrong, and the letters of the shortest word of which one may."""
PER_CHANGE = 2 * SHINGLE_WORDS
"""Shingles of which only one of two texts has each, for one character that is another."""
CHARACTERS = 6
"""A text of so many characters, in a script that puts no spaces between words, is like one in which one is another."""


@dataclass(frozen=True)
class ShortPrompts:
    """The short ones among distinct texts, which are given as words; `judging` are the rows of those that the others
    are compared with."""

    all_texts: Sequence[Words]
    judging: Sequence[int]

    @cached_property
    def cases(self) -> frozenset[int]:
        """The rows of the cases that are short."""
        return frozenset(row for row in self.judging if _size(self.all_texts[row]) <= SHORT)

    def near(self, row: int) -> Flags:
        """Which rows are nearly the same as this case."""
        near = np.zeros(len(self.all_texts), dtype=bool)
        near[self._rows] = self._near(int(np.searchsorted(self._rows, row)))
        return near

    def _near(self, case: int) -> Flags:
        corpus = self._corpus
        shingles = corpus.having.numbers(corpus.shingles[self._row_of[case]].whole)
        shared, size = corpus.having.counted(shingles, len(corpus.shingles)), len(shingles)
        distances = (corpus.sizes + size - 2 * shared)[self._row_of]
        alike = ((shared > 0) & (shared >= ALIKE * (corpus.sizes + size - shared)))[self._row_of]
        if self.is_unspaced(case):
            alike |= distances <= PER_CHANGE
        near: Flags = distances == 0
        rows = np.flatnonzero(alike & ~near & (self._digits == self._digits[case]))
        if len(rows):
            near[rows] = ~_Differences(self, case, distances).differing(rows)
        return near

    def is_unspaced(self, case: int) -> bool:
        """Whether a case is written in characters that are words, and has enough of them that one says little."""
        text = self.texts[case]
        return len(text) >= CHARACTERS and _size(text) < LONGER * len(text)

    @cached_property
    def _rows(self) -> Rows:
        longest = SHORT * LONGER if self.cases else 0
        return np.array([row for row, text in enumerate(self.all_texts) if _size(text) <= longest], dtype=np.int64)

    @cached_property
    def texts(self) -> list[Words]:
        """The texts that are short."""
        return [self.all_texts[int(row)] for row in self._rows]

    @cached_property
    def _corpus(self) -> Corpus:
        cases = [int(np.searchsorted(self._rows, row)) for row in self.cases]
        return Corpus.of(["".join(text) for text in self.texts], cases)

    @cached_property
    def _row_of(self) -> Rows:
        """The row of each text in the corpus of characters, in which those that differ by white space are one."""
        return np.array(self._corpus.row_of)

    @cached_property
    def _digits(self) -> Rows:
        """Of each text, which digits it has: the same number for the same digits in the same order."""
        known: dict[str, int] = {}
        digits = ("".join(each for each in "".join(text) if each.isdecimal()) for text in self.texts)
        return np.array([known.setdefault(each, len(known)) for each in digits])

    @cached_property
    def lengths(self) -> Rows:
        """How many words each text has."""
        return np.array([len(text) for text in self.texts])

    @cached_property
    def by_word(self) -> tuple[Numbers, Numbers]:
        """The words of each text as numbers from its beginning on, and from its end on; -1 where there are none."""
        known: dict[str, int] = {}
        shape = (len(self.texts), int(self.lengths.max(initial=0)))
        forwards, backwards = (np.full(shape, -1, dtype=np.int32) for _ in range(2))
        for row, text in enumerate(self.texts):
            numbers = [known.setdefault(word, len(known)) for word in text]
            forwards[row, : len(text)] = numbers
            backwards[row, : len(text)] = numbers[::-1]
        return forwards, backwards


@dataclass(frozen=True)
class _Differences:
    """Where all texts differ from a case: behind so many words at its beginning and in front of so many at its end.
    `distances` are in shingles of characters that only one of the two has."""

    prompts: ShortPrompts
    case: int
    distances: Rows

    def differing(self, rows: Rows) -> Flags:
        """Which of these rows ask something else than the case."""
        return np.array([self._differs(int(row)) for row in rows], dtype=bool)

    def _differs(self, row: int) -> bool:
        if self._only_longer[row]:
            return False
        changes = self._changes(row)
        if len(changes) > 1:
            return not _same_words(changes)
        blank = self._blank(row)
        if blank is None:
            return False
        filled = self._text[blank[0] : len(self._text) - blank[1]]
        return bool(self.distances[row] > PER_CHANGE * CHANGED * _size(filled)) and not _misspelt(*changes[0])

    def _changes(self, row: int) -> list[tuple[Words, Words]]:
        """What this row has in the place of what the case has, change by change."""
        begin, end, other = self._begins[row], self._ends[row], self.prompts.texts[row]
        own, others = self._text[begin : len(self._text) - end], other[begin : len(other) - end]
        changes = SequenceMatcher(None, own, others, autojunk=False).get_opcodes()
        return [(own[i:j], others[k:m]) for kind, i, j, k, m in changes if kind != "equal"]

    def _blank(self, row: int) -> tuple[int, int] | None:
        """The narrowest place that the case, this row and a third text fill in three ways: the number of words in front
        of it and of those behind it. None where there is no such place."""
        begin, end, lengths = self._begins[row], self._ends[row], self.prompts.lengths
        around = (self._begins <= begin) & (self._ends <= end)
        inside = (self._begins >= begin) & (self._ends >= end)
        begins, ends = np.minimum(self._begins, begin), np.minimum(self._ends, end)
        fixed = begins + ends
        filled = (fixed < min(len(self._text), lengths[row])) & (fixed < lengths)
        third = (around | inside) & filled & (fixed >= self._least_fixed) & ~self._only_longer
        third[[row, self.case]] = False
        places = np.flatnonzero(third)
        if not len(places):
            return None
        best = places[int(np.argmax(self._widths[0][begins[places]] + self._widths[1][ends[places]]))]
        return int(begins[best]), int(ends[best])

    @cached_property
    def _least_fixed(self) -> int:
        """So many words around a blank make a template; the ending of a verb makes none."""
        return SHINGLE_WORDS if self.prompts.is_unspaced(self.case) else 1

    @cached_property
    def _only_longer(self) -> Flags:
        """Which texts have words that the case has not, or the reverse, and none in the place of others."""
        longer: Flags = self._begins + self._ends >= np.minimum(self.prompts.lengths, len(self._text))
        return longer

    @property
    def _text(self) -> Words:
        return self.prompts.texts[self.case]

    @cached_property
    def _begins(self) -> Rows:
        return _same(self.prompts.by_word[0], self.case)

    @cached_property
    def _ends(self) -> Rows:
        most = np.minimum(self.prompts.lengths, len(self._text)) - self._begins
        return np.minimum(_same(self.prompts.by_word[1], self.case), most)

    @cached_property
    def _widths(self) -> tuple[Rows, Rows]:
        """The characters of the first and of the last words, by their number."""
        sizes = [len(word) for word in self._text]
        return np.cumsum([0, *sizes]), np.cumsum([0, *reversed(sizes)])


def _size(text: Words) -> int:
    """In characters."""
    return sum(map(len, text))


def _same(words: Numbers, case: int) -> Rows:
    """How many of its first words each text has in common with the case."""
    same = (words == words[case]) & (words[case] >= 0)
    lengths: Rows = np.where(same.all(axis=1), same.shape[1], np.argmin(same, axis=1)).astype(np.int64)
    return lengths


def _same_words(changes: Sequence[tuple[Words, Words]]) -> bool:
    """Whether words are misspelt or moved, or some are left out, or added, but none in the place of others."""
    left_out = sorted(word for own, other in changes if not other for word in own)
    added = sorted(word for own, other in changes if not own for word in other)
    replaced = [change for change in changes if all(change)]
    return all(_misspelt(*change) for change in replaced) and (not left_out or not added or left_out == added)


def _misspelt(own: Words, other: Words) -> bool:
    """Whether both are one word, and one is the other with a letter wrong, which is hardly ever the first."""
    if not len(own) == len(other) == 1 or min(_size(own), _size(other)) < WORD or own[0][0] != other[0][0]:
        return False
    longest = max(_size(own), _size(other))
    return _edits(own[0], other[0]) <= MISSPELT * longest


def _edits(one: str, other: str) -> int:
    """How many letters have to be changed, added or left out (Levenshtein)."""
    before = list(range(len(other) + 1))
    for place, letter in enumerate(one, start=1):
        row = [place]
        for at, wanted in enumerate(other, start=1):
            row.append(min(before[at] + 1, row[-1] + 1, before[at - 1] + (letter != wanted)))
        before = row
    return before[-1]
