"""What a data card counts and names."""

from datetime import UTC, datetime, timedelta
from typing import Any

from adapterd.chat import Message, Role
from adapterd.dataset.curation.data_card import data_card
from adapterd.dataset.curation.languages import languages
from adapterd.dataset.examples import Example
from adapterd.dataset.statements import resolve
from adapterd.record import FailureTag, FeedbackRecord

START = datetime(2026, 1, 1, tzinfo=UTC)


def record(number: int, prompt: str = "Which section?", **more: Any) -> FeedbackRecord:
    return FeedbackRecord(
        (Message(Role.USER, f"{prompt} {number}"),), created_at=START + timedelta(days=number), **more
    )


def card(records: list[FeedbackRecord]) -> dict[str, Any]:
    taught = resolve(records).examples
    return data_card(records, taught, {"train": len(taught)}, {"copied": 0, "held": 2}, {"new": 1.0})


def test_records_are_counted_by_kind() -> None:
    made = card(
        [
            record(1, output="No.", correction="Yes."), record(2, correction="Yes."),
            record(3, output="Yes.", rating=5), record(4, output="No.", rating=1),
            record(5, output="Yes.", rejected_output="No."),
        ]
    )  # fmt: skip
    assert made["records"] == {
        "correction": 1, "demonstration": 1, "rated good": 1, "not taught": 1, "preference": 1,
    }  # fmt: skip
    assert made["left_out"] == {"held": 2}
    assert made["time_span"] == ["2026-01-02T00:00:00+00:00", "2026-01-04T00:00:00+00:00"]


def test_labels_are_named_where_several_examples_share_one() -> None:
    said = ["Sport"] * 6 + ["sport "] * 2 + ["Politics"] * 5 + ["somebody's own words"]
    made = card([record(number, correction=label) for number, label in enumerate(said)])
    assert made["labels"] == {"sport": 8, "politics": 5, "others": 1}


def test_free_answers_are_no_labels() -> None:
    made = card([record(number, correction=f"answer {number}") for number in range(20)])
    assert made["labels"] == {}


def test_failure_tags_and_output_types_are_counted() -> None:
    made = card(
        [record(n, output="no", correction="yes", output_type="topic", failure_tags=(FailureTag.DUPLICATION,))
         for n in range(3)]
    )  # fmt: skip
    assert (made["failure_tags"], made["output_types"]) == ({"duplication": 3}, {"topic": 3})


def example(text: str) -> Example:
    return Example((Message(Role.USER, text),), text, "r", "p", START)


def test_languages_are_told_apart_and_short_texts_are_undetermined() -> None:
    found = languages(
        [
            example("The council met on Monday and decided about the new budget of the city."),
            example("Der Stadtrat traf sich am Montag und entschied über den neuen Haushalt der Stadt."),
            example("市议会周一开会并决定了城市的新预算，许多市民参加了会议。"),
            example("42"),
        ]
    )
    assert found == {"en": 0.25, "de": 0.25, "zh": 0.25, "und": 0.25}
