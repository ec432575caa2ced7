"""Earlier answers of a conversation that teach by what their own turns say (`feedback.turns` = "judged")."""

from typing import Any

import pytest

from adapterd.config.choices import FeedbackTurns
from adapterd.feedback.formats import ReadingOptions
from adapterd.record import FailureTag
from tests.support.readings import chat, examples, pairs, reading, refusal


def judged(*ignored: str, **fields: str) -> ReadingOptions:
    theirs = {ours: f"messages.{name}" for ours, name in fields.items()}
    return ReadingOptions.of(theirs, None, ignored, FeedbackTurns.JUDGED)


def talk(earlier: dict[str, Any], last: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"messages": [*chat("When?", "Never.", **earlier), *chat("Where?", "Here.", **(last or {}))]}


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (talk({"rating": 1, "score": 5}), "messages[1].rating"),
        (talk({"rating": 1}, {"score": 5}), "messages[1].rating"),
        (talk({"rating": 1}), "messages[1].rating"),
        (talk({"score": 5}, {"rating": 1, "score": 5}), "messages[3].rating"),
        (talk({}, {"rating": 1, "score": 5}), "messages[3].rating"),
        (talk({}, {"rating": 1}), "messages[3].rating"),
        ({"messages": [{**chat()[0], "rating": 1}, chat()[1]]}, "messages[0].rating"),
        ({"prompt": "When?", "chosen": chat("When?", rating=1), "rejected": "No."}, "chosen[1].rating"),
    ],
)
def test_a_verdict_of_a_turn_is_not_overwritten_by_a_declared_one(record: dict[str, Any], field: str) -> None:
    said = refusal(record, judged(rating="score"))
    assert said.startswith(f"{field} is 1, which could be a verdict")
    ignored = "chosen.rating" if "chosen" in record else "messages.rating"
    assert f"--ignore {ignored}" in said
    assert refusal(record, judged(ignored, rating="score")) == ""


def test_a_weight_of_a_turn_is_not_overwritten_by_a_declared_one() -> None:
    record = talk({"weight": 0, "train": 1}, {"train": 1})
    said = refusal(record, judged(weight="train"))
    assert said.startswith("messages.train is to be weight, and a turn has weight as well")
    assert examples(record, judged("messages.train", weight="train")) == ["Here."]
    said = refusal(talk({"loss": False, "train": 1}), judged(weight="train"))
    assert said.startswith("messages[1].loss and messages.train contradict each other; leave one out: --ignore ")
    assert examples(talk({"loss": False, "train": 1}), judged("messages.train", weight="train")) == ["Here."]


@pytest.mark.parametrize(
    ("earlier", "last", "taught"),
    [(1, 1, ["Never.", "Here."]), (1, 0, ["Never."]), (0, 1, ["Here."]), (0, 0, []), (None, 1, ["Here."])],
)
def test_each_answer_is_taught_by_the_declared_weight_of_its_turn(
    earlier: int | None, last: int, taught: list[str]
) -> None:
    assert examples(talk({"train": earlier}, {"train": last}), judged(weight="train")) == taught


def test_verdicts_of_an_earlier_turn_that_differ_are_not_chosen_from() -> None:
    record = talk({"reviews": [{"score": 5}, {"score": 1}]}, {"reviews": [{"score": 5}]})
    assert refusal(record, judged(rating="reviews.score")).startswith("messages.reviews.score has 2 values that differ")
    assert refusal(talk({"ok": [True, False]}), judged(label="ok")).startswith("messages.ok has 2 values that differ")
    assert examples(talk({"ok": [True, True]}), judged(label="ok")) == ["Never."]


@pytest.mark.parametrize("ours", ["source_id", "output_type", "conversation_id", "application", "created_at", "system"])
def test_what_is_no_verdict_does_not_make_an_earlier_answer_taught(ours: str) -> None:
    record = talk({"about": "2026-02-01"}, {"about": "2026-02-01"})
    assert "Never." not in examples(record, judged(**{ours: "about"}))


def test_all_that_is_declared_of_an_earlier_turn_is_taken() -> None:
    earlier = {"tags": ["hallucination"], "id": "a-17", "kind": "answer", "why": "No hours.", "better": "At nine."}
    options = judged(
        failure_tags="tags", source_id="id", output_type="kind", correction_notes="why", correction="better"
    )
    found = reading(talk(earlier), options).records[0]
    assert (found.failure_tags, found.source_id) == ((FailureTag.HALLUCINATION,), "a-17")
    assert (found.output_type, found.correction_notes) == ("answer", "No hours.")
    assert pairs(talk(earlier), options) == [("At nine.", "Never.")]


@pytest.mark.parametrize("value", [1, {"rating": 5}])
def test_no_turn_can_say_of_its_own_what_is_declared(value: Any) -> None:
    assert "which could be" in refusal(talk({"\0said": value}), judged(rating="score"))
    assert "which could be" in refusal(talk({"\0said": value, "score": 5}), judged(rating="score"))


@pytest.mark.parametrize(
    ("ours", "theirs", "value"), [("label", "ok", "maybe"), ("output_type", "kind", "bad"), ("weight", "train", 0.5)]
)
def test_a_refusal_of_what_is_declared_of_a_turn_names_its_field(ours: str, theirs: str, value: Any) -> None:
    record = talk({theirs: value, "why": "It is no time."})
    said = refusal(record, judged(**{ours: theirs, "correction_notes": "why"}))
    assert said.startswith(f"messages.{theirs} is ")
    assert said.endswith(f"--ignore messages.{theirs}")
