"""How much of an answer is long passages of its prompt, word for word.

The measure is the coverage of Grusky, Naaman and Artzi (Newsroom, NAACL 2018) by long fragments only: a word of the
answer counts as copied if it is in a run of PASSAGE words that the prompt has as well. So titles, labels, names, short
quotes and extractive answers count nothing, however verbatim they are.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import regex

from adapterd.chat import Prompt, Role, without_thought
from adapterd.scripts import UNSPACED
from adapterd.visible import visible_nfc

PASSAGE = 20
"""Words of the shortest passage that counts."""
PASSAGE_UNSPACED = 40
"""The same where a word is a character (see `scripts.py`)."""
_WORDS = regex.compile(rf"[{UNSPACED}]\p{{M}}*|[[\p{{L}}\p{{M}}\p{{N}}]--[{UNSPACED}]]+", regex.VERSION1)
_UNSPACED = regex.compile(rf"[{UNSPACED}]")


def share_copied(messages: Prompt, completion: str) -> float:
    """The share of the words of an answer that is in long passages of what the user or the system said, 0…1.

    Of an answer in JSON each text counts for itself; names of fields do not count.
    """
    texts = [_words(text) for text in _texts_of(without_thought(completion))]
    total = sum(map(len, texts))
    sources = [_words(message.content) for message in messages if message.role is not Role.ASSISTANT]
    if not total or not sources:
        return 0.0
    length = _passage(texts)
    passages = {passage for words in sources for passage in _runs(words, length)}
    return sum(_covered(words, passages, length) for words in texts) / total


def fault_of_copy(messages: Prompt, completion: str, most: float) -> str:
    """Why an answer that copies more than the share `most` of itself is left out; empty if it does not."""
    if most >= 1 or (share := share_copied(messages, completion)) <= most:
        return ""
    return f"{share:.0%} of its answer is long passages of its prompt (dataset.max_copied is {most:g})"


def _passage(texts: Sequence[Sequence[str]]) -> int:
    words = [word for each in texts for word in each]
    unspaced = sum(_UNSPACED.match(word) is not None for word in words)
    return PASSAGE_UNSPACED if 2 * unspaced > len(words) else PASSAGE


def _texts_of(completion: str) -> list[str]:
    try:
        value = json.loads(completion)
    except (ValueError, RecursionError):
        return [completion]
    return list(_strings(value)) if isinstance(value, dict | list) else [completion]


def _strings(value: Any) -> Iterator[str]:
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            pending += each.values()
        elif isinstance(each, list):
            pending += each


def _words(text: str) -> list[str]:
    """The words; forms of Unicode and invisible characters, such as soft hyphens, make no others."""
    return [str(word) for word in _WORDS.findall(visible_nfc(text).casefold())]


def _runs(words: Sequence[str], length: int) -> Iterator[tuple[str, ...]]:
    return (tuple(words[start : start + length]) for start in range(len(words) - length + 1))


def _covered(words: Sequence[str], passages: set[tuple[str, ...]], length: int) -> int:
    """How many of the words are in a run that is one of the passages."""
    covered, end = 0, 0
    for start, run in enumerate(_runs(words, length)):
        if run in passages:
            covered += start + length - max(start, end)
            end = start + length
    return covered
