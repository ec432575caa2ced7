"""Exports of tools in which people annotate: Label Studio's and Argilla's."""

from datetime import UTC, datetime
from typing import Any

import pytest

from adapterd.errors import InputError
from adapterd.feedback.formats import OffScaleError, Reading, ReadingOptions, parse
from tests.support.teaching import example_of

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHOWN = {"prompt": "When is the fair?", "response": "Never."}


def result(kind: str, name: str, value: Any) -> dict[str, Any]:
    inside = {"textarea": "text", "choices": "choices", "rating": "rating", "number": "number"}.get(kind, kind)
    return {
        "id": "r",
        "from_name": name,
        "to_name": "response",
        "type": kind,
        "value": {inside: value},
        "origin": "manual",
    }


def task(*annotations: list[dict[str, Any]], **changed: Any) -> dict[str, Any]:
    said = [
        {"id": n, "completed_by": n, "result": results, "was_cancelled": False, "ground_truth": False, "lead_time": 4.5}
        for n, results in enumerate(annotations)
    ]
    return {
        "id": 3, "data": SHOWN, "annotations": said, "drafts": [], "predictions": [], "meta": {}, "inner_id": 1,
        "total_annotations": len(said), "cancelled_annotations": 0, "comment_count": 0, "project": 1,
        "created_at": "2026-02-01T10:00:00Z", "updated_by": 1, "file_upload": "a.json",
        **changed,
    }  # fmt: skip


def record(*responses: Any, **changed: Any) -> dict[str, Any]:
    return {"id": "x", "fields": SHOWN, "responses": list(responses), "suggestions": [], "metadata": {}, **changed}


def response(status: str | None, **values: Any) -> dict[str, Any]:
    return {"user_id": "u", "status": status, "values": {name: {"value": value} for name, value in values.items()}}


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
    ("results", "expected"),
    [
        ([result("rating", "rating", 5)], ["Never."]),
        ([result("rating", "rating", 1)], []),
        ([result("choices", "quality", ["Good"])], ["Never."]),
        ([result("choices", "quality", ["Bad"])], []),
        ([result("rating", "rating", 1), result("textarea", "correction", ["On Monday."])], ["On Monday."]),
        ([result("textarea", "comment", ["It is on Monday."])], []),
        ([result("choices", "failure_tags", ["hallucination", "style_mismatch"])], []),
    ],
)
def test_a_task_teaches_what_its_annotator_said(results: list[dict[str, Any]], expected: list[str]) -> None:
    assert taught(read(task(results))) == expected


def test_each_annotator_says_something_of_their_own() -> None:
    reading = read(task([result("rating", "rating", 5)], [result("rating", "rating", 2)]))
    assert [each.rating for each in reading.records] == [5, 2]


def test_what_was_cancelled_predicted_or_drafted_is_no_verdict() -> None:
    good = [result("rating", "rating", 5)]
    skipped = task(good)
    skipped["annotations"][0]["was_cancelled"] = True
    guessed = task(predictions=[{"result": good, "score": 0.9}], drafts=[{"result": good}])
    assert [taught(read(each)) for each in (skipped, guessed)] == [[], []]
    assert [read(each).not_judged for each in (skipped, guessed)] == [1, 1]


@pytest.mark.parametrize(
    ("results", "said"),
    [
        (
            [result("choices", "tone", ["Friendly"])],
            "annotations[0].result[0].value is 'Friendly', and it is not known what tone",
        ),
        (
            [result("choices", "quality", ["Medium"])],
            "annotations[0].result[0].value is 'Medium', which is a verdict that",
        ),
        ([result("choices", "quality", ["Good", "Bad"])], "annotations[0].result[0].value has 2 entries"),
        ([result("labels", "entities", ["PER"])], "annotations[0].result[0].type is 'labels'"),
        (
            [result("rating", "rating", 5), result("choices", "quality", ["Bad"])],
            "annotations[0].result[1].value is 'Bad', and",
        ),
        (
            [result("textarea", "rating", ["On Monday."])],
            "annotations[0].result[0].value is 'On Monday.', which is a verdict",
        ),
        (
            [{**result("rating", "rating", 5), "score": 0.1}],
            "annotations[0].result[0].score is 0.1, which could be a verdict",
        ),
    ],
)
def test_a_control_that_is_not_understood_is_refused_by_name(results: list[dict[str, Any]], said: str) -> None:
    assert reason(task(results)).startswith(said)


