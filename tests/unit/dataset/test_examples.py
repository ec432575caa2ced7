"""What a record teaches where it is the only one about its prompt."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapterd.chat import Message, Role
from adapterd.dataset.examples import Example, PreferencePair
from adapterd.record import FeedbackRecord
from tests.support.teaching import example_of, pairs_of

PROMPT = (Message(Role.SYSTEM, "Be short."), Message(Role.USER, "Why?"))
RECORD = FeedbackRecord(PROMPT, created_at=datetime(2026, 1, 1, tzinfo=UTC), source_id="article-1")
BLANK = (None, "", " \n")


def completion(record: FeedbackRecord) -> str | None:
    example = example_of(record)
    return example.completion if example else None


def preferences(record: FeedbackRecord) -> list[tuple[str, str]]:
    return [(pair.chosen, pair.rejected) for pair in pairs_of(record)]


def test_a_correction_is_an_example_with_all_that_identifies_it() -> None:
    record = replace(RECORD, correction="Because.")
    assert example_of(record) == Example(
        messages=PROMPT, completion="Because.", record=record.content_hash, prompt_hash=record.prompt_hash,
        created_at=record.created_at, source_id="article-1", first_at=record.created_at,
    )  # fmt: skip


def test_a_correction_without_an_output_is_no_pair() -> None:
    assert preferences(replace(RECORD, correction="Because.")) == []


def test_a_correction_of_an_output_is_also_a_pair() -> None:
    record = replace(RECORD, output="Dunno.", correction="Because.")
    assert completion(record) == "Because."
    assert pairs_of(record) == [
        PreferencePair(
            PROMPT, "Because.", "Dunno.", record.content_hash, record.prompt_hash, record.created_at, "article-1"
        )
    ]


@pytest.mark.parametrize("rating", [None, 1, 5])
def test_a_correction_is_trained_on_whatever_the_rating(rating: int | None) -> None:
    assert completion(replace(RECORD, output="Dunno.", correction="Because.", rating=rating)) == "Because."


@pytest.mark.parametrize("rating", [4, 5])
def test_a_well_rated_output_is_an_example_and_no_pair(rating: int) -> None:
    record = replace(RECORD, output="Because.", rating=rating)
    assert completion(record) == "Because."
    assert preferences(record) == []


@pytest.mark.parametrize("rating", [None, 1, 2, 3])
def test_an_output_without_a_good_rating_is_not_trained_on(rating: int | None) -> None:
    record = replace(RECORD, output="Dunno.", rating=rating)
    assert completion(record) is None
    assert preferences(record) == []


def test_a_rejected_output_is_a_pair_under_the_correction() -> None:
    record = replace(RECORD, correction="Because.", rejected_output="No!")
    assert preferences(record) == [("Because.", "No!")]


def test_a_rejected_output_is_a_pair_under_the_output_if_there_is_no_correction() -> None:
    record = replace(RECORD, output="Because.", rejected_output="No!")
    assert completion(record) is None
    assert preferences(record) == [("Because.", "No!")]


def test_a_correction_is_preferred_to_both_the_output_and_the_rejected_one() -> None:
    record = replace(RECORD, output="Dunno.", correction="Because.", rejected_output="No!")
    assert preferences(record) == [("Because.", "No!"), ("Because.", "Dunno.")]


def test_a_rejected_output_alone_gives_no_example_and_no_pair() -> None:
    record = replace(RECORD, rejected_output="No!", rating=5)
    assert completion(record) is None
    assert preferences(record) == []


@pytest.mark.parametrize(
    "record",
    [
        replace(RECORD, output="Same.", correction="Same."),
        replace(RECORD, output=" Same.\n", correction="Same."),
        replace(RECORD, output="Same.", rejected_output="Same. "),
    ],
)
def test_answers_that_do_not_differ_state_no_preference(record: FeedbackRecord) -> None:
    assert preferences(record) == []


def test_an_answer_rejected_twice_is_one_pair() -> None:
    record = replace(RECORD, output="No!", correction="Because.", rejected_output=" No! ")
    assert preferences(record) == [("Because.", "No!")]


def test_white_space_around_answers_is_not_taught() -> None:
    record = replace(RECORD, output="\nDunno. ", correction=" Because.\n")
    assert completion(record) == "Because."
    assert preferences(record) == [("Because.", "Dunno.")]


@pytest.mark.parametrize("blank", BLANK)
def test_a_blank_answer_is_not_taught(blank: str | None) -> None:
    assert completion(replace(RECORD, output=blank, rating=5)) is None
    assert completion(replace(RECORD, correction=blank)) is None


@pytest.mark.parametrize("blank", BLANK)
def test_a_blank_correction_leaves_the_well_rated_output(blank: str | None) -> None:
    assert completion(replace(RECORD, output="Because.", correction=blank, rating=5)) == "Because."


@pytest.mark.parametrize("blank", BLANK)
def test_a_blank_answer_is_in_no_pair(blank: str | None) -> None:
    assert preferences(replace(RECORD, output=blank, rejected_output="No!")) == []
    assert preferences(replace(RECORD, output="Because.", rejected_output=blank)) == []
    assert preferences(replace(RECORD, output=blank, correction="Because.")) == []


@pytest.mark.parametrize("thoughts", ["<think>why?</think>", "  <THINKING>\nwhy?\n</THINKING>\n\n", "<think></think>"])
def test_thoughts_in_front_are_left_out_for_a_model_that_does_not_think(thoughts: str) -> None:
    record = replace(RECORD, output=f"{thoughts}Dunno.", correction=f"{thoughts}Because.")
    example = example_of(record, thinks=False)
    assert example is not None
    assert example.completion == "Because."
    assert [(pair.chosen, pair.rejected) for pair in pairs_of(record, thinks=False)] == [("Because.", "Dunno.")]
    assert completion(record) == f"{thoughts}Because.".strip()


def test_thoughts_alone_are_no_example_for_a_model_that_does_not_think() -> None:
    assert example_of(replace(RECORD, correction="<think>why?</think>\n"), thinks=False) is None


def test_think_tags_within_an_answer_stay() -> None:
    record = replace(RECORD, correction="The tag is <think>x</think>.")
    example = example_of(record, thinks=False)
    assert example is not None
    assert example.completion == "The tag is <think>x</think>."
