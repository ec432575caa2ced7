"""Bank accounts and cards in text, by their check digits (python-stdnum)."""

import re
from collections.abc import Iterator

from adapterd.personal_data.finding import Span

_GAP = r"[ \u00a0\u202f.\-‐‑–]?"
_IBAN = re.compile(
    rf"(?<![A-Za-z0-9])(?=(?P<number>(?P<country>[A-Za-z]{{2}}){_GAP}\d{{2}}(?:{_GAP}[A-Za-z0-9]){{11,30}}(?![A-Za-z0-9])))"
)
_COUNTRIES = re.compile(
    r"AD|AE|AL|AT|AZ|BA|BE|BG|BH|BI|BR|BY|CH|CR|CY|CZ|DE|DJ|DK|DO|EE|EG|ES|FI|FK|FO|FR|GB|GE|GI|GL|GR|GT"
    r"|HN|HR|HU|IE|IL|IQ|IS|IT|JO|KW|KZ|LB|LC|LI|LT|LU|LV|LY|MC|MD|ME|MK|MN|MR|MT|MU|NI|NL|NO|OM|PK|PL|PS"
    r"|PT|QA|RO|RS|RU|SA|SC|SD|SE|SI|SK|SM|SO|ST|SV|TL|TN|TR|UA|VA|VG|XK|YE",
    re.IGNORECASE,
)
"""Those that have IBANs: a glance that spares most candidates the sum over their digits."""
_GROUPED_CARD = re.compile(
    r"(?<![\d.,])(?:\d{4}(?P<gap>[ \u00a0\u202f\-‐‑–])\d{4}(?P=gap)\d{4}(?P=gap)\d{4}(?:(?P=gap)\d{3})?"
    r"|\d{4}(?P<other>[ \u00a0\u202f\-‐‑–])\d{6}(?P=other)\d{4,5})(?!\d)"
)
_PLAIN_CARD = re.compile(r"(?<![\w.,+/=-])\d{13,19}(?![\w-]|[.,]\d)")
_SEPARATORS = re.compile(r"[^A-Za-z0-9]")
_ISSUERS = {
    "Visa": (re.compile(r"4"), (13, 16, 19)),
    "Mastercard": (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),
    "American Express": (re.compile(r"3[47]"), (15,)),
    "Diners Club": (re.compile(r"30[0-5]|3[689]"), (14, 16)),
    "Discover": (re.compile(r"6011|64[4-9]|65"), (16, 19)),
    "JCB": (re.compile(r"35(?:2[89]|[3-8])"), (16, 19)),
    "UnionPay": (re.compile(r"62"), (16, 17, 18, 19)),
    "Maestro": (re.compile(r"50(?:18|20|38)|5[678]|6304|6759|676[1-3]"), (13, 14, 15, 16, 17, 18, 19)),
}
_ANOTHER_NUMBER = re.compile(
    r"(?<![^\W\d_])(?:order|bestell\w*|auftrag\w*|commande|pedido|ordine|invoice|rechnung\w*|facture|tracking|sendung\w*|colis|parcel|"
    r"ticket|referen[cz]\w*|ref|serial|serien\w*|imei|isbn|ean|gtin|sku|doi|arxiv|articles?|artikel|id|nr|no|number|"
    r"nummer|numéro|número|#|№|n°)[\s.:#№°-]{0,4}(?:(?:nr|no|number|nummer|is|n°|№|#)[\s.:]{0,3})?$",
    re.IGNORECASE,
)
_A_CARD = re.compile(
    r"card|karte|carte|tarjeta|carta|cartão|kaart|kort|visa|master|amex|express|maestro|карт|卡|カード|카드|بطاقة|कार्ड",
    re.IGNORECASE,
)
_BEFORE = 40
"""Characters in front of a number that say what it is."""


def find_ibans(text: str) -> Iterator[Span]:
    """The bank account numbers in a text, of every country that has them, with or without gaps."""
    for match in _IBAN.finditer(text):
        if _COUNTRIES.fullmatch(match["country"]) and (length := _iban_length(match["number"])):
            yield Span(match.start(), match.start() + length)


def _iban_length(candidate: str) -> int:
    """How many of the candidate's characters are an account: words that follow may have been taken for a part."""
    from stdnum import iban

    cut = candidate
    while len(cut) >= 15:
        if iban.is_valid(_SEPARATORS.sub("", cut)):
            return len(cut)
        shorter = re.sub(r"[^A-Za-z0-9]*[A-Za-z0-9]+$", "", cut)
        cut = shorter if shorter != cut else ""
    return 0


def find_cards(text: str) -> Iterator[Span]:
    """The card numbers in a text: of an issuer's range, with the right check digit (Luhn), and either grouped as on a
    card, or not said to be another number."""
    for match in _GROUPED_CARD.finditer(text):
        if _is_card(match.group()):
            yield Span(match.start(), match.end())
    for match in _PLAIN_CARD.finditer(text):
        before = text[max(0, match.start() - _BEFORE) : match.start()]
        if _is_card(match.group()) and (_A_CARD.search(before) or not _ANOTHER_NUMBER.search(before)):
            yield Span(match.start(), match.end())


def _is_card(number: str) -> bool:
    from stdnum import luhn

    digits = _SEPARATORS.sub("", number)
    return len(set(digits)) > 1 and _is_issued(digits) and luhn.is_valid(digits)


def _is_issued(digits: str) -> bool:
    return any(prefix.match(digits) and len(digits) in lengths for prefix, lengths in _ISSUERS.values())
