"""The feedback record: its identity, and the way to the store and back."""

import json
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.chat import Message, Role
from adapterd.record import FailureTag, FeedbackRecord, prompt_hash

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
RECORD = FeedbackRecord(
    (Message(Role.SYSTEM, "Be brief."), Message(Role.USER, "Who met?")),
    output="The mayor.",
    rating=2,
    failure_tags=(FailureTag.WRONG_ENTITY,),
    correction="The council.",
    correction_notes="It was the council.",
    rejected_output="Nobody.",
    source_id="article-7",
    output_type="summary",
    created_at=AT,
)

answers = st.none() | st.text()
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
records = st.builds(
    FeedbackRecord,
    st.lists(st.builds(Message, st.sampled_from(Role), st.text()), min_size=1).map(tuple),
    output=answers,
    rating=st.none() | st.integers(1, 5),
    failure_tags=st.lists(st.sampled_from(FailureTag)).map(tuple),
    correction=answers,
    correction_notes=answers,
    rejected_output=answers,
    source_id=answers,
    output_type=answers,
    created_at=st.datetimes(timezones=zones),
)


@given(records)
def test_a_record_survives_the_way_to_json_and_back(record: FeedbackRecord) -> None:
    assert FeedbackRecord.from_json(record.to_json()) == record


@given(records)
def test_json_is_one_line_so_that_it_can_stand_in_json_lines(record: FeedbackRecord) -> None:
    assert "\n" not in record.to_json()


@given(records)
def test_a_record_is_written_as_pythons_own_encoder_writes_it(record: FeedbackRecord) -> None:
    written = record.to_json()
    assert json.dumps(json.loads(written), ensure_ascii=False, separators=(",", ":")) == written


def test_the_content_hash_does_not_depend_on_when_or_why_feedback_was_given() -> None:
    again = replace(RECORD, created_at=AT + timedelta(days=1), correction_notes="said again")
    assert again.content_hash == RECORD.content_hash


def test_the_content_hash_does_not_depend_on_the_order_of_the_tags() -> None:
    tags = (FailureTag.TRUNCATION, FailureTag.DUPLICATION)
    assert replace(RECORD, failure_tags=tags).content_hash == replace(RECORD, failure_tags=tags[::-1]).content_hash


@pytest.mark.parametrize(
    "change",
    [
        {"messages": (Message(Role.USER, "Who met?"),)},
        {"messages": (Message(Role.SYSTEM, "Be brief."), Message(Role.USER, "who met?"))},
        {"output": "The Mayor."},
        {"output": None},
        {"rating": 3},
        {"failure_tags": ()},
        {"correction": None},
        {"rejected_output": ""},
        {"source_id": "article-8"},
        {"output_type": None},
    ],
    ids=str,
)
def test_the_content_hash_changes_with_everything_that_is_trained_on(change: dict[str, Any]) -> None:
    assert replace(RECORD, **change).content_hash != RECORD.content_hash


def test_an_answer_that_moves_to_another_field_changes_the_content_hash() -> None:
    one = replace(RECORD, output="x", correction=None)
    assert one.content_hash != replace(RECORD, output=None, correction="x").content_hash


def test_the_hashes_are_those_of_earlier_releases() -> None:
    assert RECORD.prompt_hash == "7bb992ce2d2e61a89d4c7406dd4f06b6d4dd848ed601c91f8bbd504ffe089d49"
    assert RECORD.content_hash == "1be8760ef2ed10425fac009e2a0d999b290f15501f46969310c63ab9db2b0715"


def asked(text: str) -> str:
    return prompt_hash((Message(Role.USER, text),))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Wer war im Café?", "Wer war im Cafe\u0301?"),
        ("제목을 지어 줘", unicodedata.normalize("NFD", "제목을 지어 줘")),
        ("if x:\n    a()\nb()", "if x:  \r\n    a()\t\rb()\n\n"),
        ("Who met?", "Who met?\u00a0 \n"),
    ],
)
def test_forms_of_one_text_are_one_prompt(one: str, other: str) -> None:
    assert asked(one) == asked(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Expand: US", "Expand: us"),
        ("Which company is it: Apple", "Which company is it: apple"),
        ("What does it print?\nfor x in y:\n    a()\nb()", "What does it print?\nfor x in y:\n    a()\n    b()"),
        ("  Who met?", "Who met?"),
        ("Who  met?", "Who met?"),
        ("Expand: ＡＩ", "Expand: AI"),
    ],
)
def test_case_indentation_and_width_make_another_prompt(one: str, other: str) -> None:
    assert asked(one) != asked(other)


def test_a_prompt_is_hashed_by_its_turns() -> None:
    assert prompt_hash((Message(Role.USER, "a"), Message(Role.USER, "b"))) != asked("a\0user\0001\0b")


def test_white_space_without_end_is_hashed_in_time() -> None:
    assert asked(f"a{' ' * 10**6}b") != asked("a b")


@pytest.mark.parametrize(
    "messages",
    [
        (Message(Role.SYSTEM, "Be brief."), Message(Role.USER, "Who left?")),
        (Message(Role.USER, "Be brief."), Message(Role.USER, "Who met?")),
        (Message(Role.USER, "Be brief. Who met?"),),
    ],
)
def test_other_words_or_speakers_make_another_prompt(messages: tuple[Message, ...]) -> None:
    assert replace(RECORD, messages=messages).prompt_hash != RECORD.prompt_hash
