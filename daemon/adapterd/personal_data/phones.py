"""Telephone numbers in text, by Google's rules for the numbers of every country (phonenumbers).

A number counts where it says its country and is one that exists there (`+49 30 …`, `0049 30 …`), or where a word in
front says that it is a telephone number (`Tel.`) and it exists in one of the countries that speak such a language, or
where it is grouped as numbers of North America are.
"""

import re
from collections.abc import Iterator, Sequence

from adapterd.personal_data.finding import Span

_DIGITS = r"\d(?:[\s\u00a0\u202f().\-/‐‑–]{0,3}\d){%d,%d}"
_INTERNATIONAL = re.compile(
    r"(?<![\w+.,])\(?(?:\+|＋|00(?=[\s\u00a01-9]))[\s\u00a0]?\(?" + _DIGITS % (6, 14) + r"(?![\w%])"
)
_NORTH_AMERICAN = re.compile(
    r"(?<![\w+.,/-])(?:1[\s.-])?(?:\([2-9]\d\d\)\s?|[2-9]\d\d[-.])[2-9]\d\d[-.]\d{4}(?![\w-]|\.\d)"
)
_WORDS = {
    "tel|tél|telefon|telephone|téléphone|teléfono|telefono|telefone|phone|call|mobile|mobil|cell|handy|fax|whatsapp|"
    "rufnummer|durchwahl|sms|hotline|ring|dial|text|anrufen|appelez|llame|chiama|ligue|bel|puhelin|telefonnummer":
        (
            "US", "GB", "DE", "FR", "ES", "IT", "NL", "AT", "CH", "BR", "PT", "PL", "SE", "FI", "DK", "NO", "MX", "IN",
            "AU", "TR",
        ),
    "тел|телефон|звоните|моб": ("RU", "UA", "BG", "KZ"),
    "电话|電話|手机|手機|致电|联系电话|tel|☎|📞": ("CN", "JP", "TW", "HK"),
    "전화|연락처|휴대폰": ("KR",),
    "هاتف|جوال|اتصل|تلفن": ("SA", "EG", "AE", "IR"),
    "फ़ोन|फोन|मोबाइल": ("IN",),
    "טלפון": ("IL",),
    "τηλ|τηλέφωνο": ("GR",),
}  # fmt: skip
_REGIONS = dict(zip("abcdefgh", _WORDS.values(), strict=False))
_ANNOUNCED = re.compile(
    rf"(?<![^\W\d_])(?:{'|'.join(f'(?P<{name}>{words})' for name, words in zip(_REGIONS, _WORDS, strict=True))})"
    r"(?:[^\W\d_]{0,3}|\s?(?:no|nr|number|nummer))?[.:：\s№#=\"']{0,5}"
    r"(?:(?:us|me|him|her|is|at|on|unter|au|al|to|an)\s){0,2}\(?$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w+.,])" + _DIGITS % (5, 16))
_FEWEST = 7
"""Digits of the shortest number."""
_BEFORE = 32
"""Characters in front of a number in which a word announces it."""
_THOUSANDS = re.compile(r"\+(?P<first>\d{1,3})(?:[\s\u00a0\u202f.]\d{3}){2,4}")
_PERHAPS_AMOUNT = re.compile(r"\+\d{1,3}(?:[\s\u00a0\u202f.]?\d{3})+|\+\d+")
_UNIT = re.compile(
    r"[\s\u00a0\u202f]?(?:[€$£¥₽₹%‰]|(?:euros?|dollars?|dólares|pounds?|yuan|yen|rub|eur|usd|gbp|chf|mio|mrd|million|"
    r"milli|miles|people|personen|units|votes|stimmen|руб|евро|км|km|kg|kwh|mwh)\b)",
    re.IGNORECASE,
)
_MAY_BE = re.compile(r"\d[\d\s\u00a0\u202f().\-/‐‑–]{4,}\d")


def find_phones(text: str) -> Iterator[Span]:
    """The telephone numbers in a text whose digits are those of ASCII."""
    if not _MAY_BE.search(text):
        return
    for match in _INTERNATIONAL.finditer(text):
        of_amount = _PERHAPS_AMOUNT.fullmatch(match.group()) and _UNIT.match(text, match.end())
        if not of_amount and (end := _valid_length(match.group(), None)):
            yield Span(match.start(), match.start() + end)
    for match in _NORTH_AMERICAN.finditer(text):
        if _exists(match.group(), "US") or match.group().startswith(("(555)", "555-")):
            yield Span(match.start(), match.end())
    for match in _NUMBER.finditer(text):
        if sum(map(str.isdigit, match.group())) < _FEWEST:
            continue
        before = text[max(0, match.start() - _BEFORE) : match.start()]
        for region in _regions_of(before):
            if end := _valid_length(match.group(), region):
                yield Span(match.start(), match.start() + end)
                break


def _regions_of(before: str) -> Sequence[str]:
    """The countries whose languages have the word for a telephone number that ends this text; none if there is none."""
    found = _ANNOUNCED.search(before)
    return _REGIONS[found.lastgroup] if found and found.lastgroup else ()


def _valid_length(candidate: str, region: str | None) -> int:
    """How many of the candidate's characters are a number that exists: others may have been taken for a part of it."""
    cut = candidate
    while sum(map(str.isdigit, cut)) >= _FEWEST:
        number = re.sub(r"^\(?00", "+", cut.replace("＋", "+"))
        if _exists(number, region) and not _is_amount(number):
            return len(cut)
        shorter = re.sub(r"[^\d]*\d+\)?$", "", cut)
        cut = shorter if shorter != cut else ""
    return 0


def _is_amount(number: str) -> bool:
    """Whether a number with a sign is rather one with thousands apart: `+12 345 678 000`, which begins with no code of
    a country."""
    import phonenumbers

    groups = _THOUSANDS.fullmatch(number)
    return groups is not None and groups["first"] != str(phonenumbers.parse(number).country_code)


def _exists(number: str, region: str | None) -> bool:
    import phonenumbers

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number.lstrip("("), region))
    except phonenumbers.NumberParseException:
        return False
