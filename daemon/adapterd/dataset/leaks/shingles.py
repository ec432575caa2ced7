"""Prompts as sets of shingles (runs of three words; Broder 1997), indexed so that many are compared with few exactly.

Words are what stands between spaces and punctuation; in scripts that put no spaces between words, every character is
one. Case and punctuation do not count, signs that change the meaning of a formula do.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import regex

from adapterd.chat import Prompt
from adapterd.scripts import UNSPACED
from adapterd.visible import visible

SHINGLE_WORDS = 3
_WORD = regex.compile(
    rf"[{UNSPACED}]\p{{M}}*|[[\p{{L}}\p{{M}}\p{{N}}_]--[{UNSPACED}]]+|[\p{{S}}*/%&#@]|(?<!\p{{L}})-|-(?!\p{{L}})",
    regex.VERSION1,
)
_LOOK_ALIKES = str.maketrans("аеѕіјһорсухԁԛԝвкмнт" + "αεικορυχβζητμν", "aesijhopcyxdqwbkmht" + "aeikopuxbzhtmv")
"""Letters of Cyrillic and Greek, in lower case, that look like one of ASCII in one case at least: scanned and pasted
texts mix them within a word (Unicode Technical Standard 39, section 4)."""
_BEFORE, _AFTER = np.uint64(0), np.uint64(1)
"""The words that stand before and behind every text, so that its ends are in as many shingles as its middle."""
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93], dtype=np.uint64)
"""Odd numbers by which words are mixed into the identity of a shingle."""
_AGAIN = np.uint64(0xA0761D6478BD642F)
"""What tells a shingle from the same one before it in a text."""

NO_CONTEXT = {int(word * _FACTORS[1:].sum(dtype=np.uint64)) for word in (_BEFORE, _AFTER)}
"""The heads and tails of shingles in which there is no word of the text."""

Identities = np.ndarray[tuple[int], np.dtype[np.uint64]]
Rows = np.ndarray[tuple[int], np.dtype[np.int64]]


def words(prompt: Prompt) -> tuple[str, ...]:
    """The words of all messages, in any case, width and form of Unicode; letters that look alike are one."""
    text = " ".join(message.content for message in prompt)
    folded = unicodedata.normalize("NFKC", visible(text)).casefold()
    alike = folded if folded.isascii() else unicodedata.normalize("NFKC", folded).translate(_LOOK_ALIKES)
    return tuple(_WORD.findall(alike))


@dataclass(frozen=True)
class Shingles:
    """The shingles of one text in the order in which they stand, one that stands there twice as two; `heads` are they
    without their last word, `tails` without their first. `first` and `last` are those whose first or last word stands
    outside of the text."""

    whole: Identities
    heads: Identities
    tails: Identities
    first: Identities
    last: Identities

    @classmethod
    def of(cls, numbers: Sequence[int]) -> "Shingles":
        """From the numbers of the words."""
        ends = SHINGLE_WORDS - 1
        padded = np.array([*[_BEFORE] * ends, *numbers, *[_AFTER] * ends], dtype=np.uint64)
        at = np.lib.stride_tricks.sliding_window_view(padded, SHINGLE_WORDS)
        whole = _each_time((at * _FACTORS).sum(axis=1, dtype=np.uint64))
        heads, tails = (
            (at[:, part] * _FACTORS[1:]).sum(axis=1, dtype=np.uint64) for part in (slice(-1), slice(1, None))
        )
        return cls(whole, heads, tails, whole[:ends], whole[-ends:])


def _each_time(shingles: Identities) -> Identities:
    """The same, with an identity of its own for each time that a shingle stands in the text: what fills a blank counts
    also where a template says it elsewhere."""
    order = np.argsort(shingles, kind="stable")
    ordered = shingles[order]
    places = np.arange(len(shingles))
    begins = np.maximum.accumulate(np.where(np.concatenate([[True], ordered[1:] != ordered[:-1]]), places, 0))
    times = np.empty(len(shingles), dtype=np.uint64)
    times[order] = (places - begins).astype(np.uint64)
    return shingles + times * _AGAIN


@dataclass(frozen=True)
class Index:
    """Where things are: of each key the rows that have it, with the value that they have there."""

    keys: Identities
    starts: Rows
    rows: Rows
    values: Identities

    @classmethod
    def of(cls, keys: Identities, found: Iterable[tuple[Identities, Identities]]) -> "Index":
        """Of those `keys` (sorted) only; `found` are each row's keys and values."""
        parts = [_known(keys, number, *each) for number, each in enumerate(found)]
        places, rows, values = (np.concatenate([part[k] for part in parts]) for k in range(3))
        order = np.argsort(places, kind="stable")
        starts = np.searchsorted(places[order], np.arange(len(keys) + 1))
        return cls(keys, starts, rows[order], values[order])

    def numbers(self, keys: Identities) -> Rows:
        """The numbers of keys that are known."""
        return np.searchsorted(self.keys, keys)

    def at(self, number: int) -> slice:
        """Where the rows and the values of a key stand."""
        return slice(int(self.starts[number]), int(self.starts[number + 1]))

    @property
    def counts(self) -> Rows:
        """How many there are of each key."""
        return np.diff(self.starts)

    @cached_property
    def alike(self) -> Rows:
        """Of each key, the first of those that stand in the same rows: what belongs to a template is counted at once.

        Rows are known by random numbers, sets of rows by their sums.
        """
        drawn = np.random.default_rng(0).integers(0, 2**63, int(self.rows.max(initial=0)) + 1, dtype=np.uint64)
        sums = np.concatenate([[np.uint64(0)], np.cumsum(drawn[self.rows], dtype=np.uint64)])
        _, first, same = np.unique(
            sums[self.starts[1:]] - sums[self.starts[:-1]], return_index=True, return_inverse=True
        )
        firsts: Rows = first[same]
        return firsts

    def counted(self, numbers: Rows, rows: int) -> Rows:
        """How many of the keys of these numbers each row has."""
        distinct, times = np.unique(self.alike[numbers], return_counts=True)
        found = [self.rows[self.at(int(number))] for number in distinct]
        weights = np.repeat(times, [len(each) for each in found])
        sums = np.bincount(np.concatenate(found) if found else [], weights=weights, minlength=rows)
        return sums.astype(np.int64)


