"""A draft: a request to a teacher, and how the candidate is made of the answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from adapterd.chat import Prompt
from adapterd.teachers.request import Candidate, Kind, TeacherReply, TeacherRequest


@dataclass(frozen=True)
class Made:
    """What was made of an answer: the prompt as the student is asked it, the answer, and the worse one of a pair."""

    messages: Prompt
    answer: str
    rejected: str | None = None


Make = Callable[[str], Made | None]
"""What the text of an answer becomes; None where it has not the form that was asked for."""


@dataclass(frozen=True)
class Draft:
    """`request` is asked once for each of the samples; `records` are what it is made from, `sources` the texts that the
    example has to rest on, with their names. `shown` are the records of the examples that the request shows, and the
    hash of its prompt: with any of these taken back it is asked no more, and goes."""

    request: TeacherRequest
    make: Make = field(repr=False)
    records: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    source_ids: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        return self.request.kind

    def candidate(
        self, teacher: str, reply: TeacherReply, others: Sequence[TeacherReply | None] = ()
    ) -> Candidate | None:
        """What the answer becomes, with further answers to the same request beside it, of which one that was refused or
        cut off says nothing; None for one without the form that was asked for."""
        made = self.make(reply.text)
        if made is None:
            return None
        more = [self.make(each.text) if each and each.complete else None for each in others]
        return Candidate(
            self.kind, teacher, made.messages, made.answer, reply.complete, made.rejected, self.sources,
            self.source_ids, self.records, tuple(each.answer if each else "" for each in more),
        )  # fmt: skip
