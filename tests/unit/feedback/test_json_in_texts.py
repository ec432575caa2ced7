"""JSON that stands in a text, as tables have it, is read as strictly as that of a file."""

import json
from typing import Any

import pytest

from adapterd.feedback import strict_json
from adapterd.feedback.formats import ReadingOptions
from tests.support.readings import chat, examples, reading, refusal

TWICE = '{"verdict": "bad", "verdict": "x-1"}'
TURNS = json.dumps(chat())[:-2]
"""A conversation as JSON, whose last turn is open."""


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ({"messages": f'{TURNS}, "weight": 0, "weight": 1}}]'}, {}),
        ({"prompt": "When?", "completion": f'{TURNS}, "weight": 0, "weight": 1}}]'}, {}),
        ({"prompt": "When?", "history": f'{TURNS}, "role": "assistant"}}]', "correction": "At nine."}, {}),
        ({"prompt": "When?", "output": '{"type": "text", "text": "A", "text": "B"}', "rating": 5}, {}),
        ({"messages": chat(), "meta": TWICE}, {}),
        ({"messages": chat(), "source": TWICE}, {}),
        ({"messages": chat(meta=TWICE)}, {}),
        ({"messages": chat(), "meta": '{"score": 1, "score": 5}'}, {"rating": "meta.score"}),
        ({"messages": chat(), "meta": '{"by": {"id": 1, "id": 2}, "score": 5}'}, {"rating": "meta.score"}),
        ({"prompt": "When?", "quality.responses": '[{"value": 1, "value": 5}]', "response": "A"}, {}),
    ],
)
def test_a_key_that_is_there_twice_is_refused_in_a_text_as_well(record: dict[str, Any], fields: dict[str, str]) -> None:
    assert "twice" in refusal(record, ReadingOptions.of(fields, None, ()))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_json_number_is_refused_in_a_text_as_well(number: str) -> None:
    record = {"messages": chat(), "meta": f'{{"seconds": {number}}}'}
    said = refusal(record)
    assert f"has {number}, which is not JSON" in said
    assert said.endswith("if it means nothing: --ignore meta")
    assert examples(record, ReadingOptions.of({}, None, ["meta"])) == ["At nine."]


@pytest.mark.parametrize(
    "answer", ['{"text": "A", "text": "B"}', '{"a": NaN, "content": 1}', '["role", {"a": 1, "a": 2}]', "[x", TWICE]
)
def test_an_answer_that_is_no_message_may_be_any_text(answer: str) -> None:
    (found,) = reading({"prompt": "When?", "output": answer, "rating": 1}).records
    assert found.output == answer


def test_a_text_may_have_as_many_values_as_a_record() -> None:
    numbers = "[" + "1000," * strict_json.MAX_VALUES + "1000]"
    assert "the most that one may have" in refusal({"messages": chat(), "meta": numbers})


def test_numbers_of_a_text_stay_as_they_were_written() -> None:
    record = {"messages": chat(), "meta": '{"price": 19.90}'}
    assert examples(record, ReadingOptions.of({"correction": "meta"}, None, ())) == ['{"price": 19.90}']
    assert examples(record, ReadingOptions.of({"correction": "meta.price"}, None, ())) == ["19.90"]
