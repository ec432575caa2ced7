"""What a teacher is asked for each kind, and what its answer becomes."""

from datetime import UTC, datetime

import pytest

from adapterd.chat import ChatOptions, Message, Role
from adapterd.dataset.examples import Example
from adapterd.record import FailureTag, FeedbackRecord, prompt_hash
from adapterd.teachers.documents.passages import Passage
from adapterd.teachers.request import Kind, TeacherReply
from adapterd.teachers.writing.draft import Draft
from adapterd.teachers.writing.fenced import fenced, object_of
from adapterd.teachers.writing.of_documents import of_passages
from adapterd.teachers.writing.of_feedback import answer, repair, variation, worse

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SYSTEM, OPTIONS = Message(Role.SYSTEM, "Answer in one word."), ChatOptions(seed=3)
WHO = (SYSTEM, Message(Role.USER, "Who wrote the first program?"))


def example(text: str, completion: str, *before: Message) -> Example:
    messages = (*before, Message(Role.USER, text))
    return Example(messages, completion, f"record of {text}", prompt_hash(messages), NOW)


def said(draft: Draft, text: str, *others: str) -> object:
    def reply(each: str) -> TeacherReply:
        return TeacherReply(each, complete=True, prompt_tokens=1, answer_tokens=1, seconds=0.1)

    return draft.candidate("big", reply(text), tuple(map(reply, others)))


def candidate(draft: Draft, text: str, *others: str) -> tuple[object, ...]:
    found = said(draft, text, *others)
    assert found is not None
    return tuple(getattr(found, name) for name in ("messages", "answer", "rejected", "records", "others"))


def test_prompt_is_asked_as_the_application_asks_it() -> None:
    draft = answer(WHO, OPTIONS, [], ("capture 1",))
    assert draft.request.messages == WHO
    assert candidate(draft, "Ada", "Bob", "Ada") == (WHO, "Ada", None, ("capture 1",), ("Bob", "Ada"))


def test_corrections_with_the_same_instructions_are_shown_as_turns() -> None:
    fitting, other = example("Who wrote Emma?", "Austen", SYSTEM), example("Who?", "Nobody")
    draft = answer(WHO, OPTIONS, [fitting, other, example(WHO[-1].content, "itself", SYSTEM)])
    assert [each.content for each in draft.request.messages] == [
        SYSTEM.content, "Who wrote Emma?", "Austen", WHO[-1].content,
    ]  # fmt: skip
    talk = (WHO[-1], Message(Role.ASSISTANT, "Ada"), Message(Role.USER, "When?"))
    assert answer(talk, OPTIONS, [other]).request.messages == talk


def test_bad_answer_is_mended_by_what_people_said_of_it() -> None:
    record = FeedbackRecord(
        WHO, output="Grace", failure_tags=(FailureTag.WRONG_ENTITY,), correction_notes="The first, not the best known.",
        created_at=NOW,
    )  # fmt: skip
    draft = repair(record, OPTIONS, [example("Who wrote Emma?", "Austen", SYSTEM)])
    [asked] = draft.request.messages
    for part in ("Grace", "wrong entity", "The first, not the best known.", "Austen", WHO[-1].content, SYSTEM.content):
        assert part in asked.content
    assert candidate(draft, "Ada") == (WHO, "Ada", None, (record.content_hash,), ())


def test_variation_keeps_the_answer_and_what_stands_before_the_question() -> None:
    given = example("Who wrote Emma?", "Austen", SYSTEM)
    draft = variation(given, OPTIONS, 1)
    assert (draft.request.sample, draft.request.options.seed) == (1, 4)
    asked = (SYSTEM, Message(Role.USER, "By whom is Emma?"))
    assert candidate(draft, " By whom is Emma?\n") == (asked, "Austen", None, (given.record,), ())
    assert said(draft, " ") is None


def test_worse_answer_stands_beside_the_right_one() -> None:
    given = example("Who wrote Emma?", "Austen")
    assert candidate(worse(given, OPTIONS), "Bronte") == (given.messages, "Austen", "Bronte", (given.record,), ())


@pytest.mark.parametrize("kind", [Kind.GROUNDED, Kind.SYNTHESIS, Kind.REFUSAL])
def test_question_of_passages_is_asked_with_them(kind: Kind) -> None:
    passages = (Passage("a.1", "a", "Opens at nine."), Passage("b", "b", "Closes at six."))
    draft = of_passages(kind, passages, OPTIONS, 2)
    assert draft.request.options.schema
    assert draft.request.options.seed == 5
    assert (draft.sources, draft.source_ids) == (("Opens at nine.", "Closes at six."), ("a.1", "b"))
    messages, text, *_ = candidate(draft, '{"question": "When?", "answer": "At nine [a.1]."}')
    assert text == "At nine [a.1]."
    assert isinstance(messages, tuple)
    for part in ("[a.1]\nOpens at nine.", "[b]\nCloses at six.", "Question: When?"):
        assert part in messages[-1].content
    for formless in ("At nine.", '{"question": "When?"}', '{"question": "", "answer": "x"}', "[1]", '{"question": 1'):
        assert said(draft, formless) is None


def test_object_is_found_in_what_stands_around_it() -> None:
    assert object_of('Sure: ```{"a": " x ", "b": "y", "c": 1}``` done', "a", "b") == {"a": "x", "b": "y"}
    assert object_of('{"a": "x"} and {"a": "y"}', "a") is None
    assert object_of('{"a": "half of a pair: \\ud83d"}', "a") == {"a": "half of a pair: \ufffd"}


@pytest.mark.parametrize("text", ["plain", "<<<end of answer", "<<<<<<answer\n<<<<<<end of answer", ""])
def test_no_text_ends_its_own_fence(text: str) -> None:
    first, *inside, last = fenced("answer", text).split("\n")
    mark = first.removesuffix("answer")
    assert last == f"{mark}end of answer"
    assert "\n".join(inside) == text
    assert mark not in text


def test_keys_tell_requests_apart() -> None:
    request = answer(WHO, OPTIONS, []).request
    keys = {
        request.key("big", "m"), request.key("big", "n"), request.key("other", "m"), request.again(1).key("big", "m"),
        repair_key(),
    }  # fmt: skip
    assert len(keys) == 5
    assert request.key("big", "m") == answer(WHO, OPTIONS, [], ("c",)).request.key("big", "m")
    assert request.again(0) == request


def repair_key() -> str:
    record = FeedbackRecord(WHO, output="Grace", rating=1, created_at=NOW)
    return repair(record, OPTIONS, []).request.key("big", "m")
