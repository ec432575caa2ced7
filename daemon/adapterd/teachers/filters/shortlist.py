"""Near-duplicates among many prompts: a few that share something are found first, and compared exactly then.

The exact comparison (`dataset/leaks/near_duplicates.py`) looks at each frozen prompt beside all others, a minute for
20,000; nearly all share next to nothing with what a teacher made. Templates show among prompts that are alike, so those
that share most go along, and a sample of the others, which tells how common a shingle is.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from adapterd.chat import Prompt
from adapterd.dataset.leaks.near_duplicates import near_each
from adapterd.dataset.leaks.shingles import Identities, words
from adapterd.dataset.leaks.short_prompts import LONGER, SHORT

LIKE = 0.55
"""The share of the shingles of the smaller of two prompts that they have to have in common."""
COMMON = 0.1
"""What more of the prompts have says nothing, …"""
LEAST_OWN = 0.34
"""… if a prompt has so much else."""
MATES = 20
"""Known prompts that are compared exactly with one."""
CHUNK = 200
"""Prompts that are compared at once."""
SAMPLE = 400
"""Known prompts that tell how common a shingle is."""
WHOLE_WORDS = 8
"""A known prompt of so many words is found within other text; of fewer, it may stand there by chance."""
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93], dtype=np.uint64)


class Shortlist:
    """Known prompts, by the shingles of their words and, of short ones, of their characters."""

    def __init__(self, known: Sequence[Prompt]) -> None:
        self._known = known
        self._numbers: dict[str, int] = {}
        texts = [words(each) for each in known]
        self._words = _Postings([self._of_words(each) for each in texts])
        self._letters = _Postings([_of_letters(each) for each in texts])

    def near(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """For each prompt, the places of the known ones that are nearly the same."""
        found: list[list[int]] = [[] for _ in prompts]
        mates = [self._mates(each) for each in prompts] if self._known else []
        alike = [place for place, each in enumerate(mates) if each]
        for start in range(0, len(alike), CHUNK):
            places = alike[start : start + CHUNK]
            rows = sorted({row for place in places for row in mates[place]})
            near = near_each([*(prompts[each] for each in places), *self._sample], [self._known[row] for row in rows])
            for row, which in zip(rows, near, strict=True):
                for each in which:
                    if each < len(places):
                        found[places[each]].append(row)
        return found

    def within(self, prompts: Sequence[Prompt]) -> list[bool]:
        """For each prompt, whether a known one stands in it word by word, whatever is around that."""
        return [
            any(self._whole[row] in whole for row in self._mates(each) if self._whole[row].count(" ") > WHOLE_WORDS)
            for each in prompts
            for whole in [_spaced(words(each))]
        ]

    @cached_property
    def _whole(self) -> list[str]:
        return [_spaced(words(each)) for each in self._known]

    @cached_property
    def _sample(self) -> list[Prompt]:
        return list(self._known[:: max(1, len(self._known) // SAMPLE)])

    def _of_words(self, text: Sequence[str]) -> Identities:
        return _shingles([self._numbers.setdefault(word, len(self._numbers) + 1) for word in text])

    def _mates(self, prompt: Prompt) -> list[int]:
        text = words(prompt)
        return list(dict.fromkeys((*self._words.like(self._of_words(text)), *self._letters.like(_of_letters(text)))))


def near_among(prompts: Sequence[Prompt]) -> Iterator[tuple[int, int]]:
    """The pairs of places of prompts that are nearly the same, the earlier one second."""
    for place, near in enumerate(Shortlist(prompts).near(prompts)):
        for other in near:
            if other < place:
                yield place, other


def _spaced(text: Sequence[str]) -> str:
    """Words with a space around each, so that one is found as a whole."""
    return f" {' '.join(text)} "


def _of_letters(text: Sequence[str]) -> Identities:
    joined = "".join(text)
    return _shingles([ord(each) for each in joined] if len(joined) <= SHORT * LONGER else [])


def _shingles(numbers: Sequence[int]) -> Identities:
    """The identities of all runs of three, with nothing in front of the first and behind the last."""
    if not numbers:
        return np.zeros(0, dtype=np.uint64)
    padded = np.zeros(len(numbers) + 4, dtype=np.uint64)
    padded[2:-2] = numbers
    found: Identities = padded[:-2] * _FACTORS[0] + padded[1:-1] * _FACTORS[1] + padded[2:] * _FACTORS[2]
    return found


class _Postings:
    """Which rows have which shingle."""

    def __init__(self, rows: Sequence[Identities]) -> None:
        self._sizes = np.array([len(each) for each in rows], dtype=np.int64)
        keys = np.concatenate(rows) if rows else np.zeros(0, dtype=np.uint64)
        order = np.argsort(keys, kind="stable")
        self._keys = keys[order]
        self._rows = np.repeat(np.arange(len(rows), dtype=np.int32), self._sizes)[order]

    def like(self, own: Identities) -> list[int]:
        """The rows that have most in common with these shingles."""
        if not len(own) or not len(self._keys):
            return []
        starts, ends = (np.searchsorted(self._keys, own, side=side) for side in ("left", "right"))
        told = ends - starts <= max(2, COMMON * len(self._sizes))
        if told.sum() < LEAST_OWN * len(own):
            told[:] = True
        parts = [self._rows[start:end] for start, end in zip(starts[told], ends[told], strict=True) if end > start]
        if not parts:
            return []
        shared = np.bincount(np.concatenate(parts), minlength=len(self._sizes))
        share = shared / np.minimum(int(told.sum()), np.maximum(self._sizes, 1))
        rows = np.flatnonzero(share >= LIKE)
        return [int(row) for row in rows[np.argsort(-shared[rows], kind="stable")][:MATES]]
