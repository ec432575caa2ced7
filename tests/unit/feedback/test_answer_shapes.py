"""Answers as tools write them: their text is taught, and never the JSON of a message around it."""

from typing import Any

import pytest

from tests.support.readings import chat, examples, pairs, refusal

ASKED: dict[str, Any] = {"prompt": "Who met?", "output": "The mayor."}


@pytest.mark.parametrize(
    "correction",
    [
        [{"type": "text", "text": "The council."}],
        {"type": "text", "text": "The council."},
        [{"type": "output_text", "text": "The council.", "annotations": []}],
        '[{"type": "text", "text": "The council."}]',
        {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "The council."}]},
        [{"role": "user", "content": "Who met?"}, {"role": "assistant", "content": "The council."}],
        {"from": "gpt", "value": "The council."},
    ],
)
def test_the_text_of_a_message_is_the_answer(correction: Any) -> None:
    assert pairs({**ASKED, "correction": correction}) == [("The council.", "The mayor.")]
    assert examples({"instruction": "Who met?", "output": "x", "correction": correction}) == ["The council."]


@pytest.mark.parametrize(
    "shape",
    [
        {"role": "Assistant", "content": "x"},
        {"role": "model", "parts": [{"text": "x"}]},
        {"type": "ai", "content": "x"},
        {"author": {"role": "assistant"}, "content": {"parts": ["x"]}},
        {"choices": [{"message": {"role": "assistant", "content": "x"}}]},
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "x"}]}}]},
        {"messages": chat()},
        {"message": {"role": "assistant", "content": "x"}, "done": True},
        [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "u"}}],
        '{"role": "Assistant", "content": "x"}',
    ],
)
@pytest.mark.parametrize("field", ["output", "correction", "rejected"])
def test_a_message_of_another_form_is_no_answer(shape: Any, field: str) -> None:
    assert refusal({"prompt": "Who met?", "output": "o", "rating": 5, field: shape}).startswith(f"{field} is a message")


@pytest.mark.parametrize(
    "answer",
    [{"role": "mayor", "name": "Ada"}, {"from": "EUR", "value": 10}, {"content": "x"}, {"text": "x"}, [], {}, ["x"],
     {"type": "text", "text": "x", "lang": "de"}, {"message": "done"}, {"choices": ["a", "b"]}],
)  # fmt: skip
def test_json_of_its_own_stays_an_answer(answer: Any) -> None:
    assert not refusal({**ASKED, "correction": answer})


def test_parts_of_a_turn_may_have_a_list_of_annotations_that_is_empty() -> None:
    said = [{"type": "output_text", "text": "At nine.", "annotations": []}]
    assert examples({"messages": [chat()[0], {"role": "assistant", "content": said}]}) == ["At nine."]


def test_a_weight_without_a_value_says_that_nobody_judged() -> None:
    assert examples({"messages": chat(), "weight": None}) == []
    assert examples({"messages": chat(weight=None)}) == []
    assert examples({"messages": chat(loss=None)}) == []


@pytest.mark.parametrize(
    ("scores", "imitated"),
    [
        ({"score_chosen": 9.0, "score_rejected": 2.0}, ["Right."]),
        ({"score_chosen": 2.0, "score_rejected": 1.0}, []),
        ({"chosen_rating": 4.5, "rejected_rating": 2}, ["Right."]),
        ({"chosen_rating": 1, "rejected_rating": 1}, []),
        ({"chosen_score": -0.4, "rejected_score": -3.1}, []),
    ],
)
def test_a_chosen_answer_that_is_merely_better_is_not_imitated(scores: dict[str, Any], imitated: list[str]) -> None:
    record = {"prompt": "p", "chosen": "Right.", "rejected": "Wrong.", **scores}
    assert (examples(record), pairs(record)) == (imitated, [("Right.", "Wrong.")])


def test_a_message_within_messages_without_end_is_refused_or_taken() -> None:
    nested = '{"message": ' * 900 + "{}" + "}" * 900
    assert pairs({**ASKED, "correction": nested}) == [(nested, "The mayor.")]


def test_a_message_is_known_although_its_names_are_escaped() -> None:
    said = '{"r\\u006fle": "assistant", "c\\u006fntent": "At nine."}'
    assert "a message in a form that is not read" in refusal({"prompt": "When?", "output": said, "rating": 5})
