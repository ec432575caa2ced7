"""What of an answer can be checked against the texts that it rests on, and what was found."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property, lru_cache

import regex

from adapterd.evaluation.metrics.grounding.forms import WORD, key, shown
from adapterd.evaluation.metrics.grounding.name_marks import is_in, marked_names
from adapterd.evaluation.metrics.grounding.names import KnownNames, NameIn, another_language, names_in
from adapterd.evaluation.metrics.grounding.numbers import Number, Numbers, number, numbers_of
from adapterd.evaluation.metrics.grounding.quotations import Said, quotations_of
from adapterd.evaluation.metrics.json_answers.values import INVALID, is_number, parse_json
from adapterd.evaluation.metrics.text_forms import without_fence
from adapterd.evaluation.metrics.text_metrics import cited

SHORT_VALUE = 4
"""Words of a JSON text that is a name or a label, and no sentence."""
MOST_CHARACTERS = 200_000
_CODE = regex.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|(?<!\S)[^\s@]{1,64}@\S+", regex.DOTALL)
_CITATION = regex.compile(r"\[[^\[\]\s]{1,64}(?:[,;] ?[^\[\]\s]{1,64})*\]|【[^【】]{1,64}】")
_CAPITALISED = regex.compile(r"\p{Lu}")
_MARKED_SCRIPT = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Arabic}\p{Devanagari}\p{Thai}]")


class Item(StrEnum):
    """What can be checked."""

    NUMBER = "number"
    NAME = "name"
    QUOTATION = "quotation"
    CITATION = "citation"


class Support(StrEnum):
    """What the texts say of it: they have it, it may follow from them or be no fact, or they do not have it."""

    FOUND = "found"
    UNSURE = "unsure"
    MISSING = "missing"


@dataclass(frozen=True)
class Checked:
    """One item of an answer; `field` is its place in a JSON answer, without the numbers of items."""

    item: Item
    text: str
    support: Support
    field: str = ""


@dataclass(frozen=True)
class Ground:
    """The texts that an answer rests on, read once."""

    texts: tuple[str, ...]

    @cached_property
    def text(self) -> str:
        """All of them as they are seen."""
        return shown("\n".join(self.texts))[:MOST_CHARACTERS]

    @cached_property
    def numbers(self) -> Numbers:
        """Their numbers."""
        return Numbers.of(self.text)

    @cached_property
    def names(self) -> KnownNames:
        """Their words."""
        return KnownNames(self.text)

    @cached_property
    def cited(self) -> frozenset[str]:
        """What stands in brackets, as the names of sources do."""
        return frozenset(cited(self.text))

    @cached_property
    def said(self) -> Said:
        """Their words in order."""
        return Said(self.text)


@lru_cache(maxsize=64)
def ground_of(texts: tuple[str, ...]) -> Ground:
    """The same for the same texts, for they are asked about again and again."""
    return Ground(texts)


def check(answer: str, ground: Ground) -> list[Checked]:
    """Every item of an answer that can be checked, with what was found; of JSON, those of its values."""
    value = parse_json(without_fence(answer))
    if value is INVALID or not isinstance(value, dict | list):
        return list(_of_text(answer, ground))
    return [each for field, inner in _values(value) for each in _of_value(field, inner, ground)]


def _values(value: object) -> Iterator[tuple[str, object]]:
    pending: list[tuple[str, object]] = [("", value)]
    while pending:
        field, inner = pending.pop()
        if isinstance(inner, dict):
            pending += [(f"{field}.{name}".lstrip("."), each) for name, each in inner.items()]
        elif isinstance(inner, list):
            pending += [(field, each) for each in inner]
        else:
            yield field, inner


def _of_value(field: str, value: object, ground: Ground) -> Iterator[Checked]:
    if is_number(value):
        assert isinstance(value, int | float)
        yield _number(number(value), ground, field)
    elif isinstance(value, str):
        alone = len(value.split()) <= SHORT_VALUE
        yield from (replace(each, field=field) for each in _of_text(value, ground, alone=alone))


def _of_text(answer: str, ground: Ground, *, alone: bool = False) -> Iterator[Checked]:
    text = shown(_CODE.sub(" ", answer))[:MOST_CHARACTERS]
    plain = _CITATION.sub(" ", text)
    yield from _citations(text, ground)
    yield from (_number(each, ground) for each in numbers_of(plain))
    if not another_language(plain, ground.names):
        yield from _quotations(plain, ground)
        yield from _names(plain, ground, alone=alone)


def _citations(text: str, ground: Ground) -> Iterator[Checked]:
    """Where the texts have names in brackets, those of the answer are among them."""
    for name in cited(text) if ground.cited else ():
        yield Checked(Item.CITATION, name, Support.FOUND if name in ground.cited else Support.MISSING)


def _number(found: Number, ground: Ground, field: str = "") -> Checked:
    support = Support.MISSING
    if ground.numbers.has(found):
        support = Support.FOUND
    elif found.is_small or ground.numbers.gives(found):
        support = Support.UNSURE
    return Checked(Item.NUMBER, found.text, support, field)


def _quotations(text: str, ground: Ground) -> Iterator[Checked]:
    for each in quotations_of(text):
        nearly = Support.UNSURE if ground.said.nearly_has(each) else Support.MISSING
        yield Checked(Item.QUOTATION, each, Support.FOUND if ground.said.has(each) else nearly)


def _names(text: str, ground: Ground, *, alone: bool) -> Iterator[Checked]:
    missing: Sequence[NameIn] = [*names_in(text, ground.names, alone=alone)]
    if _MARKED_SCRIPT.search(text):
        missing = [*missing, *marked_names(text, ground.text)]
    yield from (Checked(Item.NAME, each.text, Support.MISSING if each.sure else Support.UNSURE) for each in missing)
    if alone and not missing and _MARKED_SCRIPT.search(text):
        yield Checked(Item.NAME, text, Support.FOUND if is_in(text, ground.text) else Support.UNSURE)
    for name in _found_names(text, ground.names, {each.text for each in missing}):
        yield Checked(Item.NAME, name, Support.FOUND)


def _found_names(text: str, known: KnownNames, missing: set[str]) -> Iterator[str]:
    """The capitalised words of an answer that its texts write with a capital letter, too."""
    for found in WORD.finditer(text):
        word = found[0]
        if _CAPITALISED.match(word) and word not in missing and key(word) in known.capitalised:
            yield word
