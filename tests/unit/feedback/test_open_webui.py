"""Open WebUI's exports of feedback and of chats: what people judged in them, and nothing else."""

from datetime import UTC, datetime
from typing import Any

import pytest

from adapterd.chat import Role
from adapterd.errors import InputError
from adapterd.feedback.formats import Reading, ReadingOptions, parse
from tests.support.teaching import example_of

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ASKED = {"id": "q", "parentId": None, "childrenIds": ["a", "b"], "role": "user", "content": "When is the fair?"}
GOOD = {"id": "a", "parentId": "q", "childrenIds": [], "role": "assistant", "content": "On Monday.", "done": True}
BAD = {"id": "b", "parentId": "q", "childrenIds": [], "role": "assistant", "content": "Never.", "modelIdx": 1}


def tree(*messages: dict[str, Any], **chat: Any) -> dict[str, Any]:
    listed = {each["id"]: each for each in messages or (ASKED, GOOD, BAD)}
    return {"title": "Fair", "models": ["m"], "history": {"messages": listed, "currentId": "b"}, **chat}


def feedback(said: dict[str, Any], message: str = "b", **chat: Any) -> dict[str, Any]:
    return {
        "id": "f-1",
        "user_id": "u-1",
        "version": 0,
        "type": "rating",
        "data": {"model_id": "m", "sibling_model_ids": ["n"], **said},
        "meta": {"arena": False, "chat_id": "c-1", "message_id": message, "message_index": 1},
        "snapshot": {"chat": {"id": "c-1", "title": "Fair", "chat": tree(**chat), "archived": False}},
        "created_at": 1772000000,
        "updated_at": 1772000100,
    }


def export(*messages: dict[str, Any], **chat: Any) -> dict[str, Any]:
    return {
        "id": "c-1",
        "user_id": "u-1",
        "chat": tree(*messages, **chat),
        "archived": False,
        "pinned": False,
        "meta": {},
    }


def read(value: dict[str, Any], **options: Any) -> Reading:
    return parse(value, received_at=AT, options=ReadingOptions(**options))


def reason(value: dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        read(value)
    return str(caught.value)


def taught(reading: Reading) -> list[str]:
    return [example.completion for record in reading.records if (example := example_of(record))]


def test_a_thumb_up_teaches_the_answer_to_what_leads_to_it() -> None:
    reading = read(feedback({"rating": 1}, message="a", params={"system": "Be brief."}))
    (record,) = reading.records
    assert [(each.role, each.content) for each in record.messages] == [
        (Role.SYSTEM, "Be brief."),
        (Role.USER, "When is the fair?"),
    ]
    assert (record.output, record.rating, record.conversation_id) == ("On Monday.", 5, "c-1")
    assert taught(reading) == ["On Monday."]


@pytest.mark.parametrize(
    ("said", "rating"),
    [
        ({"rating": 1}, 5),
        ({"rating": -1}, 1),
        ({"rating": 1, "details": {"rating": 6}}, 4),
        ({"rating": 1, "details": {"rating": 10}}, 5),
        ({"rating": -1, "details": {"rating": 5}}, 2),
        ({"rating": -1, "details": {"rating": 1}}, 1),
        ({"details": {"rating": 4}}, 2),
        ({"rating": "1", "details": None}, 5),
        ({"rating": None, "comment": ""}, None),
    ],
)
def test_of_its_ten_details_the_lower_five_are_bad_and_the_upper_five_good(
    said: dict[str, Any], rating: int | None
) -> None:
    (record,) = read(feedback(said)).records
    assert record.rating == rating


def test_a_scale_that_is_stated_for_others_does_not_change_open_webuis_own() -> None:
    parsed = parse(
        feedback({"rating": -1, "details": {"rating": 5}}), received_at=AT, options=ReadingOptions.of({}, "1..5", ())
    )
    assert parsed.records[0].rating == 2


def test_a_thumb_down_teaches_nothing_and_keeps_what_was_said() -> None:
    reading = read(feedback({"rating": -1, "reason": "not_factually_correct", "comment": "It is on Monday."}))
    assert taught(reading) == []
    assert reading.records[0].correction_notes == "not_factually_correct: It is on Monday."


@pytest.mark.parametrize(
    ("said", "said_of_it"),
    [
        ({"rating": 4}, "data.rating is 4; Open WebUI writes 1 or -1"),
        ({"rating": 1, "details": {"rating": 3}}, "data.rating and data.details.rating contradict each other"),
        ({"rating": 1, "details": {"rating": 11}}, "data.details.rating is 11; Open WebUI writes 1 to 10"),
        ({"rating": 1, "details": {"rating": 9, "score": 1}}, "data.details.score is 1, which could be a verdict"),
        ({"rating": 1, "verdict": {"is": "bad"}}, "data.verdict.is is 'bad', which could be a verdict"),
    ],
)
def test_a_verdict_that_is_not_understood_is_refused_by_name(said: dict[str, Any], said_of_it: str) -> None:
    assert reason(feedback(said)).startswith(said_of_it)


def test_feedback_without_its_chat_is_refused() -> None:
    assert reason({**feedback({"rating": 1}), "snapshot": None}).startswith("none of the known formats fits")
    assert reason({**feedback({"rating": 1}), "snapshot": {"id": "c-1"}}).startswith("snapshot.chat must be an object")
    assert reason({**feedback({"rating": 1}), "type": "report"}).startswith("type is 'report'")
    assert reason(feedback({"rating": 1}, message="z")) == "meta.message_id is 'z', which is no message of the chat"


def test_of_a_chat_only_the_answers_that_were_judged_say_something() -> None:
    judged: list[dict[str, Any]] = [ASKED, {**GOOD, "annotation": {"rating": 1}}, {**BAD, "annotation": {"rating": -1}}]
    further = {"id": "q2", "parentId": "a", "role": "user", "content": "Where?"}
    reading = read(export(*judged, further, {"id": "c", "parentId": "q2", "role": "assistant", "content": "Here."}))
    assert [(record.output, record.rating) for record in reading.records] == [("On Monday.", 5), ("Never.", 1)]
    assert (taught(reading), reading.not_judged) == (["On Monday."], 1)


def test_a_chat_that_nobody_judged_teaches_nothing() -> None:
    reading = read(export())
    assert (taught(reading), reading.not_judged) == ([], 2)


def test_an_answer_made_anew_is_judged_for_itself() -> None:
    reading = read(export(ASKED, GOOD, {**BAD, "annotation": {"rating": 1}}))
    assert taught(reading) == ["Never."]


def test_a_message_list_without_a_tree_is_read_in_its_order() -> None:
    plain = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "We.", "annotation": {"rating": 1}}]
    assert taught(read({"chat": {"messages": plain}})) == ["We."]


