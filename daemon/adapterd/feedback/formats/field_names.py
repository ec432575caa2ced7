"""What the name of a field that no format knows says about it: the written list behind the rule for unknown fields.

A name is taken apart into words (`thumbsUp`, `thumbs-up`, `THUMBS_UP` are `thumbs` and `up`). Long stems count anywhere
in the name, short ones as a whole word. Where a name could be several things, the more dangerous one is taken.
"""

import re
from enum import StrEnum
from functools import lru_cache

from adapterd.feedback.formats import field_words
from adapterd.feedback.formats.field_words import (
    HARMLESS,
    KINDS,
    MEASURES,
    NAMES,
    PEOPLE,
    PERSONAL,
    SAFE_ENDINGS,
    SIZES,
    SPLITS,
    TIMES,
    UNITS,
)


class Kind(StrEnum):
    """What a field could be. The value of a suspicious kind is how it is called in a sentence."""

    VERDICT = "a verdict"
    CORRECTION = "a better or a worse answer"
    CONTEXT = "a part of what was asked"
    SPLIT = "the part of the data that it is for"
    TIME = "time"
    MEASURE = "measure"
    LABEL = "label"
    UNKNOWN = "unknown"


SUSPICIOUS = frozenset({Kind.VERDICT, Kind.CORRECTION, Kind.CONTEXT})

_MEDIA = re.compile(r"image|img|picture|photo|audio|video|screenshot|attach|media|bild|图片|画像")
_FILES = frozenset({"file", "files", "img", "imgs", "pdf", "mm"})
_LONGEST_KEPT = 100
"""Characters of the names whose kinds are kept in memory: names are as long as their senders make them."""
_STEP = 1 << 14
"""Characters in which a word is looked for at once."""
_UNITS = {(unit,) for unit in UNITS}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")


def words(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case."""
    return _words(name) if len(name) <= _LONGEST_KEPT else _found_words(name)


@lru_cache(maxsize=4096)
def _words(name: str) -> tuple[str, ...]:
    return _found_words(name)


def _found_words(name: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(name))


def first_words(text: str, most: int) -> tuple[str, ...]:
    """The first words of a text, one more than `most` at most, so that a long one is not taken apart for nothing. It is
    gone through in steps, between which other threads run."""
    found: list[str] = []
    position = 0
    while position < len(text) and len(found) <= most:
        end = position + _STEP
        word = _WORD.search(text, position, end)
        if word is not None and word.end() == end:
            word = _WORD.match(text, word.start())  # it goes on behind the step
        if word is not None:
            found.append(word[0].lower())
        position = end if word is None else word.end()
    return tuple(found)


def snake(name: str) -> str:
    """A name as ours are written: `Failure-Tags`, `failureTags` → `failure_tags`."""
    return "_".join(words(name))


_MADE_FOR = field_words.WRAPPERS | field_words.SCORES | {"responses"}
"""Last names of paths that say nothing of their own: `quality.responses`, `toxicity.score`."""
_STEMS = {
    Kind.VERDICT: re.compile("|".join(sorted(field_words.VERDICT_STEMS))),
    Kind.CORRECTION: re.compile("|".join(sorted(field_words.CORRECTION_STEMS))),
    Kind.CONTEXT: re.compile("|".join(sorted(field_words.CONTEXT_STEMS))),
}
_WORDS = {
    Kind.VERDICT: field_words.VERDICT_WORDS,
    Kind.CORRECTION: field_words.CORRECTION_WORDS,
    Kind.CONTEXT: field_words.CONTEXT_WORDS,
}


def kind_of(name: str) -> Kind:
    """What a field of this name could be."""
    return _kind_of(name) if len(name) <= _LONGEST_KEPT else _found_kind(name)


@lru_cache(maxsize=4096)
def _kind_of(name: str) -> Kind:
    return _found_kind(name)


def _found_kind(name: str) -> Kind:
    parts = words(name)
    if name and not parts:
        return Kind.VERDICT  # an emoji
    if any(part in SPLITS for part in parts):
        return Kind.SPLIT
    if (kind := _by_ending(name, parts)) is not None:
        return kind
    whole = "_".join(parts)
    for kind in (Kind.VERDICT, Kind.CORRECTION, Kind.CONTEXT):
        if _STEMS[kind].search(whole) or not _WORDS[kind].isdisjoint(parts):
            return kind
    return _harmless(parts)


def _by_ending(name: str, parts: tuple[str, ...]) -> Kind | None:
    """The harmless kind of a name that says at its end what its value is, whatever it is of."""
    if "_".join(parts) in HARMLESS:
        return Kind.MEASURE
    if not PEOPLE.isdisjoint(parts) and {part for part in parts if not part.isdigit()} <= PEOPLE | PERSONAL:
        return Kind.LABEL
    last = next((part for part in reversed(parts) if not part.isdigit()), "")
    if last == "tokens":
        return Kind.MEASURE
    if is_media(name):
        return None
    if last in SAFE_ENDINGS:
        return Kind.TIME if last in TIMES else Kind.MEASURE
    if has_verdict(name):
        return None
    if last in SIZES:
        return Kind.MEASURE
    return Kind.LABEL if last in KINDS else None


def _harmless(parts: tuple[str, ...]) -> Kind:
    for kind, known in ((Kind.TIME, TIMES), (Kind.MEASURE, MEASURES), (Kind.LABEL, NAMES)):
        if not known.isdisjoint(parts):
            return kind
    return Kind.UNKNOWN


@lru_cache(maxsize=4096)
def is_media(name: str) -> bool:
    """Whether a name speaks of something that is not text: a picture, a recording, a file."""
    parts = words(name)
    return bool(_MEDIA.search("_".join(parts))) or not _FILES.isdisjoint(parts)


def names_a_fault(path: str) -> bool:
    """Whether the name of a field, the last of its path, speaks of what is bad: `is_bad`, `errors`, `worse_answer`.

    The name of an object, or of a question, counts where the last says no more than what it is made for:
    `toxicity.score`.
    """
    *outer, name = path.split(".")
    while outer and words(name) and _MADE_FOR.issuperset(words(name)):
        name = outer.pop()
    return not field_words.FAULTS.isdisjoint(words(name))


def names_an_answer(name: str) -> bool:
    """Whether a name speaks of an answer, whatever else it speaks of."""
    parts = words(name)
    found = _STEMS[Kind.CORRECTION].search("_".join(parts))
    return found is not None or not _WORDS[Kind.CORRECTION].isdisjoint(parts)


@lru_cache(maxsize=4096)
def has_verdict(name: str) -> bool:
    """Whether a name speaks of a verdict at all, however it ends: `feedback_id`, not `accepted_tokens`."""
    parts = words(name)
    whole = "_".join(parts)
    if whole in HARMLESS or parts[-1:] in _UNITS:
        return False
    return bool(_STEMS[Kind.VERDICT].search(whole)) or not field_words.VERDICT_WORDS.isdisjoint(parts)