def test_a_control_is_understood_when_it_is_declared_or_ignored() -> None:
    said = task([result("choices", "tone", ["Good"])])
    assert taught(read(said, {"rating": "tone"})) == ["Never."]
    assert taught(read(said, None, None, "tone")) == []


def test_stars_are_of_five_unless_a_scale_is_stated() -> None:
    ten = task([result("rating", "rating", 6)])
    with pytest.raises(OffScaleError):
        read(ten)
    assert read(ten, scale="1..10").records[0].rating == 3


def test_the_last_turn_of_a_conversation_that_was_shown_is_what_is_judged() -> None:
    turns = [{"role": "user", "content": "When?"}, {"role": "assistant", "content": "Never."}]
    assert taught(read(task([result("rating", "rating", 5)], data={"messages": turns}))) == ["Never."]
    assert taught(read(task([result("rating", "rating", 1)], data={"messages": turns}))) == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({**SHOWN, "answer": "Soon."}, "data has response and answer, both answers"),
        ({**SHOWN, "label": False}, "data.label is false, which could be a verdict"),
        ({**SHOWN, "image": "/data/a.png"}, "data.image is '/data/a.png'"),
        ({"audio": "a.wav", "response": "x"}, "data has none of messages, prompt"),
    ],
)
def test_what_was_shown_and_is_not_understood_is_refused_by_name(data: dict[str, Any], said: str) -> None:
    assert reason(task([result("rating", "rating", 5)], data=data)).startswith(said)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"rating": 5}, ["Never."]),
        ({"rating": 1}, []),
        ({"rating": 1, "correction": {"text": ["On Monday."]}}, ["On Monday."]),
        ({"quality": "Bad"}, []),
        ({}, []),
    ],
)
def test_a_row_of_an_annotation_says_the_same(said: dict[str, Any], expected: list[str]) -> None:
    assert taught(read({"id": 1, **SHOWN, "annotator": 1, "annotation_id": 7, "lead_time": 3.2, **said})) == expected


@pytest.mark.parametrize(
    "responses",
    [
        [response("submitted", quality="good")],
        {"quality": [{"value": "good", "user_id": "u", "status": "submitted"}]},
    ],
)
def test_a_record_teaches_what_was_submitted(responses: Any) -> None:
    assert taught(read(record(responses=responses))) == ["Never."]


def test_a_response_of_the_second_version_without_a_status_is_submitted_where_the_record_is_completed() -> None:
    responses = {"correction": [{"value": "On Monday.", "user_id": "u"}]}
    assert taught(read(record(responses=responses, status="completed"))) == ["On Monday."]
    assert reason(record(responses=responses, status="pending")).startswith("responses.correction[0].status is null")


@pytest.mark.parametrize("status", ["discarded", "draft"])
def test_what_was_discarded_or_is_a_draft_is_not_taken(status: str) -> None:
    reading = read(record(response(status, correction="Whatever.", quality="good")))
    assert (taught(reading), reading.not_judged) == ([], 1)


def test_a_suggestion_is_no_answer() -> None:
    suggested = [{"question_name": "quality", "value": "good", "agent": "judge", "score": 0.9}]
    assert taught(read(record(suggestions=suggested))) == []
    assert taught(read(record(suggestions={"quality": {"value": "good", "score": None}}))) == []


def test_a_rating_is_on_a_scale_that_is_stated_or_it_is_refused() -> None:
    rated = record(response("submitted", rating=4))
    assert reason(rated).startswith("responses[0].values.rating.value is 4 on a scale that the file does not tell")
    assert taught(read(rated, scale="1..5")) == ["Never."]
    assert taught(read(rated, scale="1..7")) == []
    with pytest.raises(OffScaleError):
        read(rated, scale="0..3")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"topic": "politics"}, "responses[0].values.topic.value is 'politics', and it is not known what topic says"),
        ({"ranking": [{"value": "response", "rank": 1}]}, "responses[0].values.ranking.value is a list"),
        ({"quality": "good", "rating": "bad"}, "responses[0].values.rating.value is 'bad', and another verdict"),
    ],
)
def test_a_question_that_is_not_understood_is_refused_by_name(values: dict[str, Any], said: str) -> None:
    assert reason(record(response("submitted", **values))).startswith(said)