def _known(keys: Identities, row: int, found: Identities, values: Identities) -> tuple[Rows, Rows, Identities]:
    places = np.searchsorted(keys, found)
    known = (places < len(keys)) & (keys[np.minimum(places, len(keys) - 1)] == found)
    return places[known], np.full(int(known.sum()), row), values[known]


@dataclass(frozen=True)
class Corpus:
    """Distinct texts as rows, `cases` among them; `row_of` says for every text that was given which row it is.

    The indexes know the shingles of the cases, and the shingles of all texts that begin or end as one of a case's.
    """

    shingles: Sequence[Shingles]
    row_of: Sequence[int]
    cases: Sequence[int]

    @classmethod
    def of(cls, texts: Sequence[Sequence[str]], cases: Iterable[int]) -> "Corpus":
        """Of texts as words; `cases` are the places of those that are compared with all others."""
        vocabulary: dict[str, int] = {}
        numbers = [tuple(vocabulary.setdefault(word, len(vocabulary) + 2) for word in text) for text in texts]
        rows = {text: row for row, text in enumerate(dict.fromkeys(numbers))}
        row_of = [rows[text] for text in numbers]
        return cls([Shingles.of(text) for text in rows], row_of, sorted({row_of[place] for place in cases}))

    @cached_property
    def sizes(self) -> Rows:
        """How many shingles each row has."""
        return np.array([len(shingles.whole) for shingles in self.shingles])

    @cached_property
    def having(self) -> Index:
        """By a whole shingle, the rows that have it."""
        return self._index("whole")

    @cached_property
    def by_head(self) -> Index:
        """By all but the last word of a shingle, the rows that have it, with the whole shingle."""
        return self._index("heads")

    @cached_property
    def by_tail(self) -> Index:
        """By all but the first word of a shingle, the rows that have it, with the whole shingle."""
        return self._index("tails")

    @cached_property
    def first(self) -> Identities:
        """The shingles that begin in front of a text, sorted."""
        return np.unique(np.concatenate([shingles.first for shingles in self.shingles]))

    @cached_property
    def last(self) -> Identities:
        """The shingles that end behind a text, sorted."""
        return np.unique(np.concatenate([shingles.last for shingles in self.shingles]))

    def _index(self, part: str) -> Index:
        keys = np.unique(np.concatenate([getattr(self.shingles[case], part) for case in self.cases]))
        return Index.of(keys, ((getattr(shingles, part), shingles.whole) for shingles in self.shingles))
