"""Which findings a newsroom allows: kinds, and addresses or numbers by pattern."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from adapterd.personal_data.emails import plain_address
from adapterd.personal_data.finding import Finding, Kind, taught_texts
from adapterd.personal_data.plain import PlainText
from adapterd.record import FeedbackRecord


def not_allowed(record: FeedbackRecord, findings: Iterable[Finding], allow: Sequence[str]) -> list[Finding]:
    """The findings that no rule allows.

    A rule is a kind (`email`), or a pattern with `*` and `?` that is compared with what was found, in lower case:
    e-mail addresses as they are without disguise (`*@example.org`), numbers without the signs between their digits
    (`+49301234*`).
    """
    texts = dict(taught_texts(record))
    return [
        each for each in findings if not is_allowed(each.kind, texts.get(each.field, "")[each.start : each.end], allow)
    ]


def is_allowed(kind: Kind, text: str, allow: Sequence[str]) -> bool:
    """Whether a rule allows what was found, in the text as it stands there."""
    if kind in allow:
        return True
    found = _plain(kind, PlainText.of(text).text)
    return any(fnmatchcase(found, PlainText.of(rule).text.lower()) for rule in allow if rule not in set(Kind))


def _plain(kind: Kind, found: str) -> str:
    if kind is Kind.EMAIL:
        return plain_address(found)
    if kind is Kind.SECRET:
        return found.lower()
    return "".join(each for each in found.lower() if each.isalnum() or each == "+")
