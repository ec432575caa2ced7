"""Values that are verdicts, whatever their field is called: words, emoji, grades, and scores with a name."""

import re
import unicodedata
from functools import lru_cache

from adapterd.feedback.formats.field_names import Kind, first_words, has_verdict, words
from adapterd.feedback.formats.field_words import (
    AROUND,
    GROUPS,
    JUDGING,
    MILD,
    PHRASES,
    PLACES,
    SCORES,
    TOLD_TO_IMPROVE,
    VERDICTS,
    YES_OR_NO,
)

_ALL = VERDICTS | JUDGING
_WHOLE = _ALL - MILD
_MOST_WORDS = 4
_LONGEST = 60
"""Characters of the longest text that is nothing but a verdict."""
_GRADE = re.compile(r"[A-Fa-f]\s?(?:[+\-−]|plus|minus)")
_LETTER = re.compile(r"[A-FTYNtfyn]")
_STARS = re.compile(r"\d+(?:[.,]\d+)?\s*(?:(?:of|out of)\s*\d+|stars?)", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z]{2}(?:[-_][A-Za-z]{2,4})?")
_NAMED_SCORE = re.compile(r"\W*([^\W\d]+(?:[ _-][^\W\d]+){0,2})\s*[:=_ -]\s*[+-]?\d+(?:[.,]\d+)?(?:\s*/\s*\d+)?\W*")
VERDICT_FREE = ("output_type", "application")
"""The fields of ours whose values are names, which are never verdicts."""
_SIGNS = re.compile(r"[👍👎🖕💩❌✅✔✖❎]")


def is_verdict(name: str, kind: Kind, text: str) -> bool:
    """Whether the whole text of a field that no format knows is a verdict: `incorrect`, `👎`, `B+`, `rating: 1`."""
    if len(text) > _LONGEST:
        return False
    plain = _plain(text)
    if not any(c.isalnum() for c in plain) or (_SIGNS.search(plain) and len(plain.split()) <= _MOST_WORDS):
        return True
    about = frozenset(words(name))
    if not about.isdisjoint(PLACES) and _CODE.fullmatch(plain):
        return False
    if _LETTER.fullmatch(plain):
        return kind is Kind.LABEL and about.isdisjoint(GROUPS | PLACES)
    found = words(plain)
    if kind in (Kind.MEASURE, Kind.TIME) and plain.lower() in YES_OR_NO:
        return False
    return (
        _GRADE.fullmatch(plain) is not None
        or _STARS.fullmatch(plain) is not None
        or _is_said(plain, found)
        or _is_named_score(plain)
    )


@lru_cache(maxsize=1024)
def _is_a_verdict(name: str, text: str) -> bool:
    return is_verdict(name, Kind.UNKNOWN, text)


def is_a_verdict(name: str, text: str) -> bool:
    """Whether the value of a field of ours that is a name is a verdict."""
    return len(text) <= _LONGEST and _is_a_verdict(name, text)


def has_verdict_word(text: str) -> bool:
    """Whether a text of a few words has one that is a verdict."""
    plain = _plain(text) if len(text) <= _LONGEST else text.strip()
    found = first_words(plain, _MOST_WORDS)
    if len(found) > _MOST_WORDS:
        return False
    said = (*(word for word in found if len(word) > 1 or not word.isascii()), plain.lower())
    return not _ALL.isdisjoint(said)


def _is_said(plain: str, found: tuple[str, ...]) -> bool:
    """Whether a text is a verdict, with no more than words such as `very`, `answer` or `by reviewer` around it."""
    if plain.lower() in _WHOLE or "_".join(found) in PHRASES:
        return True
    verdicts = {word for word in _WHOLE.intersection(found) if len(word) > 1 or not word.isascii()}
    if found[:1] in (("needs",), ("need",)) and not TOLD_TO_IMPROVE.isdisjoint(found):
        return len(found) <= _MOST_WORDS
    if found[:2] in (("low", "quality"), ("high", "quality"), ("poor", "quality"), ("do", "not"), ("don", "t")):
        return len(found) <= 2 * _MOST_WORDS and (verdicts | AROUND).issuperset(found)
    return bool(verdicts) and len(found) <= 2 * _MOST_WORDS and (verdicts | AROUND).issuperset(found)


def _is_named_score(plain: str) -> bool:
    found = _NAMED_SCORE.fullmatch(plain)
    if not found:
        return False
    said = words(found[1])
    return not SCORES.isdisjoint(said) or (has_verdict(found[1]) and (":" in plain or "=" in plain))


def _plain(text: str) -> str:
    """A text without white space around it, and without signs that are not seen or only look different."""
    if text.isascii():
        return text.strip()
    from adapterd.visible import visible  # which has regex: it would stay in the daemon's memory

    return unicodedata.normalize("NFKC", visible(text)).strip()
