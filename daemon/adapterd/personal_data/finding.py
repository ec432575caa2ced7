"""What was found in a text, and where: never the found text itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from adapterd.record import FeedbackRecord

SCANNER = 3
"""Counts changes of what is found: records that an earlier scanner saw are scanned again."""


class Kind(StrEnum):
    """What kind of secret or personal data a piece of text is."""

    SECRET = "secret"  # noqa: S105
    EMAIL = "email"
    PHONE = "phone"
    IBAN = "iban"
    CARD = "card"


IN_WORDS = {
    Kind.SECRET: "a key or password",
    Kind.EMAIL: "an e-mail address",
    Kind.PHONE: "a telephone number",
    Kind.IBAN: "a bank account (IBAN)",
    Kind.CARD: "a card number",
}


@dataclass(frozen=True)
class Finding:
    """A kind, the field of the record (`messages.0`, `output`, `correction`, `rejected_output`), and the characters
    `start` to `end` (exclusive) of its text."""

    kind: Kind
    field: str
    start: int
    end: int


@dataclass(frozen=True)
class Span:
    """Where in a text something is: characters `start` to `end`, exclusive."""

    start: int
    end: int

    def has(self, other: "Span") -> bool:
        """Whether all of the other one is within this one."""
        return self.start <= other.start and other.end <= self.end

    def overlaps(self, other: "Span") -> bool:
        """Whether the two share a character."""
        return self.start < other.end and other.start < self.end


def taught_texts(record: FeedbackRecord) -> Iterator[tuple[str, str]]:
    """The texts of a record that are taught or asked, by the name of the field."""
    for number, message in enumerate(record.messages):
        yield f"messages.{number}", message.content
    for field in ("output", "correction", "rejected_output"):
        if text := getattr(record, field):
            yield field, text
