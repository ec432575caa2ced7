"""The shapes that feedback comes in, and the sentence for each fault."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.chat import Message, Role
from adapterd.errors import InputError
from adapterd.feedback.formats import parse
from adapterd.record import FailureTag, FeedbackRecord

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ASK = {"role": "user", "content": "Who met?"}
SAY = {"role": "assistant", "content": "The council."}


def read(**fields: Any) -> FeedbackRecord:
    (record,) = parse(fields, received_at=AT).records
    return record


def fault(**fields: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(**fields)
    return str(caught.value)


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


def test_the_native_shape_gives_every_field() -> None:
    record = read(
        prompt="Who met?",
        system="Be brief.",
        output="The mayor.",
        rating=2,
        failure_tags=["wrong_entity", "hallucination"],
        correction="The council.",
        correction_notes="Look at line 2.",
        rejected_output="Nobody.",
        source_id="a7",
        output_type="summary",
        created_at="2026-02-03T04:05:06+02:00",
    )
    assert record == FeedbackRecord(
        (Message(Role.SYSTEM, "Be brief."), Message(Role.USER, "Who met?")),
        output="The mayor.",
        rating=2,
        failure_tags=(FailureTag.WRONG_ENTITY, FailureTag.HALLUCINATION),
        correction="The council.",
        correction_notes="Look at line 2.",
        rejected_output="Nobody.",
        source_id="a7",
        output_type="summary",
        created_at=datetime(2026, 2, 3, 2, 5, 6, tzinfo=UTC),
    )


def test_fields_that_are_null_count_as_absent() -> None:
    record = read(prompt="Who met?", output="Us.", rating=None, correction=None, created_at=None)
    assert record == FeedbackRecord((Message(Role.USER, "Who met?"),), output="Us.", created_at=AT)


def test_messages_may_stand_in_place_of_the_prompt() -> None:
    record = read(messages=[{"role": "system", "content": "Be brief."}, ASK], output="Us.", rating=5)
    assert [m.role for m in record.messages] == [Role.SYSTEM, Role.USER]
    assert (record.output, record.rating) == ("Us.", 5)


def test_a_judged_conversation_gives_its_last_turn_as_the_output() -> None:
    record = read(messages=[ASK, SAY], rating=1, correction="The board.")
    assert record.messages == (Message(Role.USER, "Who met?"),)
    assert (record.output, record.correction) == ("The council.", "The board.")


def test_an_openai_conversation_is_a_demonstration() -> None:
    record = read(messages=[ASK, SAY, {"role": "user", "content": "When?"}, {"role": "assistant", "content": "Today."}])
    assert [m.content for m in record.messages] == ["Who met?", "The council.", "When?"]
    assert (record.output, record.correction) == (None, "Today.")


def test_alpaca_is_a_demonstration_with_its_input_below_the_instruction() -> None:
    record = read(instruction="Who met?", input="The council met.", output="The council.", system="")
    assert record.messages == (Message(Role.USER, "Who met?\n\nThe council met."),)
    assert (record.output, record.correction) == (None, "The council.")


def test_alpaca_with_an_empty_input_is_the_instruction_alone() -> None:
    assert read(instruction="Who met?", input="", output="Us.").messages == (Message(Role.USER, "Who met?"),)


def test_a_rated_alpaca_output_is_judged_and_not_shown_as_right() -> None:
    record = read(instruction="Who met?", output="The mayor.", rating=1)
    assert (record.output, record.correction, record.rating) == ("The mayor.", None, 1)


@pytest.mark.parametrize(("user", "assistant"), [("human", "gpt"), ("user", "assistant")])
def test_sharegpt_is_a_demonstration(user: str, assistant: str) -> None:
    turns = [
        {"from": "system", "value": "Be brief."},
        {"from": user, "value": "Who met?"},
        {"from": assistant, "value": "Us."},
    ]
    record = read(conversations=turns)
    assert record.messages == (Message(Role.SYSTEM, "Be brief."), Message(Role.USER, "Who met?"))
    assert (record.output, record.correction) == (None, "Us.")


@pytest.mark.parametrize("inputs", ["Text.", "  Text."])
def test_inputs_are_put_below_the_prompt(inputs: str) -> None:
    assert read(prompt="Sum up.", inputs=inputs, output="x").messages[-1].content == f"Sum up.\n\n{inputs}"


def test_inputs_that_are_an_object_are_written_as_json() -> None:
    assert read(prompt="Sum up.", inputs={"título": 1}, output="x").messages[-1].content == 'Sum up.\n\n{"título": 1}'


def test_inputs_are_put_below_the_last_question_of_a_conversation() -> None:
    record = read(messages=[ASK, SAY, ASK], inputs="Text.", output="x")
    assert [m.content for m in record.messages] == ["Who met?", "The council.", "Who met?\n\nText."]


@pytest.mark.parametrize("name", ["output", "output_json", "correction", "chosen", "rejected_output_json", "rejected"])
@pytest.mark.parametrize("value", [{"b": "é", "a": [1, None]}, [], {}])
def test_an_answer_that_is_json_is_written_as_the_model_would_say_it(name: str, value: Any) -> None:
    record = read(prompt="Who?", **{name: value})
    given = {"output": record.output, "correction": record.correction, "rejected": record.rejected_output}
    assert [text for text in given.values() if text is not None] == [json.dumps(value, ensure_ascii=False)]


@pytest.mark.parametrize("name", ["rejected_output", "rejected_output_json", "rejected"])
def test_a_rejected_answer_has_three_names(name: str) -> None:
    assert read(prompt="Who?", **{name: "Nobody."}).rejected_output == "Nobody."


def test_chosen_means_the_correction() -> None:
    assert read(prompt="Who?", chosen="Us.", rejected="Nobody.").correction == "Us."


def test_a_single_tag_needs_no_list_and_a_tag_counts_once() -> None:
    assert read(prompt="Who?", output="x", failure_tags="truncation").failure_tags == (FailureTag.TRUNCATION,)
    twice = read(prompt="Who?", output="x", failure_tags=["truncation", "truncation"])
    assert twice.failure_tags == (FailureTag.TRUNCATION,)


def test_a_source_id_that_is_a_number_is_taken_as_its_digits() -> None:
    assert read(prompt="Who?", output="x", source_id=17).source_id == "17"


@pytest.mark.parametrize(
    ("given_at", "expected"),
    [
        ("2026-02-03T04:05:06Z", datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("2026-02-03T04:05:06", datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("2026-02-03", datetime(2026, 2, 3, tzinfo=UTC)),
    ],
)
def test_a_time_without_a_zone_is_utc(given_at: str, expected: datetime) -> None:
    read_at = read(prompt="Who?", output="x", created_at=given_at).created_at
    assert (read_at, read_at.utcoffset()) == (expected, expected.utcoffset())


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"output": "x"}, "none of the known formats fits the fields output; say what is what, as in --map"),
        ({"prompt": "Who?"}, "there is nothing to train on: no output, correction or rejected_output"),
        ({"prompt": ["Who?"], "output": "x"}, "prompt[0] must be an object with role and content, not 'Who?'"),
        ({"prompt": 3, "output": "x"}, "prompt must be text, not 3"),
        ({"prompt": " \n", "output": "x"}, "prompt is empty"),
        ({"prompt": "a\0b", "output": "x"}, "prompt has a NUL character at position 2"),
        ({"prompt": "Who?", "output": "a\ud800"}, "output has half of a surrogate pair at position 2"),
        (
            {"prompt": "Who?", "output": {"\udfff": 1}},
            "output has half of a surrogate pair at position 3",
        ),
        (
            {"prompt": "Who?", "output": {"p": float("nan")}},
            "output has a number that JSON cannot hold, such as NaN or Infinity",
        ),
        (
            {"prompt": "Who?", "chosen": [float("inf")]},
            "chosen has a number that JSON cannot hold, such as NaN or Infinity",
        ),
        ({"prompt": "Who?", "output": "x", "output_json": "y"}, "output and output_json are both given"),
        ({"prompt": "Who?", "correction": "x", "chosen": "y"}, "correction and chosen are both given"),
        ({"prompt": "Who?", "output": "x", "correction": " "}, "correction is empty"),
        ({"prompt": "Who?", "output": "x", "rating": 0}, "rating is 0, which is beyond 1..5; state the scale"),
        ({"prompt": "Who?", "output": "x", "rating": "6"}, "rating is '6', which is beyond 1..5; state the scale"),
        ({"prompt": "Who?", "output": "x", "rating": True}, "rating must be a number, not true"),
        ({"prompt": "Who?", "output": "x", "rating": "good"}, "rating must be a number, not 'good'"),
        ({"prompt": "Who?", "output": "x", "rating": 3.5}, "rating must be a whole number from 1 to 5, not 3.5"),
        (
            {"prompt": "Who?", "output": "x", "rating": 10**5000},
            "rating is a very large number, which is beyond 1..5",
        ),
        (
            {"prompt": "Who?", "output": "x", "failure_tags": ["boring"]},
            "failure_tags has 'boring', which is not one of: format_error, missed_entity,",
        ),
        ({"prompt": "Who?", "output": "x", "failure_tags": [["a"]]}, "failure_tags has a list, which is not one of"),
        ({"prompt": "Who?", "output": "x", "correction_notes": 1}, "correction_notes must be text, not 1"),
        ({"prompt": "Who?", "output": "x", "source_id": True}, "source_id must be text, not true"),
        ({"prompt": "Who?", "output": "x", "output_type": {"a": 1}}, "output_type must be text, not an object"),
        (
            {"prompt": "Who?", "output": "x", "created_at": "yesterday"},
            "created_at must be a time as in 2026-11-20T10:00:00Z, or seconds since 1970, not 'yesterday'",
        ),
        ({"prompt": "Who?", "output": "x", "created_at": 17}, "created_at must be a time as in "),
        ({"messages": [], "output": "x"}, "messages is empty"),
        ({"messages": "hi", "output": "x"}, "messages must be a list of turns, not 'hi'"),
        ({"messages": ["hi"], "output": "x"}, "messages[0] must be an object with role and content, not 'hi'"),
        ({"messages": [SAY], "rating": 1}, "messages must have a user turn before the answer"),
        ({"messages": [ASK, SAY, SAY], "rating": 1}, "messages ends with two answers in a row; which one is meant?"),
        ({"messages": [ASK, SAY], "output": "x"}, "messages already ends with the answer, and output is given as well"),
        (
            {"messages": [{"role": "tool", "content": "x"}], "output": "x"},
            "messages[0].role is 'tool', which is not one of: system, user, assistant",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}], "output": "x"},
            "messages[0].content[0] is not text; only text can be trained on",
        ),
        (
            {"messages": [ASK, {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]},
            "messages[1] calls a tool; only text can be trained on",
        ),
        ({"messages": [{"role": "user"}], "output": "x"}, "messages[0].content must be text, not null"),
        ({"messages": [ASK, {"role": "assistant", "content": ""}]}, "messages[1].content is empty"),
        (
            {"messages": [{"role": "system", "content": "a"}, ASK], "system": "b", "output": "x"},
            "system is given, and messages begins with a system turn as well",
        ),
        ({"prompt": "Who?", "system": 4, "output": "x"}, "system must be text, not 4"),
        (
            {"conversations": [{"from": "bot", "value": "x"}]},
            "conversations[0].from is 'bot', which is not one of: system, user, assistant, developer, human,",
        ),
        ({"instruction": "Who?", "output": ""}, "there is nothing to train on"),
    ],
)
def test_a_fault_is_one_sentence(fields: dict[str, Any], sentence: str) -> None:
    assert fault(**fields).startswith(sentence)


@pytest.mark.parametrize("value", [None, True, 3, "text", [], [{"prompt": "Who?"}]])
def test_only_an_object_is_a_record(value: object) -> None:
    with pytest.raises(InputError, match=r"^a record must be a JSON object, not "):
        parse(value, received_at=AT)


def test_json_of_64_levels_is_taken_and_of_65_refused() -> None:
    assert read(prompt="Who?", output=nested(64)).output == "[" * 64 + '"x"' + "]" * 64
    assert fault(prompt="Who?", output=nested(65)) == "output is nested more than 64 levels deep"


def test_json_that_is_deeper_than_python_can_follow_is_refused_as_well() -> None:
    assert fault(prompt="Who?", output=nested(100_000)) == "output is nested more than 64 levels deep"


def test_a_long_value_is_shortened_in_the_fault() -> None:
    assert len(fault(prompt="Who?", output="x", rating="9" * 10_000)) < 150


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=8,
)
turns = st.fixed_dictionaries(
    {}, optional={"role": st.sampled_from(["user", "assistant", "x"]), "content": json_values}
)
sharegpt = st.fixed_dictionaries({}, optional={"from": st.sampled_from(["human", "gpt", "x"]), "value": json_values})
shaped = st.fixed_dictionaries(
    {},
    optional={
        "messages": st.lists(turns, max_size=3) | json_values,
        "conversations": st.lists(sharegpt, max_size=3) | json_values,
        "instruction": json_values,
        "prompt": st.just("Who?") | json_values,
        "output": json_values,
        "rating": st.integers(0, 6) | json_values,
        "failure_tags": st.lists(st.sampled_from(["truncation", "x"])) | json_values,
        "correction": json_values,
        "rejected": json_values,
        "inputs": json_values,
        "system": json_values,
        "source_id": json_values,
        "created_at": st.datetimes().map(str) | json_values,
    },
)


def outcome(value: object) -> tuple[FeedbackRecord, ...] | str:
    try:
        return parse(value, received_at=AT).records
    except InputError as exc:
        return str(exc)


@given(shaped | json_values)
def test_any_json_gives_a_record_that_can_be_stored_or_one_sentence(value: object) -> None:
    given = outcome(value)
    if isinstance(given, str):
        assert 0 < len(given) < 700
        assert given.isprintable()
        return
    for record in given:
        assert FeedbackRecord.from_json(record.to_json()) == record
        assert record.messages[-1].role is Role.USER
        assert len(record.content_hash + record.prompt_hash) == 128
