"""Exports of tools that trace requests: Langfuse's and LangSmith's, and plain logs of requests."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from adapterd.chat import Role
from adapterd.errors import InputError
from adapterd.feedback.formats import Reading, ReadingOptions, parse
from tests.support.teaching import example_of

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ASKED = [{"role": "user", "content": "When is the fair?"}]


def trace(*scores: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {
        "id": "t", "timestamp": "2026-02-01T10:00:00Z", "name": "chat", "input": {"messages": ASKED, "top_p": 0.2},
        "output": {"role": "assistant", "content": "Never."}, "sessionId": "s-1", "userId": "u-1", "public": False,
        "bookmarked": True, "tags": [], "scores": list(scores), "observations": [{"output": {"score": 1}}],
        **changed,
    }  # fmt: skip


def score(value: Any, kind: str = "BOOLEAN", name: str = "user-feedback", **changed: Any) -> dict[str, Any]:
    return {
        "id": "s",
        "name": name,
        "value": value,
        "dataType": kind,
        "source": "ANNOTATION",
        "traceId": "t",
        **changed,
    }


def run(*feedback: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {
        "id": "r", "name": "chain", "run_type": "chain", "inputs": {"question": "When is the fair?"},
        "outputs": {"answer": "Never."}, "feedback": list(feedback), "start_time": "2026-02-01T10:00:00", "error": None,
        "parent_run_ids": [], "in_dataset": False, "status": "success",
        **changed,
    }  # fmt: skip


def read(
    value: dict[str, Any], fields: dict[str, str] | None = None, scale: str | None = None, *ignore: str
) -> Reading:
    return parse(value, received_at=AT, options=ReadingOptions.of(fields or {}, scale, ignore))


def reason(value: dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        read(value)
    return str(caught.value)


def taught(reading: Reading) -> list[str]:
    return [example.completion for each in reading.records if (example := example_of(each))]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([score(1)], ["Never."]),
        ([score(0)], []),
        ([score("👍", "CATEGORICAL", stringValue="👍")], ["Never."]),
        ([score(1, source="EVAL")], []),
        ([score(1, observationId="o")], []),
        ([score(0), score(None, "CORRECTION", "output", stringValue="On Monday.")], ["On Monday."]),
        ([], []),
    ],
)
def test_a_trace_teaches_what_people_scored_as_good(scores: list[dict[str, Any]], expected: list[str]) -> None:
    reading = read(trace(*scores))
    assert taught(reading) == expected
    assert [each.content for each in reading.records[0].messages] == ["When is the fair?"]
    assert reading.records[0].conversation_id == "s-1"


def test_scores_of_two_people_are_two_statements() -> None:
    reading = read(trace(score(1, authorUserId="a"), score(0, authorUserId="b", comment="No.")))
    assert [(each.rating, each.correction_notes) for each in reading.records] == [(5, None), (1, "No.")]


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (score(1, name="hallucination"), "scores[0].value is true, and it is not known what hallucination says"),
        (score(0.8, "NUMERIC"), "scores[0].value is 0.8 on a scale that the file does not tell"),
        (
            score(2, "CATEGORICAL", stringValue="medium"),
            "scores[0].value is 'medium', which is a verdict that is not known",
        ),
        (score(7), "scores[0].value is 7, and a boolean is 0 or 1"),
        (score(1, "VECTOR"), "scores[0].dataType is 'VECTOR'"),
        (score(1, isWrong=True), "scores[0].isWrong is true, which could be a verdict"),
    ],
)
def test_a_score_that_is_not_understood_is_refused_by_name(one: dict[str, Any], said: str) -> None:
    assert reason(trace(one)).startswith(said)


def test_contradicting_scores_of_one_person_are_refused() -> None:
    assert "another verdict of the same person" in reason(trace(score(1), score(0, name="helpful")))


def test_a_score_is_understood_when_it_is_declared() -> None:
    assert taught(read(trace(score(0.4, "NUMERIC", "nps")), {"rating": "nps"}, "0..1")) == []
    assert taught(read(trace(score(1, "NUMERIC", "nps")), {"rating": "nps"}, "0..1")) == ["Never."]
    assert taught(read(trace(score(1, name="hallucination")), None, None, "hallucination")) == []


def test_an_item_of_a_data_set_is_a_demonstration() -> None:
    item = {"id": "i", "status": "ACTIVE", "input": ASKED, "expectedOutput": "On Monday.", "datasetName": "fairs"}
    assert taught(read(item)) == ["On Monday."]
    assert reason({**item, "status": "ARCHIVED"}) == "status is 'ARCHIVED'; only active items are taken"
    assert reason({**item, "expectedOutput": None}).startswith("expectedOutput is empty")
    assert reason({**item, "input": {"boat": 1}}).startswith("input has none of messages, prompt")


@pytest.mark.parametrize(
    ("feedback", "expected"),
    [
        ([{"key": "user_score", "score": True}], ["Never."]),
        ([{"key": "user_score", "score": False, "comment": "No."}], []),
        ([{"key": "correctness", "correction": {"answer": "On Monday."}}], ["On Monday."]),
        ([{"key": "helpful", "score": True, "feedback_source": {"type": "model"}}], []),
        ([], []),
    ],
)
def test_a_run_teaches_what_people_said_of_it(feedback: list[dict[str, Any]], expected: list[str]) -> None:
    assert taught(read(run(*feedback))) == expected


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (run({"key": "user_score", "score": 1}), "feedback[0].score is 1 on a scale that the file does not tell"),
        (
            run({"key": "coherence", "score": True}),
            "feedback[0].score is true, and it is not known what coherence says",
        ),
        (run(error="timeout"), "error is 'timeout': the run has failed"),
        (run(outputs={"answer": "a", "output": "b"}), "outputs has several of answer"),
        (run(outputs={"answer": "a", "is_wrong": True}), "outputs.is_wrong is true, which could be a verdict"),
        (run(inputs={"boat": "x"}), "inputs has none of messages"),
        (
            run(feedback=None, feedback_stats={"user_score": {"n": 3, "avg": 0.3}}),
            "feedback_stats.user_score is about 3",
        ),
    ],
)
def test_a_run_that_is_not_understood_is_refused_by_name(value: dict[str, Any], said: str) -> None:
    assert reason(value).startswith(said)


def test_a_single_verdict_in_the_statistics_of_a_run_counts_on_a_stated_scale() -> None:
    judged = run(feedback=None, feedback_stats={"user_score": {"n": 1, "avg": 0.0, "values": {}}})
    assert reason(judged).startswith("feedback_stats.user_score.avg is 0.0 on a scale that the file does not tell")
    assert read(judged, scale="0..1").records[0].rating == 1


def test_messages_of_langchain_are_turns() -> None:
    human = {"lc": 1, "type": "constructor", "id": ["langchain", "HumanMessage"], "kwargs": {"content": "When?"}}
    system = {"type": "system", "data": {"content": "Be brief."}}
    said = {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "AIMessage"],
        "kwargs": {"content": "Now.", "tool_calls": []},
    }
    value = run({"key": "user_score", "score": True}, inputs={"messages": [[system, human]]})
    reading = read({**value, "outputs": {"generations": [[{"text": "Now.", "message": said}]]}})
    assert [each.role for each in reading.records[0].messages] == [Role.SYSTEM, Role.USER]
    assert taught(reading) == ["Now."]


def test_a_call_of_a_tool_is_refused() -> None:
    call = {"type": "ai", "content": "x", "tool_calls": [{"name": "search"}]}
    assert "calls a tool" in reason(run({"key": "user_score", "score": True}, outputs={"message": call}))


def test_an_example_of_a_data_set_is_a_demonstration() -> None:
    example = {"id": "e", "dataset_id": "d", "inputs": {"question": "When?"}, "outputs": {"answer": "Now."}}
    assert taught(read(example)) == ["Now."]
    assert reason({**example, "dataset_id": None}).startswith("none of")


ANSWER = {"role": "assistant", "content": "Never."}
CHAT = {"model": "m", "messages": ASKED, "stream": False, "options": {"temperature": 0}, "keep_alive": "5m"}
DONE = {
    "model": "m",
    "created_at": "2026-02-01T10:00:00Z",
    "message": {"role": "assistant", "content": "Never."},
    "done": True,
}
STREAM = [
    {"message": {"role": "assistant", "content": "Ne"}, "done": False},
    {"message": {"role": "assistant", "content": "ver."}, "done": False},
    {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop", "eval_count": 3},
]
EVENTS = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Never"}}]},
    {"choices": [{"index": 0, "delta": {"content": "."}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"total_tokens": 3}},
]


@pytest.mark.parametrize(
    ("request_body", "response"),
    [
        (CHAT, DONE),
        (CHAT, STREAM),
        (CHAT, json.dumps(DONE)),
        (json.dumps(CHAT), "\n".join(map(json.dumps, STREAM))),
        ({"method": "POST", "body": CHAT}, {"status": 200, "body": DONE}),
        ({"model": "m", "prompt": "When is the fair?"}, {"response": "Never.", "done": True, "context": [1, 2]}),
        (
            CHAT,
            {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Never."}, "finish_reason": "stop"}]},
        ),
        (CHAT, EVENTS),
        (CHAT, "".join(f"data: {json.dumps(each)}\n\n" for each in EVENTS) + "data: [DONE]\n"),
    ],
)
def test_a_log_of_a_request_is_an_answer_that_nobody_judged(request_body: Any, response: Any) -> None:
    log = {"request": request_body, "response": response, "duration_ms": 312, "path": "/api/chat"}
    reading = read(log)
    assert (taught(reading), reading.not_judged) == ([], 1)
    assert [(each.output, each.messages[0].content) for each in reading.records] == [("Never.", "When is the fair?")]
    assert taught(read({**log, "rating": 5})) == ["Never."]
    assert taught(read({**log, "label": False})) == []


def test_a_thought_that_is_streamed_goes_in_front_of_the_answer() -> None:
    thought = {"message": {"role": "assistant", "content": "", "thinking": "Hm."}, "done": False}
    reading = read({"request": CHAT, "response": [thought, *STREAM]})
    assert reading.records[0].output == "<think>\nHm.\n</think>\n\nNever."


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"response": STREAM[:2]}, "response is not whole"),
        ({"response": EVENTS[:2]}, "response is not whole"),
        ({"response": {"error": "unexpected EOF"}}, "response.error is 'unexpected EOF'"),
        (
            {"response": {**DONE, "message": {"content": "", "tool_calls": [{"id": "c"}]}}},
            "response has tool_calls",
        ),
        ({"request": {**CHAT, "tools": [{"type": "function"}]}}, "request.tools is given"),
        ({"request": {"prompt": "x", "images": ["aGk="]}}, "request.images is given"),
        ({"request": {"prompt": "x", "raw": True}}, "request.raw is given"),
        ({"request": {"prompt": "x", "context": [1, 2]}}, "request.context is given"),
        ({"request": {**CHAT, "label": "bad"}}, "request.label is 'bad', which could be a verdict"),
        ({"verdict": "bad"}, "verdict is 'bad', which could be a verdict"),
    ],
)
def test_a_log_that_cannot_be_learned_is_refused_by_name(changed: dict[str, Any], said: str) -> None:
    assert reason({"request": CHAT, "response": DONE, **changed}).startswith(said)


@pytest.mark.parametrize(
    "line",
    [
        {"model": "m", "messages": ASKED, "message": ANSWER, "done": True, "done_reason": "stop", "eval_count": 3},
        {"model": "m", "prompt": "When is the fair?", "response": "Never.", "done": True, "total_duration": 12},
        {"model": "m", "messages": ASKED, "choices": [{"message": ANSWER, "finish_reason": "stop"}], "usage": {}},
    ],
)
def test_a_response_with_its_request_in_one_object_is_an_answer_that_nobody_judged(line: dict[str, Any]) -> None:
    assert (taught(read(line)), read(line).not_judged) == ([], 1)
    assert taught(read({**line, "thumbs": "up"})) == ["Never."]
    assert taught(read({**line, "thumbs": "down"})) == []


def test_an_answer_in_a_log_may_be_plain_text_or_json_of_its_own() -> None:
    for text in ("Never.", '{"fair": null}'):
        (record,) = read({"request": CHAT, "response": text}).records
        assert record.output == text


def test_a_line_of_a_stream_that_is_not_done_is_refused() -> None:
    assert reason({"messages": ASKED, "message": ANSWER, "done": False}).startswith("the record is not whole")


def test_a_verdict_within_a_response_is_refused() -> None:
    assert reason({"request": CHAT, "response": {**DONE, "accepted": False}}).startswith("response.accepted is false")


def test_what_a_tool_writes_about_its_own_settings_is_no_verdict() -> None:
    extra = {"runtime": {"threads": 4}, "invocation_params": {"n": 1, "stream": False}, "metadata": {"revision": 3}}
    judged = {"key": "user_score", "score": True}
    assert taught(read(run(judged, extra=extra))) == ["Never."]
    assert reason(run(judged, extra={**extra, "grade": 2})).startswith("extra.grade is 2, which could be a verdict")


def test_empty_fields_of_an_expected_message_do_not_make_it_unjudged() -> None:
    expected: dict[str, Any] = {"role": "assistant", "content": "On Monday.", "refusal": None, "annotations": []}
    assert taught(read({"input": ASKED, "expectedOutput": expected, "datasetId": "d"})) == ["On Monday."]