ASKED = {"prompt": "When is the fair?", "ideal": "On Monday."}


@pytest.mark.parametrize(
    ("export", "within"),
    [
        (task([result("textarea", "comment", ["Rude."])], data=ASKED), "data"),
        (record(response("submitted", comment="Rude."), fields=ASKED), "fields"),
    ],
)
def test_a_correction_without_an_answer_is_preferred_to_none(export: dict[str, Any], within: str) -> None:
    (found,) = read(export, {"correction": f"{within}.ideal"}).records
    assert (found.output, found.correction, found.correction_notes) == (None, "On Monday.", "Rude.")


@pytest.mark.parametrize(
    ("export", "within"), [(task(data=ASKED), "data"), (record(fields=ASKED, status="pending"), "fields")]
)
def test_a_correction_beside_an_export_that_says_nothing_is_not_lost_in_silence(
    export: dict[str, Any], within: str
) -> None:
    with pytest.raises(InputError, match=f"{within}.ideal is said beside an export that has no answer"):
        read(export, {"correction": f"{within}.ideal"})


def exports(shown: dict[str, Any], **beside: Any) -> list[tuple[str, dict[str, Any]]]:
    """What people were shown, and found good, in an export of each kind, with the name of the object it stands in."""
    said = [result("choices", "quality", ["Good"])]
    return [
        ("data", task(said, data=shown, **beside)),
        ("fields", record(response("submitted", quality="Good"), fields=shown, **beside)),
    ]


@pytest.mark.parametrize("path", ["", "{}."])
@pytest.mark.parametrize(
    ("ours", "theirs", "shown"),
    [
        ("prompt", "question", {"prompt": "P", "question": "Q", "response": "R"}),
        ("prompt", "question", {"question": "Q", "prompt": "P", "response": "R"}),
        ("output", "answer", {"prompt": "P", "answer": "The model's.", "output": "The reference."}),
        ("output", "answer", {"prompt": "P", "output": "The reference.", "answer": "The model's."}),
        ("context", "article", {"prompt": "P", "context": "C", "article": "A", "response": "R"}),
    ],
)
def test_a_declared_field_takes_the_place_of_no_other(path: str, ours: str, theirs: str, shown: dict[str, Any]) -> None:
    for within, export in exports(shown):
        declared = {ours: f"{path.format(within)}{theirs}"}
        with pytest.raises(InputError, match=f"{within}.{theirs} is to be {ours}, and {ours} stands beside it"):
            read(export, declared)
        (found,) = read(export, declared, None, f"{within}.{theirs}").records
        assert (found.output, found.rating) == (shown.get("output", shown.get("response")), 5)


def test_a_path_to_another_field_declares_none_that_was_shown() -> None:
    for _, export in exports(SHOWN, meta={"prompt": "id-1"}):
        (found,) = read(export, {"source_id": "meta.prompt"}).records
        assert (found.source_id, found.output, found.rating) == ("id-1", "Never.", 5)


@pytest.mark.parametrize("theirs", ["ask", "Ask", "{}.ask"])
def test_a_field_that_was_shown_is_declared_by_its_name_or_its_path(theirs: str) -> None:
    for within, export in exports({"ask": "When?", "response": "Never."}):
        (found,) = read(export, {"prompt": theirs.format(within)}).records
        assert found.messages[-1].content == "When?"


def test_two_answers_are_named_as_the_file_names_them() -> None:
    for within, export in exports({"prompt": "P", "said": "R", "answer": "A"}):
        with pytest.raises(InputError, match=f"has said and answer, both answers: .*--ignore {within}.answer"):
            read(export, {"output": "said"})


def test_a_path_to_another_field_declares_no_question() -> None:
    said = record(response("submitted", tone=True), metadata={"tone": True})
    with pytest.raises(InputError, match="it is not known what tone says"):
        read(said, {"rating": "metadata.tone"})


def test_a_verdict_beside_an_export_is_refused() -> None:
    assert reason({**task([result("rating", "rating", 5)]), "rating": 1}).startswith(
        "rating is 1 beside an export of a tool"
    )
    assert reason({**record(response("submitted", quality="good")), "label": False}).startswith("label is false beside")
