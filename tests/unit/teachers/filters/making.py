"""Candidates for a test."""

from adapterd.chat import Message, Prompt, Role
from adapterd.config import Task
from adapterd.teachers.filters.chain import Sifted, sift
from adapterd.teachers.filters.verdict import Against
from adapterd.teachers.request import Candidate, Kind

SOURCE = (
    "The ferry Aurora has crossed the bay at Dunmore since 1987. It belongs to Grace Whitfield, who bought it for "
    "12,000 dollars and employs 34 people. In winter the boat stays in the harbour, and bicycles travel for free."
)


def prompt(text: str) -> Prompt:
    return (Message(Role.USER, text),)


def candidate(answer: str, asked: str = "Who owns the ferry?", kind: Kind = Kind.ANSWER, **more: object) -> Candidate:
    return Candidate(kind, "teacher", prompt(asked), answer, **more)  # type: ignore[arg-type]


def grounded(answer: str, asked: str = "Who owns the ferry?", **more: object) -> Candidate:
    """An answer from the passage."""
    return candidate(answer, asked, Kind.GROUNDED, sources=(SOURCE,), source_ids=("a",), **more)


def sifted(*candidates: Candidate, against: Against | None = None) -> Sifted:
    return sift(candidates, against or Against(Task.GENERATION))


def said(found: Sifted) -> list[tuple[str, str]]:
    """The filters that did not keep something, and why."""
    return [(each.filter, each.reason) for each in (*found.dropped, *found.unsure)]
