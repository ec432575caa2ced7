"""The numbers of a text, however they are written: 1,200, 1.200, 1 200, ١٢٠٠, 1.2 thousand, 12 %, 12.05.2026, 3 pm.

What is written in one way may mean two numbers (1.200): such a number is there if either is. A date, a time or a
version is there if all its parts are.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import regex

from adapterd.evaluation.metrics.grounding.forms import WORD, key, shown
from adapterd.evaluation.metrics.grounding.number_words import MONTHS, TIMES, months_in, numbers_in_words
from adapterd.evaluation.metrics.json_answers.values import as_float

SMALL_COUNT = 10
"""A whole number up to this one, without anything around it, may be counted by whoever answers."""
MOST_COMPARED = 80
"""Numbers of a text that another may be computed from."""
MOST_NUMBERS = 5_000
_DIGIT = regex.compile(r"\p{Nd}")
_NUMBER = regex.compile(
    r"(?<![\p{Latin}\d])(?<!\p{Latin}[-.])"
    r"(?>\d{1,3}(?: \d{3})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,'٬٫]\d+)*)"
    r"(?=\p{L}{1,3}\b|[^\p{Latin}]|$)"
)
_LIST_MARK = regex.compile(r"^[ \t>*#-]*\d{1,3}[.)](?=\s)", regex.MULTILINE)
_PERCENT = regex.compile(
    r"\s?(?:%|٪|percent|per cent|prozent|pour cent|por ciento|per cento|процент|τοις|प्रतिशत)", regex.I
)
_AFTERNOON = regex.compile(r"(?:[:.]\d\d)?\s?p\.?\s?m\b", regex.I)
_FACTORS = np.array([60, 24, 7, 12, 100, 1000, 1e6, 1.609344, 2.54, 0.3048, 0.45359237, 3.785411784])
"""What units of time, length, weight and volume are multiplied by for one another."""


@dataclass(frozen=True)
class Number:
    """A number in a text: it is one of `values`, or all of `parts`. `bare` is one without a unit, a decimal or a
    neighbouring month, `month` that of the date it belongs to."""

    text: str
    values: frozenset[float]
    parts: tuple[float, ...] = ()
    bare: bool = False
    month: int = 0

    @property
    def is_small(self) -> bool:
        """Whether it may be a count of what was said."""
        return self.bare and all(value <= SMALL_COUNT and value == int(value) for value in self.values)


@dataclass(frozen=True)
class Numbers:
    """All numbers of the texts that an answer rests on, and the months that they name."""

    values: frozenset[float]
    months: frozenset[int]

    @classmethod
    def of(cls, text: str) -> "Numbers":
        """Those in digits and in words."""
        found = {value for each in numbers_of(text, lenient=True) for value in (*each.values, *each.parts)}
        months = months_in(text)
        found |= {*(_same(each) for each in numbers_in_words(text)), *map(float, months), 0.0}
        return cls(frozenset(found), frozenset(months))

    def has(self, number: Number) -> bool:
        """Whether the number is there, or one that it is rounded from."""
        written = not self.values.isdisjoint(number.values) or any(map(self._rounds, number.values))
        if not written and not (number.parts and self.values.issuperset(number.parts)):
            return False
        return not number.month or number.month in (self.months or self.values)

    def gives(self, number: Number) -> bool:
        """Whether the number follows from one or two that are there: a sum, a difference, a share, a change in percent,
        another unit."""
        return not number.month and _follows(max(number.values, default=0.0), self._compared)

    def _rounds(self, value: float) -> bool:
        digits = f"{value:.10g}".replace(".", "").strip("0")
        if len(digits) < 2 or value >= 1e15:
            return False
        step = _last_digit(value)
        near = self._array[np.abs(self._array - value) <= step / 2 + 1e-9]
        return bool(len(near)) and not 1000 <= value <= 2200

    @property
    def _array(self) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        return np.array(sorted(self.values), dtype=float)

    @property
    def _compared(self) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        return np.array(list(islice(sorted(self.values), MOST_COMPARED)), dtype=float)


def _last_digit(value: float) -> float:
    """The place of the last digit that is not 0, as a power of ten."""
    written = f"{value:.10g}"
    if "e" in written:
        return float(10.0 ** (np.floor(np.log10(value)) - 1))
    whole, _, fraction = written.partition(".")
    return float(10.0 ** -len(fraction)) if fraction else float(10.0 ** (len(whole) - len(whole.rstrip("0"))))


def _follows(value: float, known: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> bool:
    """Sums and differences have to be exact, what is divided may be rounded to the last digit that is written."""
    if not len(known) or value == 0:
        return False
    one, other = known[:, None], known[None, :]
    with np.errstate(all="ignore"):
        exact = [one + other, np.abs(one - other), np.array([known.sum()])]
        shares = 100 * one / other
        rounded = [
            shares,
            np.abs(shares - 100),
            one * _FACTORS,
            one / _FACTORS,
            known * 9 / 5 + 32,
            (known - 32) * 5 / 9,
        ]
        step = min(_last_digit(value), 0.02 * value)
        return any(bool((np.abs(each - value) <= 1e-9 * value).any()) for each in exact) or any(
            bool((np.abs(each - value) <= step / 2 + 1e-9).any()) for each in rounded
        )


def numbers_of(text: str, *, lenient: bool = False) -> Iterator[Number]:
    """The numbers that a text writes in digits, but for those that count the items of a list.

    `lenient` also reads those that a word makes larger without it: of `1.2 to 1.5 million`, each is both.
    """
    plain = _plain(text)
    marks = {found.end() - 2 for found in _LIST_MARK.finditer(plain)} if not lenient else set[int]()
    for found in islice(_NUMBER.finditer(plain), MOST_NUMBERS):
        if found.end() - 1 not in marks:
            yield _read(plain, found.start(), found.end(), lenient=lenient)


def number(value: float) -> Number:
    """A number of JSON; a share is also one in percent."""
    value = as_float(value)
    values = {_same(abs(value)), *([_same(abs(100 * value))] if abs(value) < 1 else [])}
    return Number(f"{value:.10g}", frozenset(values), bare=value == int(value))


def _plain(text: str) -> str:
    """With ASCII digits."""
    return (
        str(_DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), shown(text))) if not text.isascii() else text
    )


def _read(text: str, start: int, end: int, *, lenient: bool) -> Number:
    written, behind = text[start:end], text[end : end + 24]
    values, parts = readings(written)
    month = _month_beside(text, start, end)
    word = regex.match(r"[ -]?(百|千|万|萬|亿|億|만|억|천|พัน|หมื่น|แสน|ล้าน|\p{L}+)", behind)
    times = TIMES.get(key(word[1])) if word else None
    if times:
        values = {_same(value * times) for value in values} | (values if lenient else set())
    if _PERCENT.match(behind):
        values |= {_same(value / 100) for value in values}
    if _AFTERNOON.match(behind):
        values |= {value + 12 for value in values if value < 12}
    bare = written.isdigit() and not times and not month and _is_bare(text, start, behind)
    return Number(text[start:end] + (f" {word[1]}" if times and word else ""), frozenset(values), parts, bare, month)


def _is_bare(text: str, start: int, behind: str) -> bool:
    """Whether no unit, currency, time or part of a date stands beside it."""
    before = text[max(0, start - 1) : start].strip()
    return not before.strip("(\"'[") and not regex.match(r"\s?[%٪°€$£¥:/]|[-–]\d|\s?(?:am|pm|uhr|h)\b", behind, regex.I)


def _month_beside(text: str, start: int, end: int) -> int:
    """The month that is named directly before or behind a number; 0 if none is."""
    behind = WORD.match(text, end + len(text[end : end + 8]) - len(_without_joints(text[end : end + 8])))
    if behind and (month := MONTHS.get(key(behind[0]))):
        return month
    before = list(WORD.finditer(text[max(0, start - 16) : start]))
    near = before and not text[max(0, start - 16) + before[-1].end() : start].strip(" .,")
    return MONTHS.get(key(before[-1][0]), 0) if near and before else 0


def _without_joints(text: str) -> str:
    return str(regex.sub(r"^(?:\.? |st |nd |rd |th |st of |nd of |rd of |th of | of | de |er )*", "", text))


def readings(written: str) -> tuple[set[float], tuple[float, ...]]:
    """What digits with separators may mean: one of some values, or several numbers."""
    pieces, marks = regex.split(r"[^\d]", written), regex.findall(r"[^\d]", written)
    if not marks:
        return {_same(float(written[:30]))}, ()
    parts = tuple(_same(float(piece[:30])) for piece in pieces)
    groups = pieces[1:] if len(set(marks)) == 1 else pieces[1:-1]
    grouped = all(len(piece) == 3 for piece in groups) or _is_indian(pieces)
    values = set[float]()
    if len(marks) == 1 and marks[0] not in " '٬" and pieces[1] != "000":
        values.add(_same(float(f"{pieces[0][:20]}.{pieces[1][:20]}")))
    if grouped and len(set(marks)) == 1 and len(pieces[0]) <= 3 and pieces[0] != "0" and marks[0] != "٫":
        values.add(_same(float("".join(pieces)[:30])))
    if grouped and len(set(marks)) == 2 and len(set(marks[:-1])) == 1:
        values.add(_same(float(f"{''.join(pieces[:-1])[:30]}.{pieces[-1][:20]}")))
    several = marks[0] == " " or not values or (marks[0] == "," and not grouped)
    return values, parts if several else ()


def _is_indian(pieces: list[str]) -> bool:
    return len(pieces) > 2 and len(pieces[-1]) == 3 and all(len(each) == 2 for each in pieces[1:-1])


def _same(value: float) -> float:
    return float(f"{value:.10g}")
