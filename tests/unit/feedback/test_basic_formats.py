"""The formats of data sets and tools, each by what it teaches."""

import json
from typing import Any

import pytest

from adapterd.chat import Role, thought_and_answer
from adapterd.config import FeedbackTurns
from adapterd.feedback.formats import ReadingOptions
from tests.support.readings import chat, examples, pairs, reading, refusal

ASK = {"role": "user", "content": "Name the lake."}
GOOD = {"role": "assistant", "content": "The Mirror."}
BAD = {"role": "assistant", "content": "Lakes are blue."}
FROM_ASK, FROM_GOOD = {"from": "human", "value": "Name the lake."}, {"from": "gpt", "value": "The Mirror."}
JUDGED = ReadingOptions(turns=FeedbackTurns.JUDGED)


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "Name the lake.", "chosen": "The Mirror.", "rejected": "Lakes are blue."},
        {"prompt": "Name the lake.", "chosen": [GOOD], "rejected": [BAD]},
        {"prompt": "Name the lake.", "chosen": GOOD, "rejected": BAD},
        {"prompt": [ASK], "chosen": [GOOD], "rejected": [BAD]},
        {"prompt": "Name the lake.", "prompt_id": "p", "chosen": [ASK, GOOD], "rejected": [ASK, BAD],
         "messages": [ASK, GOOD], "score_chosen": 9.0, "score_rejected": 2.5},
        {"chosen": [ASK, GOOD], "rejected": [ASK, BAD]},
        {"chosen": [FROM_ASK, FROM_GOOD], "rejected": [FROM_ASK, {"from": "gpt", "value": "Lakes are blue."}]},
        {"conversations": [FROM_ASK], "chosen": FROM_GOOD, "rejected": {"from": "gpt", "value": "Lakes are blue."}},
        {"messages": [ASK], "chosen": GOOD, "rejected": BAD},
        {"prompt": "Name the lake.", "chosen": json.dumps([ASK, GOOD]), "rejected": json.dumps([BAD])},
        {"messages": json.dumps([ASK, GOOD]), "rejected_response": "Lakes are blue."},
        {"instruction": "Name the lake.", "input": "", "chosen": "The Mirror.", "rejected": "Lakes are blue."},
        {"messages": [ASK, GOOD], "rejected_response": "Lakes are blue."},
        {"messages": [ASK, GOOD], "rejected_message": BAD},
        {"input": {"messages": [ASK]}, "preferred_output": [GOOD], "non_preferred_output": [BAD]},
        {"input": {"messages": [ASK], "tools": [], "parallel_tool_calls": True},
         "preferred_output": [GOOD], "non_preferred_output": [BAD]},
    ],
)  # fmt: skip
def test_a_preference_gives_an_example_and_a_pair_of_texts(record: dict[str, Any]) -> None:
    (found,) = reading(record).records
    assert [(m.role, m.content) for m in found.messages] == [(Role.USER, "Name the lake.")]
    assert (examples(record), pairs(record)) == (["The Mirror."], [("The Mirror.", "Lakes are blue.")])


@pytest.mark.parametrize("verdict", [{"rating": 1}, {"label": False}, {"failure_tags": ["truncation"]}])
@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "Name it.", "chosen": "Less bad.", "rejected": "Worse."},
        {"messages": chat("Name it.", "Less bad."), "rejected_response": "Worse."},
        {"input": {"messages": [ASK]}, "preferred_output": [{**GOOD, "content": "Less bad."}],
         "non_preferred_output": [{**BAD, "content": "Worse."}]},
    ],
)  # fmt: skip
def test_an_answer_that_is_only_less_bad_is_no_example(record: dict[str, Any], verdict: dict[str, Any]) -> None:
    assert (examples({**record, **verdict}), pairs({**record, **verdict})) == ([], [("Less bad.", "Worse.")])


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (
            {"prompt": "p", "chosen": "a", "rejected": "b", "score_chosen": 2, "score_rejected": 9},
            "higher than",
        ),
        (
            {"prompt": "p", "chosen": "a", "rejected": "b", "score_chosen": "x", "score_rejected": 9},
            "two numbers",
        ),
        (
            {"prompt": "p", "chosen": [ASK, GOOD], "rejected": [ASK, BAD]},
            "chosen begins with other turns",
        ),
        ({"chosen": [ASK, GOOD], "rejected": chat()}, "chosen and rejected begin with different turns"),
        ({"chosen": [GOOD], "rejected": [BAD]}, "chosen must have a user turn before the answer"),
        ({"prompt": "p", "chosen": [ASK], "rejected": [BAD]}, "chosen does not end with an answer"),
        ({"prompt": "Name the lake.", "chosen": [GOOD], "rejected": [BAD], "messages": chat()}, "different answers"),
        ({"input": "p", "preferred_output": "a", "non_preferred_output": "b"}, "input must have messages"),
        (
            {"input": {"messages": [ASK]}, "preferred_output": [ASK, GOOD], "non_preferred_output": "b"},
            "has 2 messages",
        ),
        ({"input": {"messages": [ASK]}, "preferred_output": "a", "non_preferred_output": "b", "output": "c"}, "output"),
    ],
)
def test_a_preference_that_is_unclear_is_refused(record: dict[str, Any], sentence: str) -> None:
    assert sentence in refusal(record)


