"""The names in an answer that the texts it rests on do not have.

Where a script has capital letters, names are capitalised words that no sentence begins with; German, which writes all
nouns so, has them where two such words stand together, behind a title, or (not surely) behind a few words that are
followed by names. Where a script has none, names are what stands beside titles and speech (`name_marks.py`). A name is
there in another case of its language, too, as initials, or as what initials stand for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import regex

from adapterd.evaluation.metrics.grounding.forms import WORD, key
from adapterd.evaluation.metrics.grounding.known_words import (
    COMMON,
    ENDINGS,
    GERMAN,
    GERMAN_BEFORE_NAMES,
    GERMAN_BEGINNINGS,
    GERMAN_ENDINGS,
    GERMAN_INFLECTION,
    GERMAN_NOUNS,
    TITLES,
)
from adapterd.scripts import UNSPACED

STEM = 3
"""Letters of the shortest stem that two forms of a name share."""
LONGER = 4
"""So many letters may be added to a name of as many, in languages that say by endings what others say by words."""
HEADING = 4
"""Long words of the shortest heading that writes all of them with capitals."""
SAME_LANGUAGE, WORDS_OF_A_LANGUAGE = 0.12, 10
"""The share of an answer's small words that are in the text, if both are in one language, and how many tell."""
_BOUNDARY = regex.compile(r"[.!?…:;。！？।؟]+[\"'”»)\]]*(?:\s+|$)|\n|(?<=[。！？।])")
_SHORT = regex.compile(r"(?:^|[\s(])(?:\p{Lu}|\p{Lu}\p{L}{1,3})\.\s$")
_JOINED = regex.compile(r"^[ ]?$|^\. $")
_CAPITAL = regex.compile(r"\p{Lu}")
_QUOTE_BEFORE = regex.compile(r"[\"'“”„«»‘(\[*_]\s*$")


@dataclass(frozen=True)
class NameIn:
    """A name of an answer, and whether it surely is one."""

    text: str
    sure: bool = True


@dataclass(frozen=True)
class KnownNames:
    """The words of a text, as names of an answer are looked up among them."""

    text: str

    @cached_property
    def words(self) -> frozenset[str]:
        """Their keys, of words with hyphens the parts too."""
        found = [key(each[0]) for each in WORD.finditer(self.text)]
        parts = [part for each in found for part in regex.split("['-]", each) if part]
        joined = [each.replace("-", "").replace("'", "") for each in found]
        return frozenset((*found, *parts, *joined, *self._initials))

    @cached_property
    def _initials(self) -> list[str]:
        """The first letters of words that stand together: what an abbreviation of them is."""
        runs = [[key(each[0])[:1] for each in WORD.finditer(run[0])][:8] for run in _RUN.finditer(self.text)]
        ends = range(2, 9)
        return [
            "".join(run[at : at + end]) for run in runs for at in range(len(run)) for end in ends if len(run) >= end
        ]

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for word in self.words:
            found.setdefault(word[:STEM], []).append(word)
        return found

    @cached_property
    def _by_letters(self) -> frozenset[str]:
        return frozenset(_spelt(word) for word in self.words)

    @cached_property
    def is_german(self) -> bool:
        """Whether the text is German."""
        return is_german(self.text)

    @cached_property
    def in_runs(self) -> frozenset[str]:
        """The capitalised words that stand beside another one: parts of names."""
        return frozenset(key(word[0]) for run in _RUN.finditer(self.text) for word in WORD.finditer(run[0]))

    @cached_property
    def capitalised(self) -> frozenset[str]:
        """The words that it writes with a capital letter, behind a small one: names, in most languages."""
        return frozenset(key(found[1]) for found in _INSIDE.finditer(self.text))

    def has(self, name: str) -> bool:
        """Whether a word is there, in any form."""
        word = key(name)
        word = word[:-2] if word.endswith("'s") else word.rstrip("'")
        if word in self.words or word in COMMON or _spelt(word) in self._by_letters:
            return True
        if any(_same_name(word, other) for other in self._by_stem.get(word[:STEM], ())):
            return True
        parts = [part for part in regex.split("['-]", name) if part]
        return len(parts) > 1 and all(self.has(part) for part in parts if _CAPITAL.match(part) or part.isdigit())

    def stands_for(self, run: Sequence[str]) -> bool:
        """Whether these words are written out what is there as initials."""
        return len(run) > 1 and "".join(key(word)[:1] for word in run) in self.words

    def has_part(self, word: str) -> bool:
        """Whether a long word is made of words that are there, or is part of one."""
        form = key(word)
        return any(
            len(other) >= 5 and (form.startswith(other[:5]) or other[:-1] in form or form in other)
            for other in self.words
        )


_UNSPACED = regex.compile(rf"[{UNSPACED}]")
_QUOTED = regex.compile(r"[\"«「『][^\"«»」』]*[\"»」』]")
_INSIDE = regex.compile(r"(?<=[\p{Ll},] )(\p{Lu}[\p{L}\p{M}'-]*)")
_RUN = regex.compile(
    r"\p{Lu}[\p{L}\p{M}'’-]*(?:[ ](?:(?:of|de|di|von|van|der|den|the|and|du|la|le) )?\p{Lu}[\p{L}\p{M}'’-]*)+"
)


def names_in(answer: str, known: KnownNames, *, alone: bool = False) -> Iterator[NameIn]:
    """The names of an answer that the text does not have. `alone` is for a short value: it begins with a name, too."""
    german = is_german(answer) or (known.is_german and len(answer.split()) < 12)
    for sentence in _sentences(answer):
        tokens = list(WORD.finditer(sentence))
        if tokens and not _is_heading(sentence, tokens, german=german):
            yield from _of_sentence(sentence, tokens, known, german=german, alone=alone)


