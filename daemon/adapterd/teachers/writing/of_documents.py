"""Requests about passages of documents: grounded questions, questions over two of them, and such as have no answer."""

from dataclasses import replace

from adapterd.chat import ChatOptions, Message, Role
from adapterd.teachers.documents.passages import Passage
from adapterd.teachers.request import Kind, TeacherRequest
from adapterd.teachers.writing.draft import Draft, Made
from adapterd.teachers.writing.fenced import fenced, object_of, schema_of
from adapterd.teachers.writing.of_feedback import DATA

ASKED = (
    "Answer from these sources alone, and name the ones you use as [source_id]. Say so if they do not have the answer."
)
_QUESTION = "a question that somebody would ask who has not seen the sources; it names what it is about"
_WISHES = {
    Kind.GROUNDED: (
        "Write a question that this source answers, and the answer to it in one to three sentences of your own, with "
        "the source cited as {cited} at its end. Numbers, names and quotations are those of the source."
    ),
    Kind.SYNTHESIS: (
        "Write a question that takes both of these sources to answer, and the answer to it in one to four sentences of "
        "your own, in which both are cited as {cited}. Numbers, names and quotations are those of the sources."
    ),
    Kind.REFUSAL: (
        "Write a question on the subject of this source that it does not answer, and, as the answer to it, one "
        "sentence that says what the source does not tell. State no fact that is not in the source."
    ),
}


def of_passages(kind: Kind, passages: tuple[Passage, ...], options: ChatOptions, number: int = 0) -> Draft:
    """A question and its answer, made of one passage or of two; `number` tells several of the same passage apart."""
    sources = "\n\n".join(fenced(f"source [{each.source_id}]", each.text) for each in passages)
    cited = " and ".join(f"[{each.source_id}]" for each in passages)
    wish = _WISHES[kind].format(cited=cited)
    text = f"{sources}\n\n{wish} Write in the language of the source. {DATA}"
    schema = schema_of(question=_QUESTION, answer="the answer")
    request = TeacherRequest(kind, (Message(Role.USER, text),), replace(options, schema=schema)).again(number)

    def make(said: str) -> Made | None:
        found = object_of(said, "question", "answer")
        return Made((Message(Role.USER, _asked(passages, found["question"])),), found["answer"]) if found else None

    return Draft(
        request, make,
        sources=tuple(each.text for each in passages), source_ids=tuple(each.source_id for each in passages),
    )  # fmt: skip


def _asked(passages: tuple[Passage, ...], question: str) -> str:
    """The prompt of the student: the sources, and the question."""
    sources = "\n\n".join(f"[{each.source_id}]\n{each.text}" for each in passages)
    return f"{ASKED}\n\n{sources}\n\nQuestion: {question}"