def test_a_list_of_roles_that_are_no_speakers_is_json() -> None:
    roles = [{"role": "mayor", "content": "Ada"}]
    assert examples({"prompt": "Who is who?", "correction": roles}) == ['[{"role": "mayor", "content": "Ada"}]']


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "When?", "completion": "At nine."},
        {"prompt": chat("When?")[:1], "completion": chat("When?")[1:]},
        {"prompt": "When?", "response": "At nine."},
        {"query": "When?", "response": "At nine.", "history": []},
        {"instruction": "When?", "response": "At nine.", "category": "open_qa"},
        {"question": "When?", "answer": "At nine."},
        {"question": "When?", "answer": [{"role": "assistant", "content": "At nine."}], "tools": "[]"},
        {"question": "When?", "answer": ["At nine.", "At nine."]},
        {"question": "When?", "answer": {"text": ["At nine."], "answer_start": [17]}},
        {"conversation": [{"system": "", "input": "When?", "output": "At nine."}]},
        {"conversations": [{"role": "user", "content": "When?"}, {"role": "assistant", "content": "At nine."}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "When?"}]},
                      {"role": "assistant", "content": [{"type": "text", "text": "At nine."}], "refusal": None,
                       "annotations": []}]},
        {"Instruction": "When?", "Input": "", "Output": "At nine."},
    ],
)  # fmt: skip
def test_a_question_with_its_answer_is_a_demonstration(record: dict[str, Any]) -> None:
    (found,) = reading(record).records
    assert [m.content for m in found.messages] == ["When?"]
    assert examples(record) == ["At nine."]


def test_questions_about_one_text_are_an_example_each_of_one_conversation() -> None:
    record = {
        "context": "The mill opens at nine.",
        "qas": [{"question": "When?", "answer": "At nine."}, {"id": 2, "question": "What?", "answers": ["The mill."]}],
    }
    found = reading(record).records
    assert examples(record) == ["At nine.", "The mill."]
    assert [each.messages[-1].content for each in found] == [
        "When?\n\nThe mill opens at nine.", "What?\n\nThe mill opens at nine.",
    ]  # fmt: skip
    assert len({each.conversation_id for each in found}) == 1


def test_a_verdict_beside_several_answers_is_of_none_of_them() -> None:
    assert "stands beside several answers" in refusal({"qas": [{"question": "a", "answer": "b"}], "rating": 5})


@pytest.mark.parametrize("answers", [["a", "b"], []])
def test_several_different_answers_are_refused(answers: list[str]) -> None:
    assert refusal({"question": "When?", "answer": answers})


def test_a_developer_is_the_system() -> None:
    (found,) = reading({"messages": [{"role": "developer", "content": "Be brief."}, *chat()]}).records
    assert found.messages[0].role is Role.SYSTEM


def test_two_answers_in_a_row_at_the_end_are_refused() -> None:
    assert refusal({"messages": [ASK, BAD, GOOD]}) == "messages ends with two answers in a row; which one is meant?"


@pytest.mark.parametrize("name", ["thinking", "reasoning_content", "reasoning"])
def test_a_thought_in_a_field_of_its_own_stands_in_front_of_the_answer(name: str) -> None:
    (example,) = examples({"messages": chat("Legs of two spiders?", "16", **{name: "Eight each."})})
    said = thought_and_answer(example)
    assert (said.answer, (said.thought or "").strip(), said.opening) == ("16", "Eight each.", "<think>")


def test_two_thoughts_that_differ_are_refused() -> None:
    assert "they differ" in refusal({"messages": chat(thinking="a", reasoning_content="b")})
    assert examples({"messages": chat(thinking="a", reasoning_content="a")})


def test_a_thought_of_the_user_is_refused() -> None:
    assert "is not the assistant's" in refusal({"messages": [{**ASK, "thinking": "hm"}, GOOD]})


def test_text_that_has_prompt_and_answer_in_one_is_refused_by_name() -> None:
    assert refusal({"text": "<|user|>Hi<|assistant|>Hello"}).startswith("text has the prompt and its answer in one")


TALK = [ASK, {**GOOD, "weight": 1}, {"role": "user", "content": "And the hill?"}, {**BAD, "weight": 0},
        {"role": "user", "content": "Really?"}, {"role": "assistant", "content": "The Kettle."}]  # fmt: skip


def test_only_the_last_answer_of_a_conversation_teaches() -> None:
    assert examples({"messages": TALK}) == ["The Kettle."]


def test_every_judged_answer_of_a_conversation_teaches_where_that_is_asked_for() -> None:
    assert examples({"messages": TALK}, JUDGED) == ["The Mirror.", "The Kettle."]
    found = reading({"messages": TALK}, JUDGED).records
    assert [len(each.messages) for each in found] == [1, 5]
    assert len({each.conversation_id for each in found}) == 1


def test_a_conversation_has_the_id_that_it_is_given() -> None:
    found = reading({"messages": TALK, "conversation_id": 17}, JUDGED).records
    assert {each.conversation_id for each in found} == {"17"}


def test_the_id_of_a_conversation_is_no_part_of_what_is_said() -> None:
    one, other = (reading({"messages": chat(), "conversation_id": each}).records[0] for each in ("a", "b"))
    assert one.content_hash == other.content_hash
