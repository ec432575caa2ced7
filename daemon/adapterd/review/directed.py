"""Which captured answers may teach most, and why: the directed part of the queue.

Prompts that are like what is asked and unlike what was judged are preferred, by in-domain diversity sampling (Tsvigun
et al. 2022, "Active Learning for Abstractive Text Summarization", arXiv:2301.03252), with similarities of hashed words
in the place of embeddings, so that no other model is needed. That is weighed by what is known to be wrong with the
answer. No rate can be estimated from what is chosen so.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from adapterd.capture.captures import Capture
from adapterd.capture.tags.edits import EDITED

Vectors = NDArray[np.float32]

IN_DOMAIN = 0.67
"""The weight of being like what is asked, beside that of being unlike what was judged (lambda of the paper)."""
FIRST_CHARACTERS = 2_000
FAULT_WEIGHT, SIGNAL_WEIGHT, DISAGREEMENT_WEIGHT = 3.0, 1.5, 1.5
LEAST = 0.25
"""What an answer without any fault weighs at least, so that the order among faults is that of their prompts."""
UNSURE = -1.5
"""The mean log-probability of an answer's tokens below which the model was unsure of them."""
DIFFERENT = 0.3
"""Live and the challenger are said to disagree where this share of the words is not in both answers."""
UNUSUAL = 0.7
"""A prompt that is this far from all that was judged is said to be unlike it."""

DISAGREED = "live and the challenger answer it differently"
UNGROUNDED = "it may say what its prompt does not have"
UNLIKE = "its prompt is unlike those that were judged"

_WORD = re.compile(r"\w+")
FAULTS: Mapping[str, str] = {
    "broken": "it broke off",
    "cut": "it was cut at the limit of tokens",
    "empty": "it is empty",
    "echo": "it repeats the prompt",
    "repetition": "it repeats itself",
    "think_leak": "thoughts leak into it",
    "several_json": "it has several JSON values",
    "json": "it is no valid JSON",
    "schema": "it does not keep to the schema",
}


@dataclass(frozen=True)
class Directed:
    """A captured answer, how much it may teach beside the others, and the reasons in words."""

    capture: Capture
    score: float
    why: str


def directed(
    candidates: Sequence[Capture],
    judged: Iterable[str],
    asked_again: Collection[str] = (),
    disagreement: Mapping[str, float] = MappingProxyType({}),
    ungrounded: Collection[str] = (),
) -> list[Directed]:
    """The candidates, the most instructive first; `judged` are the texts of prompts that were judged, `asked_again` the
    hashes of those that were asked more than once, `disagreement` how unlike live and the challenger answer, from 0 to
    1, by the hash of the prompt. `ungrounded` are the ids of captures whose answers may say what their prompts do not
    have."""
    if not candidates:
        return []
    texts = [text_of(each) for each in candidates]
    every = _vectors([*texts, *judged])
    vectors, known = every[: len(texts)], every[len(texts) :]
    asked = vectors @ vectors.mean(axis=0)
    near = (vectors @ known.T) if len(known) else np.zeros((len(candidates), 1), dtype=np.float32)
    density = IN_DOMAIN * asked - (1 - IN_DOMAIN) * near.mean(axis=1)
    unlike = (near.max(axis=1) < 1 - UNUSUAL) & bool(len(known))
    rank = np.argsort(np.argsort(density, kind="stable"), kind="stable") / max(1, len(candidates) - 1)
    found = []
    for each, place, is_unlike in zip(candidates, rank, unlike, strict=True):
        differ = disagreement.get(each.prompt_hash, 0.0)
        signals = list(_signals(each, asked_again, ungrounded))
        score = (LEAST + float(place)) * _weight(each, signals) * (1 + DISAGREEMENT_WEIGHT * differ)
        more = [text for text, holds in ((DISAGREED, differ >= DIFFERENT), (UNLIKE, is_unlike)) if holds]
        found.append(Directed(each, score, _why(each, [*signals, *more])))
    return sorted(found, key=lambda each: (-each.score, each.capture.id))


def text_of(capture: Capture) -> str:
    """The text of a prompt by which it is like others: that of its last turn."""
    return str(capture.turns[-1].get("content", "")) if capture.turns else ""


def unlikeness(one: str, other: str) -> float:
    """The share of the words of two texts that is not in both (Jaccard distance), from 0 to 1."""
    words = [set(_WORD.findall(text.lower())) for text in (one, other)]
    return 1 - len(words[0] & words[1]) / (len(words[0] | words[1]) or 1) if one.strip() != other.strip() else 0.0


def _weight(capture: Capture, signals: Sequence[str]) -> float:
    return 1 + FAULT_WEIGHT * bool(_faults(capture)) + SIGNAL_WEIGHT * len(signals)


def _faults(capture: Capture) -> list[str]:
    return [name for name in capture.faults if name != EDITED]


def _signals(capture: Capture, asked_again: Collection[str], ungrounded: Collection[str]) -> Iterator[str]:
    """Weak signs, which are no verdict."""
    if capture.prompt_hash in asked_again:
        yield "the same was asked more than once"
    if EDITED in capture.faults:
        yield "the prompt was edited and sent again"
    if capture.logprob is not None and capture.logprob < UNSURE * capture.logprob_tokens:
        yield "the model was unsure of its tokens"
    if capture.id in ungrounded:
        yield UNGROUNDED


def _why(capture: Capture, signs: Sequence[str]) -> str:
    reasons = [*(FAULTS.get(name, name) for name in _faults(capture)), *signs]
    return "; ".join(reasons) or "its prompt is like what is often asked, and unlike what was judged"


def _vectors(texts: Sequence[str]) -> Vectors:
    """A unit vector of each text (n, words and pairs of words that occur), weighed by how rare they are among them."""
    rows = [list(_places(text)) for text in texts]
    used, columns = np.unique([place for row in rows for place in row], return_inverse=True)
    counts = np.zeros((len(texts), len(used)), dtype=np.float32)
    np.add.at(counts, (np.repeat(np.arange(len(rows)), [len(row) for row in rows]), columns), 1)
    rarity = np.log1p(len(texts) / (1 + np.count_nonzero(counts, axis=0)))
    weighed: Any = np.log1p(counts) * rarity
    found: Vectors = weighed / np.maximum(np.linalg.norm(weighed, axis=1, keepdims=True), 1e-9)
    return found


def _places(text: str) -> Iterator[int]:
    words = _WORD.findall(text[:FIRST_CHARACTERS].lower())
    for one, other in zip(words, [*words[1:], ""], strict=True):
        yield crc32(one.encode("utf-8", "replace"))
        yield crc32(f"{one} {other}".encode("utf-8", "replace"))
