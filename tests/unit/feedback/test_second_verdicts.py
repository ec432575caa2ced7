"""A second verdict within an export or a log, at a place where its tool writes none: it is not passed over."""

from typing import Any

import pytest

from tests.support.readings import chat, examples, refusal

SHOWN = {"prompt": "Who met?", "response": "The mayor."}
STARS = {"from_name": "rating", "to_name": "answer", "type": "rating", "value": {"rating": 5}}
LIKED = {"user_id": "u", "status": "submitted", "values": {"quality": {"value": "good"}}}


def open_webui(annotation: dict[str, Any], history: dict[str, Any], **of_chat: Any) -> dict[str, Any]:
    answer = {"id": "b", "parentId": "a", "role": "assistant", "content": "The mayor.", "annotation": annotation}
    tree = {"a": {"id": "a", "parentId": None, "role": "user", "content": "Who met?"}, "b": answer}
    return {"chat": {"history": {"currentId": "b", "messages": tree, **history}, **of_chat}}


def label_studio(result: dict[str, Any], **of_annotation: Any) -> dict[str, Any]:
    return {"data": SHOWN, "predictions": [], "annotations": [{"id": 7, "result": [result], **of_annotation}]}


def log(message: dict[str, Any], **of_request: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": "At nine.", **message}
    return {
        "request": {"messages": chat()[:1], **of_request},
        "response": {"message": said, "done": True},
        "correction": None,
        "rating": 5,
    }


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (open_webui({"rating": 1}, {"rating": -1}), "chat.history.rating"),
        (open_webui({"rating": 1}, {"verdict": "bad"}), "chat.history.verdict"),
        (open_webui({"rating": 1}, {}, meta={"score": 0}), "chat.meta.score"),
        (open_webui({"rating": 1}, {}, tags=["bad"]), "chat.tags[0]"),
        (open_webui({"rating": 1, "tags": ["wrong"]}, {}), "chat.history.messages[b].annotation.tags[0]"),
        (open_webui({"rating": 1, "reason": "not_helpful"}, {}), "chat.history.messages[b].annotation.rating"),
        (label_studio({**STARS, "value": {"rating": 5, "verdict": "bad"}}), "annotations[0].result[0].value.verdict"),
        (label_studio({**STARS, "value": {"rating": 5, "ok": False}}), "annotations[0].result[0].value.ok"),
        (label_studio(STARS, last_action="rejected"), "annotations[0].last_action"),
        ({"fields": SHOWN, "responses": [{**LIKED, "rating": 0}]}, "responses[0].rating"),
        ({"fields": SHOWN, "responses": [LIKED], "status": "discarded"}, "status"),
        (log({"refusal": True}), "response.message"),
        (log({"refusal": "I cannot say that."}), "response.message"),
        (log({}, metadata={"verdict": "bad"}), "request.metadata.verdict"),
        ({"messages": chat(refusal=True)}, "messages[1]"),
    ],
)
def test_a_second_verdict_stops_the_record(record: dict[str, Any], field: str) -> None:
    assert refusal(record).startswith(f"{field} ")


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        (open_webui({"rating": 1, "reason": "other", "tags": ["Science"]}, {}, tags=["news"]), "The mayor."),
        (label_studio(STARS, last_action="accepted"), "The mayor."),
        ({"fields": SHOWN, "responses": [LIKED], "status": "completed"}, "The mayor."),
        (log({"refusal": None}, metadata={"user_id": "u-17"}), "At nine."),
        ({"messages": chat(refusal=False)}, "At nine."),
    ],
)
def test_what_tools_write_there_stops_nothing(record: dict[str, Any], answer: str) -> None:
    assert examples(record) == [answer]
