"""TensorZero's rows: inferences with feedback, datapoints, and examples for dynamic in-context learning."""

import json
from typing import Any

import pytest

from adapterd.feedback.formats import ReadingOptions
from tests.support.readings import examples, pairs, reading, refusal


def blocks(*texts: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text} for text in texts]


ASKED = {"system": "Be brief.", "messages": [{"role": "user", "content": blocks("Who met?")}]}
ROW = {
    "type": "chat", "function_name": "titles", "variant_name": "brief", "inference_id": "0193a1b2-0000-7000-8000-02",
    "episode_id": "e-1", "timestamp": "2026-01-01T00:00:00Z", "tags": {"user_id": "7"}, "input": ASKED,
    "output": blocks("The mayor."), "dispreferred_outputs": [], "processing_time_ms": 12, "extra_body": [],
    "inference_params": {"chat_completion": {"temperature": 0.5}},
}  # fmt: skip
POINT = {
    "dataset_name": "d", "function_name": "titles", "id": "0193a1b2-0000-7000-8000-03", "input": ASKED,
    "output": blocks("The council."), "is_custom": True, "is_deleted": False, "staled_at": None, "name": None,
}  # fmt: skip


def said(record: dict[str, Any], fields: dict[str, str] | None = None, scale: str | None = None) -> tuple[Any, ...]:
    (found,) = reading(record, ReadingOptions.of(fields or {}, scale, ())).records
    return found.output, found.rating, found.correction, found.correction_notes


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, ("The mayor.", None, None, None)),
        ({"input": json.dumps(ASKED), "output": json.dumps(ROW["output"])}, ("The mayor.", None, None, None)),
        ({"metric_name": "thumbs_up", "value": True}, ("The mayor.", 5, None, None)),
        ({"metric_name": "thumbs_up", "value": False}, ("The mayor.", 1, None, None)),
        ({"metric_name": "comment", "value": "Rude."}, ("The mayor.", None, None, "Rude.")),
        ({"demonstration": "The council."}, ("The mayor.", None, "The council.", None)),
        ({"metric_name": "demonstration", "value": blocks("The council.")}, ("The mayor.", None, "The council.", None)),
        (
            {"metric_name": "tensorzero::evaluation_name::e::evaluator_name::j", "value": True},
            ("The mayor.", None, None, None),
        ),
        ({"rating": 2}, ("The mayor.", 2, None, None)),
        (
            {"dispreferred_outputs": [blocks("The mayor.")], "output": blocks("The council.")},
            ("The mayor.", None, "The council.", None),
        ),
    ],
)
def test_an_inference_is_judged_by_its_feedback(more: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert said({**ROW, **more}) == expected
    (found,) = reading({**ROW, **more}).records
    assert [message.content for message in found.messages] == ["Be brief.", "Who met?"]
    assert found.conversation_id == "e-1"


def test_of_each_metric_the_last_value_counts() -> None:
    rows = [
        {"type": "boolean", "metric_name": "thumbs_up", "value": 0, "timestamp": "2026-01-02T00:00:00Z"},
        {"type": "boolean", "metric_name": "thumbs_up", "value": 1, "timestamp": "2026-01-01T00:00:00Z"},
        {"type": "demonstration", "value": json.dumps(blocks("The council."))},
        {"type": "comment", "value": "No.", "target_type": "inference"},
    ]
    assert said({**ROW, "feedback": rows}) == ("The mayor.", 1, "The council.", "No.")


def rated(*given: tuple[Any, Any], kind: str = "boolean", name: str = "thumbs_up") -> dict[str, Any]:
    """An inference with a row of feedback for each value and the time at which it was given."""
    rows = [{"type": kind, "metric_name": name, "value": value, "timestamp": time} for value, time in given]
    return {**ROW, "feedback": rows}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("2026-01-01T23:00:00Z", "2026-01-02T00:30:00+01:00"),
        ("2026-01-02T00:30:00+02:00", "2026-01-01T23:00:00Z"),
        (999999999, 1760000000),
        ("Wed, 31 Dec 2025 10:00:00 GMT", "Thu, 01 Jan 2026 10:00:00 GMT"),
        ("2026-01-01 10:00:00", "2026-01-01T10:00:01Z"),
    ],
)
def test_the_last_value_is_told_by_its_time_and_not_by_its_text(before: Any, after: Any) -> None:
    assert said(rated((True, before), (False, after)))[1] == 1
    assert said(rated((False, after), (True, before)))[1] == 1


