"""Words and texts in the form in which the same name reads the same: any case, accents and apostrophes."""

import unicodedata
from collections.abc import Iterator

import regex

from adapterd.evaluation.metrics.text_forms import straight
from adapterd.visible import visible

_MARKS = regex.compile(r"[\u0300-\u036f\u064b-\u065f\u0670\u0640]")
WORD = regex.compile(r"(?:\p{L}\.){2,}|[\p{L}\p{M}\p{N}]+(?:['’‑-][\p{L}\p{M}\p{N}]+)*")
"""A word with its hyphens and apostrophes: `O'Neill`, `Jean-Luc`; letters with full stops are one, too: `U.S.`"""


def shown(text: str) -> str:
    """The text as it is seen, in the compatible composed form of Unicode, with straight quotation marks."""
    return unicodedata.normalize("NFKC", straight(visible(text))).replace("‑", "-")


def key(word: str) -> str:
    """A word in any case, without accents and full stops."""
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", word.casefold()))
    return unicodedata.normalize("NFC", bare).replace(".", "").replace("’", "'")


def words(text: str) -> Iterator[str]:
    """The keys of the words of a text."""
    return (key(found[0]) for found in WORD.finditer(text))
