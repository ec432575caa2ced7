"""Texts in a form in which the same reads the same: Unicode's normal forms, quotation marks, and words in any script.

What is written in two ways that look alike must not count as two things, and a text of a script without spaces between
words must not count as one word.
"""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

import regex

from adapterd.scripts import UNSPACED

MOST_WORDS = 20_000
"""A text counts by so many of its words: no answer needs more, and no answer may take the machine's memory."""
_BY_CHARACTER = rf"{UNSPACED}\p{{Hangul}}"
"""Scripts that count by their characters: those without spaces, and Korean, whose words carry their particles (KorQuAD
1.0, Lim et al. 2019, counts it by syllables too)."""
_CHARACTER = regex.compile(rf"[{_BY_CHARACTER}]")
_WORD = regex.compile(
    rf"(?=[{_BY_CHARACTER}])\X|[[\p{{L}}\p{{N}}_]--[{_BY_CHARACTER}]][\w--[{_BY_CHARACTER}]]*", regex.V1
)
_GRAPHEME = regex.compile(r"\X")
_MARKS = regex.compile(r"(\p{M}{30})\p{M}+")
_VARIANTS = regex.compile(r"[\uFE0E\uFE0F]")
_FENCES = frozenset("`~")
_LANGUAGE = regex.compile(r"[\w+.#-]*[^\S\n]*\n|json\s", regex.IGNORECASE)
"""What stands behind the opening of a fence: its language, up to the end of the line."""
_QUOTES = str.maketrans({**dict.fromkeys("‘’‚‛′´", "'"), **dict.fromkeys("“”„‟″«»", '"')})


def composed(text: str) -> str:
    """Unicode's normal form C, in which é is one character however it was typed.

    Of more than 30 marks on one character the first 30 count (UAX 15, Stream-Safe Text Format): ordering them takes the
    square of their number.
    """
    return unicodedata.normalize("NFC", _MARKS.sub(r"\1", text))


def straight(text: str) -> str:
    """Composed, with straight quotation marks."""
    return composed(text).translate(_QUOTES)


def plain(text: str) -> str:
    """As a person would call it the same: with straight quotation marks and single spaces."""
    return " ".join(straight(text).split())


def folded(text: str) -> str:
    """`plain`, in any case and any width."""
    return unicodedata.normalize("NFKC", _VARIANTS.sub("", unicodedata.normalize("NFKC", plain(text))).casefold())


@lru_cache(maxsize=1024)
def words(text: str) -> tuple[str, ...]:
    """The words of a text, in any case: characters (grapheme clusters) in scripts without spaces and in Korean. A text
    without any word counts by what else it has, such as emoji and marks. At most MOST_WORDS."""
    form = folded(text)
    found = tuple(islice(_matches(_WORD, form), MOST_WORDS))
    return found or tuple(islice((each for each in _matches(_GRAPHEME, form) if not each.isspace()), MOST_WORDS))


def without_fence(text: str) -> str:
    """What is in a text that is one fenced code block as a whole, as applications read it; any other text as it is."""
    bare = text.strip()
    mark = bare[:1]
    fence = bare[: len(bare) - len(bare.lstrip(mark))] if mark in _FENCES else ""
    inner = bare[len(fence) : -len(fence)] if fence else ""
    if len(fence) < 3 or not inner or not bare.endswith(fence) or fence in inner or inner[-1] == mark:
        return text
    return inner[found.end() :].strip() if (found := _LANGUAGE.match(inner)) else inner.strip()


def is_character(word: str) -> bool:
    """Whether a word is one character of a script that counts by characters."""
    return _CHARACTER.match(word) is not None


def _matches(pattern: "regex.Pattern[str]", text: str) -> Iterator[str]:
    return (found.group() for found in pattern.finditer(text))