@pytest.mark.parametrize("kind", ["boolean", "demonstration"])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00Z", None),
        (None, None),
        ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00"),
        ("some day", "2026-01-01T00:00:00Z"),
    ],
)
def test_values_that_differ_are_refused_where_nothing_tells_the_last(kind: str, one: Any, other: Any) -> None:
    values = {"boolean": (True, False), "demonstration": ("The council.", "Nobody.")}
    name = "thumbs_up" if kind == "boolean" else kind
    row = rated(*zip(values[kind], (one, other), strict=True), kind=kind)
    assert refusal(row).startswith(f"feedback has 2 values of {name} that differ")
    assert f"--ignore {name}" in refusal(row)
    assert reading(row, ReadingOptions.of({}, None, [name])).not_judged == 1


@pytest.mark.parametrize("times", [(None, None), ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")])
def test_every_comment_is_a_note(times: tuple[Any, Any]) -> None:
    assert said(rated(("Rude.", times[0]), ("Wrong.", times[1]), kind="comment"))[3] == "Rude.\nWrong."


def test_equal_values_need_no_time() -> None:
    assert said(rated((1, None), (True, None)))[1] == 5


def test_what_evaluators_measured_need_not_agree() -> None:
    assert said(rated((True, None), (False, None), name="tensorzero::evaluator_name::e")) == said(ROW)


@pytest.mark.parametrize("value", [True, False])
def test_a_metric_means_what_is_declared(value: bool) -> None:
    row = {**ROW, "metric_name": "haiku_rating", "value": value}
    assert "--map rating=haiku_rating" in refusal(row)
    assert said(row, {"rating": "haiku_rating"}) == ("The mayor.", 5 if value else 1, None, None)


def test_a_number_is_on_a_scale_that_is_stated() -> None:
    row = {**ROW, "metric_name": "user_rating", "value": 4.0}
    assert "on a scale that the file does not tell" in refusal(row)
    assert said(row, scale="1..5") == ("The mayor.", 4, None, None)


def test_a_value_without_the_name_of_its_metric_is_declared() -> None:
    row = {**ROW, "value": True}
    assert "--map rating=value or --map correction=value" in refusal(row)
    assert said(row, {"rating": "value"}) == ("The mayor.", 5, None, None)
    demonstrated = {**ROW, "value": json.dumps(blocks("The council."))}
    assert said(demonstrated, {"correction": "value"}) == ("The mayor.", None, "The council.", None)


def test_a_demonstration_is_preferred_to_every_other_output() -> None:
    row = {**ROW, "output": blocks("The council."), "dispreferred_outputs": [blocks("The mayor."), blocks("Nobody.")]}
    assert pairs(row) == [("The council.", "The mayor."), ("The council.", "Nobody.")]


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        (POINT, ["The council."]),
        ({**POINT, "is_custom": False}, []),
        ({**POINT, "is_custom": False, "source_inference_id": "0193"}, []),
        ({**POINT, "rating": 1}, []),
        ({**POINT, "score": None}, []),
    ],
)
def test_a_datapoint_teaches_if_somebody_wrote_it(point: dict[str, Any], expected: list[str]) -> None:
    assert examples(point) == expected


THOUGHT = {"type": "thought", "text": "Hm.", "signature": "c2ln", "summary": None, "provider_type": "anthropic"}
DICL = {
    "function_name": "titles", "variant_name": "dicl", "namespace": "", "embedding": [0.1, 0.2],
    "input": json.dumps(ASKED), "output": json.dumps(blocks("The council.")),
}  # fmt: skip


def test_an_example_for_in_context_learning_is_a_demonstration() -> None:
    assert examples(DICL) == ["The council."]


THE_MAYOR = blocks("The mayor.")