def _sentences(text: str) -> Iterator[str]:
    """Parts that begin with a capital letter whatever they begin with; a title or an initial ends none."""
    begin = 0
    for found in _BOUNDARY.finditer(text):
        short = _SHORT.search(text[max(0, found.end() - 8) : found.end()])
        if not short or not (len(short[0].strip(" (.")) == 1 or key(short[0].strip(" (.")) in TITLES | COMMON):
            yield text[begin : found.end()]
            begin = found.end()
    yield text[begin:]


def is_german(text: str) -> bool:
    """Whether a text is German, by the words that hardly any sentence is without."""
    found = [key(each[0]) for each in WORD.finditer(text[:4000])]
    return sum(word in GERMAN for word in found) >= max(2, 0.1 * len(found))


def another_language(answer: str, known: KnownNames) -> bool:
    """Whether an answer is in another language than the text: hardly any of its small words is there, or, in a script
    without spaces, of its characters. What it quotes does not count."""
    answer = _QUOTED.sub(" ", answer)
    if characters := set(_UNSPACED.findall(answer)):
        return len(characters) >= WORDS_OF_A_LANGUAGE and len(characters & set(known.text)) < 0.3 * len(characters)
    german = is_german(answer)
    if known.is_german and german:
        return False
    small = {key(each[0]) for each in WORD.finditer(answer) if not _CAPITAL.match(each[0]) and each[0].isalpha()}
    least = WORDS_OF_A_LANGUAGE // 2 if german is not known.is_german else WORDS_OF_A_LANGUAGE
    return len(small) >= least and len(small & known.words) < SAME_LANGUAGE * len(small)


def _of_sentence(
    sentence: str, tokens: Sequence["regex.Match[str]"], known: KnownNames, *, german: bool, alone: bool
) -> Iterator[NameIn]:
    for run in _runs(sentence, tokens):
        first = run[0] == 0 or _QUOTE_BEFORE.search(sentence[: tokens[run[0]].start()]) is not None
        found = [tokens[at][0] for at in run]
        if known.stands_for(found):
            continue
        before = key(tokens[run[0] - 1][0]) if run[0] else ""
        if german:
            yield from _german(found, before, known, first=first and not alone)
            continue
        for place, word in enumerate(found):
            begins = first and place == 0 and not alone and not _is_odd(word)
            if not begins and not known.has(word):
                yield NameIn(word, sure=not (alone and len(tokens) == 1))


def _german(run: Sequence[str], before: str, known: KnownNames, *, first: bool) -> Iterator[NameIn]:
    missing = [not known.has(word) and not _is_noun(word, known) for word in run]
    if first and (key(run[0]).endswith(GERMAN_INFLECTION) or key(run[0]) in GERMAN_BEGINNINGS):
        missing[0] = False
    for place, word in enumerate(run):
        if not missing[place] or (first and place == 0):
            continue
        previous = key(run[place - 1]) if place else before
        beside = (place > 0 and missing[place - 1]) or (place + 1 < len(run) and missing[place + 1])
        if beside or previous in TITLES or _is_odd(word):
            yield NameIn(word)
        elif (place > 0 and previous in known.in_runs) or (place == 0 and previous in GERMAN_BEFORE_NAMES):
            yield NameIn(word, sure=False)


def _is_noun(word: str, known: KnownNames) -> bool:
    form = key(word)
    return (
        form in GERMAN_NOUNS or form in GERMAN or form.endswith(GERMAN_ENDINGS) or "-" in form or known.has_part(word)
    )


def _is_odd(word: str) -> bool:
    """Whether it is written as no common word is: an abbreviation, with capitals inside, or with digits."""
    letters = word.replace(".", "")
    return (len(letters) > 1 and letters.isupper() and len(letters) < 7) or any(map(str.isdigit, word))


def _runs(sentence: str, tokens: Sequence["regex.Match[str]"]) -> Iterator[list[int]]:
    """The places of capitalised words, those together that only a space stands between."""
    run: list[int] = []
    for at, token in enumerate(tokens):
        if not _is_capitalised(token[0]):
            continue
        if run and (run[-1] != at - 1 or not _JOINED.match(sentence[tokens[at - 1].end() : token.start()])):
            yield run
            run = []
        run.append(at)
    if run:
        yield run


def _is_capitalised(word: str) -> bool:
    return _CAPITAL.match(word) is not None or (
        word[0].isdigit() and _CAPITAL.search(word) is not None and len(word) > 2
    )


def _is_heading(sentence: str, tokens: Sequence["regex.Match[str]"], *, german: bool) -> bool:
    long = [token[0] for token in tokens if len(token[0]) > 3]
    ends = sentence[tokens[-1].end() :].strip()[:1] in (".", "?", ";") and not sentence[: tokens[0].start()].strip(
        "*_ "
    )
    return not german and not ends and len(long) >= HEADING and all(_CAPITAL.match(word) for word in long)


def _same_name(one: str, other: str) -> bool:
    """Whether two words may be forms of one name."""
    short, long = sorted((one, other), key=len)
    if len(short) >= LONGER and long.startswith(short) and len(long) - len(short) <= LONGER:
        return True
    same = next((at for at, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    least = max(STEM, len(short) - 3)
    return any(short[at:] in ENDINGS and long[at:] in ENDINGS for at in range(least, same + 1)) and len(short) > STEM


def _spelt(word: str) -> str:
    """Without what a transcription adds: Mueller and Müller."""
    return str(regex.sub("(?<=[aou])e", "", word)).replace("-", "").replace("'", "")
