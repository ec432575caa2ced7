"""The data card of a version, in words."""

from pathlib import Path
from typing import Any

import pytest

from adapterd.formats.data_card import DATA_CARD, in_words
from adapterd.formats.teacher_yield import teacher_yield

CARD: dict[str, Any] = {
    "pretty_name": "news 1.0.0",
    "language": ["en"],
    "size_categories": "n<1K",
    "splits": [{"name": "train", "num_examples": 37}, {"name": "test", "num_examples": 10}],
    "records": {"correction": 50},
    "languages": {"en": 0.9, "und": 0.1},
    "left_out": {"unusable or copied": 3},
    "time_span": ["2026-01-01T00:00:00+00:00", "2026-01-03T00:00:00+00:00"],
}


def test_card_is_told_in_labelled_lines() -> None:
    assert dict(in_words({**CARD, "labels": {"sport": 9}, "sources": 4})) == {
        "splits": "train 37, test 10",
        "records": "correction 50",
        "labels": "sport 9",
        "left out": "unusable or copied 3",
        "languages": "en 90%, und 10%",
        "time span": "2026-01-01 to 2026-01-03",
        "sources": "4",
    }


PEOPLE = {"examples": 40, "pairs": 0, "share": 0.8, "loss_share": 0.9}
BIG = {"examples": 10, "pairs": 0, "share": 0.2, "loss_share": 0.1}
PAIRS = {"loss_share": None, "pairs": 3}
YIELD = teacher_yield(32, 11, {"not by the schema": 18, "near a frozen set": 2}, unsure=1, formless=4)


@pytest.mark.parametrize(
    ("whose", "said"),
    [
        (
            {"people": PEOPLE, "teacher big": BIG},
            "people 40 (80%, 90% of the loss), teacher big 10 (20%, 10% of the loss)",
        ),
        ({"people": PEOPLE | {"share": 1.0}}, "people 40 (100%)"),
        (
            {"people": PEOPLE | PAIRS, "teacher big": BIG | PAIRS},
            "people 40 and 3 pairs (80%), teacher big 10 and 3 pairs (20%)",
        ),
        ({"teacher big": BIG | PAIRS | {"examples": 0, "share": 1.0}}, "teacher big 3 pairs (100%)"),
    ],
)  # fmt: skip
def test_card_says_whose_the_examples_are(whose: dict[str, Any], said: str) -> None:
    assert dict(in_words({**CARD, "whose": whose, "teachers": {"as before": 1}}))["whose"] == said
    assert "teachers" not in dict(in_words({**CARD, "whose": whose, "teachers": {"as before": 1}}))


def test_what_waits_for_a_judge_is_told_apart_and_older_cards_have_none() -> None:
    found = teacher_yield(9, 2, {"below the judge's score": 3}, unsure=1, unjudged=3)
    told = "9 made, 2 kept: 3 below the judge's score; 1 to be looked at, 3 wait for the judge"
    assert dict(in_words({**CARD, "whose": {}, "teacher_yield": found}))["teachers"] == told
    found.pop("unjudged")
    assert dict(in_words({**CARD, "whose": {}, "teacher_yield": found}))["teachers"] == told.removesuffix(
        ", 3 wait for the judge"
    )


def test_card_tells_the_yield_of_teachers() -> None:
    assert dict(in_words({**CARD, "whose": {}, "teacher_yield": YIELD}))["teachers"] == (
        "32 made, 11 kept: 18 not by the schema, 2 near a frozen set; 1 to be looked at; "
        "4 answers had not the form that was asked for"
    )


def test_card_of_an_earlier_state_names_its_teachers() -> None:
    assert dict(in_words({**CARD, "teachers": {"teacher big": 40}}))["teachers"] == "teacher big 40"


def test_card_of_nothing_says_little() -> None:
    assert dict(in_words({**CARD, "records": {}, "left_out": {}, "languages": {}, "time_span": []})) == {
        "splits": "train 37, test 10"
    }


def test_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    DATA_CARD.write(tmp_path, CARD)
    assert DATA_CARD.read(tmp_path) == CARD
