"""What every format of a tool's export keeps to: nothing that was disliked or not judged is ever an example."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.errors import InputError
from adapterd.feedback.formats import FORMATS, ReadingOptions, format_of, parse
from adapterd.feedback.formats.tools import TOOL_FORMATS
from tests.support.teaching import example_of
from tests.support.web_bodies import odd_values

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DISLIKED = "An answer that nobody wants."
SHOWN = {"prompt": "Who met?", "response": DISLIKED}
ASKED = [{"role": "user", "content": "Who met?"}]
SAID = {"role": "assistant", "content": DISLIKED}

INFERENCE = {
    "function_name": "titles",
    "inference_id": "0193a1b2-0000-7000-8000-000000000002",
    "input": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Who met?"}]}]},
    "output": [{"type": "text", "text": DISLIKED}],
}
QUERIED = {name: value for name, value in INFERENCE.items() if name != "function_name"} | {"episode_id": "e-1"}


def _chat(annotation: dict[str, Any] | None) -> dict[str, Any]:
    answer = {"id": "b", "parentId": "a", "role": "assistant", "content": DISLIKED, "annotation": annotation}
    return {"history": {"messages": {"a": {"id": "a", "role": "user", "content": "Who met?"}, "b": answer}}}


def _task(results: list[dict[str, Any]]) -> dict[str, Any]:
    return {"data": SHOWN, "annotations": [{"result": results}], "total_annotations": 1}


DISLIKING: Mapping[str, dict[str, Any]] = {
    "OpenWebUIFeedback": {
        "type": "rating",
        "data": {"rating": -1, "details": {"rating": 2}},
        "meta": {"message_id": "b"},
        "snapshot": {"chat": {"chat": _chat(None)}},
    },
    "OpenWebUIChat": {"chat": _chat({"rating": -1})},
    "LabelStudio": _task([{"from_name": "rating", "type": "rating", "value": {"rating": 1}}]),
    "LabelStudioMin": {**SHOWN, "rating": 1, "annotator": 1, "annotation_id": 7},
    "Argilla": {"fields": SHOWN, "responses": [{"status": "submitted", "values": {"quality": {"value": "bad"}}}]},
    "ArgillaRow": {**SHOWN, "status": "completed", "quality.responses": ["bad"], "quality.responses.users": ["u"]},
    "TensorZero": {**INFERENCE, "metric_name": "thumbs_up", "value": False},
    "TensorZeroQuery": {**QUERIED, "metric_name": "thumbs_up", "value": False},
    "LangfuseTrace": {
        "input": ASKED,
        "output": SAID,
        "scores": [{"name": "user-feedback", "value": 0, "dataType": "BOOLEAN"}],
    },
    "LangSmithRun": {
        "run_type": "llm",
        "inputs": {"messages": ASKED},
        "outputs": {"output": DISLIKED},
        "feedback": [{"key": "user_score", "score": False}],
    },
    "RequestLog": {"request": {"messages": ASKED}, "response": {"message": SAID, "done": True}, "label": False},
    "OllamaLog": {"messages": ASKED, "message": SAID, "done": True, "rating": 1},
    "ChoicesLog": {"messages": ASKED, "choices": [{"message": SAID, "finish_reason": "stop"}], "thumbs": "down"},
}
UNJUDGED: Mapping[str, dict[str, Any]] = {
    "OpenWebUIFeedback": {**DISLIKING["OpenWebUIFeedback"], "data": {"rating": None, "model_id": "m"}},
    "OpenWebUIChat": {"chat": _chat(None)},
    "LabelStudio": _task([]),
    "LabelStudioMin": {**SHOWN, "annotator": 1, "annotation_id": 7},
    "Argilla": {"fields": SHOWN, "responses": [], "suggestions": [{"question_name": "quality", "value": "good"}]},
    "ArgillaRow": {**SHOWN, "status": "pending", "quality.responses": [], "quality.suggestion": "good"},
    "TensorZero": {**INFERENCE, "dispreferred_outputs": []},
    "TensorZeroQuery": QUERIED,
    "LangfuseTrace": {"input": ASKED, "output": SAID, "observations": [], "sessionId": "s"},
    "LangSmithRun": {"run_type": "llm", "inputs": {"messages": ASKED}, "outputs": {"output": DISLIKED}},
    "RequestLog": {"request": {"messages": ASKED}, "response": {"message": SAID, "done": True}},
    "OllamaLog": {"messages": ASKED, "message": SAID, "done": True},
    "ChoicesLog": {"messages": ASKED, "choices": [{"message": SAID, "finish_reason": "stop"}]},
}
DEMONSTRATIONS = {"LangfuseItem", "LangSmithExample"}
every_tool = pytest.mark.parametrize("name", sorted(DISLIKING))


def taught(value: dict[str, Any], scale: str | None = None) -> list[str]:
    try:
        records = parse(value, received_at=AT, options=ReadingOptions.of({}, scale, ())).records
    except InputError:
        return []
    return [example.completion for record in records if (example := example_of(record))]


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path to every value within a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inside:
        yield (*path, name)
        yield from places(each, (*path, name))


def replaced(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    changed = copy.deepcopy(value)
    at = changed
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = new
    return changed


def test_each_tool_has_a_disliked_and_an_unjudged_answer_here() -> None:
    tools = {each.name for each in TOOL_FORMATS}
    assert DISLIKING.keys() | DEMONSTRATIONS == UNJUDGED.keys() | DEMONSTRATIONS == tools


@every_tool
@pytest.mark.parametrize("cases", [DISLIKING, UNJUDGED], ids=["disliked", "unjudged"])
def test_an_answer_that_was_disliked_or_not_judged_is_read_and_teaches_nothing(
    name: str, cases: Mapping[str, dict[str, Any]]
) -> None:
    present = {field: value for field, value in cases[name].items() if value not in (None, [], {})}
    assert format_of(present).name == name
    records = parse(cases[name], received_at=AT).records
    assert [record.output for record in records] == [DISLIKED]
    assert taught(cases[name]) == []


@every_tool
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_whatever_stands_beside_it_a_disliked_answer_teaches_nothing(name: str, data: st.DataObject) -> None:
    names = st.sampled_from(["id", "score", "rating", "label", "comment", "metadata", "verdict", "weight", "x"])
    beside = data.draw(st.dictionaries(names, odd_values(), max_size=3))
    value = {**beside, **DISLIKING[name]}
    assert DISLIKED not in taught(value, data.draw(st.sampled_from([None, "1..5", "0..10"])))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_export_is_refused_with_a_reason_or_read(data: st.DataObject) -> None:
    chosen = data.draw(st.sampled_from(FORMATS))
    value = copy.deepcopy(dict(chosen.example))
    for _ in range(data.draw(st.integers(1, 3))):
        value = replaced(value, data.draw(st.sampled_from(list(places(value)))), data.draw(odd_values()))
    with suppress(InputError):
        parse(value, received_at=AT)