@pytest.mark.parametrize("row", [POINT, DICL])
@pytest.mark.parametrize(
    ("more", "taught", "preferred"),
    [
        ({"feedback": [{"type": "boolean", "metric_name": "good", "value": False}]}, [], []),
        ({"feedback": [{"type": "comment", "value": "Wrong."}]}, [], []),
        ({"metric_name": "good", "value": False}, [], []),
        ({"metric_name": "good", "value": True}, ["The council."], []),
        ({"demonstration": THE_MAYOR}, ["The mayor."], [("The mayor.", "The council.")]),
        ({"metric_name": "demonstration", "value": THE_MAYOR}, ["The mayor."], [("The mayor.", "The council.")]),
        ({"dispreferred_outputs": [THE_MAYOR]}, ["The council."], [("The council.", "The mayor.")]),
        ({"metric_name": "tensorzero::evaluation_name::e", "value": False}, ["The council."], []),
    ],
)
def test_what_is_said_of_a_written_output_counts(
    row: dict[str, Any], more: dict[str, Any], taught: list[str], preferred: list[tuple[str, str]]
) -> None:
    assert examples({**row, **more}) == taught
    assert pairs({**row, **more}) == preferred


def test_a_metric_that_is_not_known_stops_a_written_output_as_well() -> None:
    assert "value is false, of a metric whose name is not there" in refusal({**POINT, "value": False})


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        ({"raw": '{"town": 1.50}', "parsed": {"town": 1.5}}, '{"town": 1.50}'),
        ({"raw": None, "parsed": {"town": 1.5}}, '{"town": 1.5}'),
        ({"raw": "{}", "parsed": {}}, "{}"),
        ([THOUGHT, *blocks("The mayor.")], "<think>\nHm.\n</think>\n\nThe mayor."),
        ([{"type": "raw_text", "value": "The mayor."}], "The mayor."),
        (blocks("The", "mayor."), "The\nmayor."),
    ],
)
def test_an_output_is_its_text(output: Any, answer: str) -> None:
    assert said({**ROW, "output": output})[0] == answer


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"output": [{"type": "tool_call", "name": "f", "arguments": {}}]}, "output[0] is 'tool_call'; only text"),
        ({"dynamic_tools": ['{"name": "f"}']}, "dynamic_tools has tools that the model was shown"),
        ({"tool_params": {"tools_available": [{"name": "f"}]}}, "tool_params has tools that the model was shown"),
        ({"input": {**ASKED, "system": {"name": "Ann"}}}, "input.system is filled into a template"),
        (
            {"input": {"messages": [{"role": "user", "content": [{"type": "template", "arguments": {}}]}]}},
            "input.messages[0].content[0] is filled into a template",
        ),
        (
            {"input": {"messages": [{"role": "user", "content": [{"type": "text", "value": {"a": "b"}}]}]}},
            "input.messages[0].content[0] is filled into a template",
        ),
        (
            {"input": {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}},
            "input.messages[0].content[0] is 'file'; only text",
        ),
        ({"tags": {"user_rating": "1"}}, "tags.user_rating is '1', which could be a verdict"),
        ({"task_success": False}, "task_success is false, which could be a verdict"),
        ({"system": "Be rude."}, "system is 'Be rude.' beside an export of a tool"),
        ({"staled_at": "2026-01-01T00:00:00Z"}, "staled_at is '2026-01-01T00:00:00Z': the datapoint counts no more"),
        ({"is_deleted": True}, "is_deleted is true: the datapoint counts no more"),
        (
            {"feedback": [{"type": "float", "metric_name": "x", "value": 1}]},
            "feedback[0].value is 1, and it is not known",
        ),
        ({"output": None}, "there is nothing to train on"),
        (
            {"output": [{**THOUGHT, "flagged": True}, *blocks("x")]},
            "output[0].flagged is true, which could be a verdict",
        ),
        (
            {"auxiliary_content": [{**THOUGHT, "flagged": True}]},
            "auxiliary_content[0].flagged is true, which could be a verdict",
        ),
        (
            {"dispreferred_outputs": [[{**THOUGHT, "score": 1}, *blocks("x")]]},
            "dispreferred_outputs[0][0].score is 1, which could be a verdict",
        ),
        ({"output": [THOUGHT]}, "output is a thought, and no text stands beside it; leave it out of the file"),
        (
            {"input": {"messages": [{"role": "user", "content": [THOUGHT, *blocks("Who met?")]}]}},
            "input.messages[0].content has a thought, and input.messages[0] is not the assistant's; leave it out",
        ),
    ],
)
def test_what_is_not_understood_is_refused_by_name(more: dict[str, Any], reason: str) -> None:
    assert refusal({**ROW, **more}).startswith(reason)
