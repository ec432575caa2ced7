"""The record's JSON Schema says what the parser does."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from adapterd.errors import InputError
from adapterd.feedback.formats import parse, record_schemas
from adapterd.web.openapi import description
from tests.support.web_bodies import TAGS, good_records, records

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": {"schemas": description(1)["components"]["schemas"]}}
    )


RECORD = validator("Record")
POST = validator("Post")
TEXTS = st.sampled_from(["", " ", "\n", "a", "b\0", "\x85", "\x1f", "word", "a\nb\n"])
ANSWERS: st.SearchStrategy[Any] = TEXTS | st.sampled_from([None, {}, [], {"a": ["\0"]}, 3, True])
LABELS: st.SearchStrategy[Any] = TEXTS | st.sampled_from([None, 7, 2**64 - 1, 2**64, -(2**64), 1.5, [], False])


def is_parsed(value: Any) -> bool:
    try:
        parse(value, received_at=AT)
    except InputError:
        return False
    return True


ODD = {
    **dict.fromkeys(("prompt", "instruction", "correction_notes"), TEXTS | st.sampled_from([None, 3, []])),
    **dict.fromkeys(("input", "inputs", "output", "output_json", "correction", "chosen"), ANSWERS),
    **dict.fromkeys(("rejected", "rejected_output", "rejected_output_json"), ANSWERS),
    **dict.fromkeys(("source_id", "output_type"), LABELS),
    "system": TEXTS | st.sampled_from([None, 3]),
    "messages": st.none(),
    "conversations": st.none(),
    "rating": st.sampled_from([None, 0, 1, 5, 6, 2.5, "3", True]),
    "failure_tags": st.sampled_from([None, [], TAGS, TAGS[0], "bad", ["bad"], [None], {}, 3, ""]),
    "created_at": st.sampled_from([None, "2026-01-01", "2026-01-01T00:00:00Z", 5, " "]),
    "else": st.just({"any": "thing"}),
}
"""Fields now right and now wrong."""


@st.composite
def nearly_right(draw: st.DrawFn) -> dict[str, Any]:
    """Records that are no conversation, with a few fields that may be wrong."""
    right = draw(
        st.sampled_from([{}, {"prompt": "a"}, {"prompt": "a", "output": "b"}, {"instruction": "a", "chosen": "b"}])
    )
    names = draw(st.sets(st.sampled_from(sorted(ODD)), max_size=4))
    return {**right, **{name: draw(ODD[name]) for name in names}}


@given(nearly_right())
@example({"prompt": "a", "output": "b", "source_id": 2**64 - 1, "output_type": 1 - 2**64})
@example({"prompt": "a", "output": "b", "system": "\n", "rating": "4", "failure_tags": {}})
@example({"instruction": "a", "output": "\x1f", "rating": 5})
def test_what_the_parser_takes_of_prompts_and_instructions_is_allowed_by_the_schema(record: dict[str, Any]) -> None:
    assert RECORD.is_valid(record) or not is_parsed(record), record


@pytest.mark.parametrize(
    "record",
    [
        {"output": "a"},
        {"prompt": "a"},
        {"prompt": "a", "output": ""},
        {"prompt": "a", "output": "b", "source_id": 2**64},
        {"prompt": "a", "output": "b", "rating": True},
        {"prompt": "a", "correction": "b\0"},
        {"instruction": "\n", "output": "a"},
    ],
)
def test_neither_takes_a_record_that_is_none(record: Any) -> None:
    assert not is_parsed(record)
    assert not RECORD.is_valid(record)


@given(records())
def test_a_record_that_the_parser_takes_is_allowed_by_the_schema(record: Any) -> None:
    if is_parsed(record):
        RECORD.validate(record)


@given(good_records())
def test_good_records_of_all_shapes_are_taken_by_both(record: dict[str, Any]) -> None:
    assert is_parsed(record)
    assert RECORD.is_valid(record)
    assert all(POST.is_valid(post) for post in (record, [record], {"records": [record], "model": "m"}))


@pytest.mark.parametrize(
    "record",
    [
        {"messages": []},
        {"messages": [{"role": "robot", "content": "a"}, {"role": "user", "content": "a"}], "output": "b"},
        {"messages": [{"role": "user", "content": "a"}], "rating": 5},
        {"conversations": 3, "output": "a"},
        "a",
        None,
    ],
)
def test_neither_takes_a_conversation_that_is_none(record: Any) -> None:
    assert not is_parsed(record)
    assert not RECORD.is_valid(record)


@pytest.mark.parametrize("post", [{"records": 3}, {"records": [], "else": 1}, {"prompt": None, "records": []}, 3])
def test_other_forms_of_a_post_are_not_allowed(post: Any) -> None:
    assert not POST.is_valid(post)


def test_the_schemas_are_schemas() -> None:
    for schema in record_schemas().values():
        Draft202012Validator.check_schema(schema)