def test_an_answer_that_a_person_rewrote_and_liked_corrects_what_the_model_said() -> None:
    rewritten = {**GOOD, "originalContent": "Perhaps.", "annotation": {"rating": 1}}
    (record,) = read(export(ASKED, rewritten)).records
    assert (record.output, record.correction, record.rating) == ("Perhaps.", "On Monday.", None)


def test_an_answer_that_was_rewritten_and_not_judged_teaches_nothing() -> None:
    assert taught(read(export(ASKED, {**GOOD, "originalContent": "Perhaps."}))) == []


@pytest.mark.parametrize(
    ("message", "said_of_it"),
    [
        ({"originalContent": "Perhaps.", "annotation": {"rating": -1}}, "chat.history.messages[a] was rewritten"),
        ({"sources": [{"document": ["text"]}], "annotation": {"rating": 1}}, "chat.history.messages[a].sources has"),
        ({"annotation": {"rating": 1}, "reviewed": True}, "chat.history.messages[a].reviewed is true"),
        ({"annotation": {"rating": 1}, "parentId": "z"}, "chat.history.messages[a].parentId is 'z'"),
        ({"annotation": {"rating": 1}, "parentId": "a"}, "chat.history.messages[a]"),
        (
            {"annotation": {"rating": 1}, "content": '<details type="tool_calls" done="true">x</details>y'},
            "chat.history",
        ),
        ({"annotation": {"rating": 1}, "content": ""}, "chat.history.messages[a].content is empty"),
        ({"annotation": "good"}, "chat.history.messages[a].annotation must be an object"),
    ],
)
def test_a_judged_answer_that_cannot_be_learned_is_refused_by_name(message: dict[str, Any], said_of_it: str) -> None:
    assert reason(export(ASKED, {**GOOD, **message})).startswith(said_of_it)


def test_a_question_with_a_file_is_refused_unless_the_file_means_nothing() -> None:
    chat = export({**ASKED, "files": [{"type": "image"}]}, {**GOOD, "annotation": {"rating": 1}})
    assert reason(chat).startswith("chat.history.messages[q].files has what the model was shown beside the text")
    assert taught(read(chat, ignore=frozenset({"files"}))) == ["On Monday."]


def test_folded_thoughts_go_in_front_of_an_answer_and_out_of_earlier_turns() -> None:
    folded = '<details type="reasoning" done="true">\n<summary>Thought for 2 seconds</summary>\n&gt; Hm.\n</details>\n'
    first = {**GOOD, "content": f"{folded}On Monday."}
    second = {"id": "q2", "parentId": "a", "role": "user", "content": "Where?"}
    last = {"id": "c", "parentId": "q2", "role": "assistant", "content": f"{folded}Here.", "annotation": {"rating": 1}}
    reading = read(export(ASKED, first, second, last))
    assert reading.records[0].messages[1].content == "On Monday."
    assert taught(reading) == ["<think>\nHm.\n</think>\n\nHere."]


def test_the_time_of_an_answer_is_its_own() -> None:
    judged = {**GOOD, "timestamp": 1772000000, "annotation": {"rating": 1}}
    (record,) = read(export(ASKED, judged)).records
    assert record.created_at == datetime.fromtimestamp(1772000000, UTC)
