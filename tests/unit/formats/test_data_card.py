"""The data card of a version, in words."""

from pathlib import Path
from typing import Any

from adapterd.formats.data_card import DATA_CARD, in_words

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


def test_card_of_nothing_says_little() -> None:
    assert dict(in_words({**CARD, "records": {}, "left_out": {}, "languages": {}, "time_span": []})) == {
        "splits": "train 37, test 10"
    }


def test_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    DATA_CARD.write(tmp_path, CARD)
    assert DATA_CARD.read(tmp_path) == CARD
