"""A plain record says by its plan what it says at length."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.errors import InputError
from adapterd.feedback.formats import FORMATS, Reading, ReadingOptions
from adapterd.feedback.formats.parsing import _read_at_length
from adapterd.feedback.formats.plain.plans import MOST_PLANS, plan_of
from adapterd.feedback.formats.plain.records import read_plain
from adapterd.record import FailureTag, FeedbackRecord

RECEIVED = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 12, 5, tzinfo=UTC)
TALK = [{"role": "user", "content": "Who met?"}, {"role": "assistant", "content": "The council."}]
SHARED = [{"from": "human", "value": "Who met?"}, {"from": "gpt", "value": "The council."}]
PLAIN: dict[str, dict[str, Any]] = {
    "native": {"prompt": "Who met?", "output": "The mayor.", "rating": 2, "correction": "The council."},
    "native, with a worse answer": {"prompt": "Who met?", "rejected_output": "The mayor."},
    "native, labelled": {
        "prompt": "Who met?", "output": "The mayor.", "failure_tags": ["truncation", "truncation"], "rating": 4,
        "correction_notes": "Too short.", "source_id": "a-1", "output_type": "summary", "conversation_id": "c",
        "created_at": "2026-03-01T08:00:00+01:00",
    },
    "native, not judged": {"prompt": "Who met?", "output": "The mayor."},
    "native, no tags": {"prompt": "Who met?", "output": "The mayor.", "failure_tags": []},
    "late": {"prompt": "Who met?", "correction": "The council.", "created_at": "2099-01-01T00:00:00Z"},
    "completion": {"prompt": "Who met?", "completion": "The council."},
    "response": {"prompt": "Who met?", "response": "The council.", "rating": 5},
    "Alpaca": {"instruction": "Who met?", "input": "", "output": "The council.", "id": "news-896a274387ae"},
    "Alpaca with an input": {"instruction": "Who met?", "input": "The council met.", "output": "The council."},
    "Alpaca, rated": {"instruction": "Who met?", "output": "The council.", "rating": 1},
    "Alpaca, tags empty": {"instruction": "Who met?", "output": "The council.", "failure_tags": []},
    "preference": {"prompt": "Who met?", "chosen": "The council.", "rejected": "The mayor."},
    "chat": {"messages": TALK, "source_id": "a"},
    "chat, corrected": {"messages": TALK, "correction": "The town council."},
    "chat with a system prompt": {"messages": [{"role": "system", "content": "Be brief."}, *TALK]},
    "chat of several turns": {"messages": [*TALK, *TALK]},
    "ShareGPT": {"conversations": SHARED, "request_id": "0f8fad5b-d9cb-469f-a165-70867728950e"},
    "Japanese": {"prompt": "会議は誰が?", "output": "市長。", "rating": 2, "correction": "評議会。"},
}  # fmt: skip


def at_length(value: object) -> Reading | None:
    """What the long way says; None where it refuses."""
    try:
        return _read_at_length(value, RECEIVED, ReadingOptions(), NOW)
    except InputError:
        return None


@pytest.mark.parametrize("value", PLAIN.values(), ids=PLAIN)
def test_a_plain_record_takes_the_short_way_and_says_the_same(value: dict[str, Any]) -> None:
    found = read_plain(value, RECEIVED, NOW)

    assert found is not None
    assert found == at_length(value)
    assert found.records[0].to_json() == _read_at_length(value, RECEIVED, ReadingOptions(), NOW).records[0].to_json()


@pytest.mark.parametrize("format_", FORMATS, ids=lambda each: each.name)
def test_the_example_of_a_format_says_the_same_on_both_ways(format_: Any) -> None:
    found = read_plain(dict(format_.example), RECEIVED, NOW)

    assert found is None or found == at_length(format_.example)


NAMES = sorted({
    *(name for value in PLAIN.values() for name in value),
    *(name for each in FORMATS for name in each.marks),
    "weight", "label", "feedback_id", "user_id", "datasetId", "sourceTraceId", "ID", "Rating", "timestamp", "inputs",
    "chosen", "rejected", "application", "system", "rating_scale", "status_id", "split_id", "messages_id",
})  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from([
        "The council.", "", " ", "nan", "<NA>", "NaN", "a\0b", "half \ud800", "<image>", "<image> what?", "0", "[]",
        '{"role": "assistant", "content": "x"}', '[{"from": "gpt", "value": "x"}]', '{"a": 1}', '{"text": "x"}',
        '[{"type": "text", "text": "x"}]', "良い", "true", "2026-03-01", "0001-01-01T00:00:00Z", "2099-01-01",
        "news-896a274387ae", "needs-12add3456789", "bad-12345678", "score-12345678", "12345678", "1ab45678", "bad",
        "0f8fad5b-d9cb-469f-a165-70867728950e", "12345678-1234-1234-1234-123456789012", "system", "truncation",
    ]),
    st.text(max_size=12),
    st.from_regex(r"([a-z]{1,8}[-_])?[0-9a-f]{6,14}", fullmatch=True),
)  # fmt: skip
TURNS = st.lists(
    st.one_of(
        st.fixed_dictionaries({
            "role": st.sampled_from(["user", "assistant", "system", "developer", "tool", "human"]), "content": TEXTS,
        }),
        st.fixed_dictionaries({"from": st.sampled_from(["human", "gpt", "user"]), "value": TEXTS}),
        st.fixed_dictionaries({"role": st.just("assistant"), "content": TEXTS, "weight": st.sampled_from([0, 1])}),
    ),
    max_size=4,
)  # fmt: skip
VALUES = st.one_of(
    TEXTS,
    TURNS,
    st.sampled_from(
        [None, True, False, 0, 1, 3, 5, 6, -1, 4.0, 2.5, {}, [], ["truncation"], ["nothing"], [1], {"a": 1}]
    ),
)


@given(st.sampled_from(sorted(PLAIN)), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4), st.data())
def test_both_ways_say_the_same_of_any_record(base: str, changed: dict[str, object], data: st.DataObject) -> None:
    value = {**PLAIN[base], **changed}
    for name in data.draw(st.sets(st.sampled_from(sorted(value)), max_size=2)):
        del value[name]

    found = read_plain(value, RECEIVED, NOW)

    assert found is None or found == at_length(value)


@pytest.mark.parametrize("about", [0, 0.0, False, None, "", [], {}, " "], ids=repr)
def test_what_is_asked_about_is_the_same_on_both_ways_though_it_is_next_to_nothing(about: object) -> None:
    value = {"instruction": "Who met?", "input": about, "output": "The council."}

    found = read_plain(value, RECEIVED, NOW)

    assert found is None or found == at_length(value)


@given(st.sampled_from(["id", "user_id", "session_id", "trace_id"]), TEXTS)
def test_an_id_that_is_kept_aside_on_the_short_way_is_so_on_the_long_one(name: str, text: str) -> None:
    value = {**PLAIN["native"], name: text}

    found = read_plain(value, RECEIVED, NOW)

    assert found is None or found == at_length(value)


def test_plans_are_kept_for_a_bounded_number_of_shapes() -> None:
    for number in range(MOST_PLANS + 10):
        assert plan_of(("prompt", "output", f"unknown_{number}")) is None

    assert plan_of(("prompt", "output")) is plan_of(("prompt", "output")) is not None


def test_a_record_with_all_its_fields_is_the_one_that_the_constructor_makes() -> None:
    made = FeedbackRecord(
        (), output="a", rating=2, failure_tags=(FailureTag.TRUNCATION,), created_at=RECEIVED, application="app"
    )

    again = FeedbackRecord.with_all(**vars(made))

    assert again == made
    assert again.to_json() == made.to_json()
