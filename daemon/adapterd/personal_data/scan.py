"""Which secrets and personal data a feedback record has in what would be taught of it."""

from bisect import bisect
from collections.abc import Callable, Iterator, Sequence

from adapterd.personal_data.accounts import find_cards, find_ibans
from adapterd.personal_data.emails import find_emails
from adapterd.personal_data.finding import Finding, Kind, Span, taught_texts
from adapterd.personal_data.phones import find_phones
from adapterd.personal_data.plain import PlainText
from adapterd.personal_data.secrets import find_secrets
from adapterd.record import FeedbackRecord

_FINDERS: tuple[tuple[Kind, Callable[[str], Iterator[Span]]], ...] = (
    (Kind.SECRET, find_secrets),
    (Kind.EMAIL, find_emails),
    (Kind.IBAN, find_ibans),
    (Kind.CARD, find_cards),
    (Kind.PHONE, find_phones),
)
"""The surer ones first: of two findings that overlap, the first counts."""


def scan_lines(records: Sequence[str]) -> list[list[Finding]]:
    """The findings of each record, given as `FeedbackRecord.to_json` wrote it; for a process of its own.

    A row that is no record cannot be taught, so nothing is found in it.
    """
    return [_findings_of(record) for record in records]


def _findings_of(line: str) -> list[Finding]:
    try:
        record = FeedbackRecord.from_json(line)
    except (ValueError, KeyError, TypeError):
        return []
    return scan_record(record)


def scan_record(record: FeedbackRecord) -> list[Finding]:
    """The findings in the prompt and in every answer of a record."""
    return [
        Finding(kind, field, span.start, span.end)
        for field, text in taught_texts(record)
        for kind, span in scan_text(text)
    ]


def scan_text(text: str) -> list[tuple[Kind, Span]]:
    """What is in one text, by its place; no two overlap."""
    plain = PlainText.of(text)
    found: list[tuple[Kind, Span]] = []
    for kind, find in _FINDERS:
        for span in map(plain.original, find(plain.text)):
            place = bisect(found, span.start, key=_start)
            if not any(span.overlaps(other) for _, other in found[max(0, place - 1) : place + 1]):
                found.insert(place, (kind, span))
    return found


def _start(found: tuple[Kind, Span]) -> int:
    return found[1].start
