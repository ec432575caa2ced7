"""The sets that a first night is measured on are what their descriptions say."""

import json
from collections import Counter
from pathlib import Path

import pytest
from bench.recipe_sets import CLASSES, MOST_PRESENT, MOST_TOPICS, SETS, classes, minutes

GENERATED = [name for name, each in SETS.items() if not each.from_files]


@pytest.mark.parametrize("name", GENERATED)
def test_a_set_has_as_many_examples_as_it_says_and_the_same_ones_each_time(name: str) -> None:
    found = SETS[name].taken(None)
    assert len(found) == SETS[name].examples == len({record["prompt"] for record in found})
    assert found == SETS[name].taken(Path("/elsewhere"))


def test_minutes_have_long_and_empty_lists_and_missing_fields_and_answers_that_stand_in_the_text() -> None:
    for record in (found := list(minutes(200))):
        answer = json.loads(record["correction"])
        assert all(name in record["prompt"] for name in answer["present"])
        assert all(f"{each['minutes']} minutes" in record["prompt"] for each in answer["topics"])
        assert "cost" not in answer or f"{answer['cost']} euros" in record["prompt"]
        assert answer["next"] is None or answer["next"] in record["prompt"]
    answers = [json.loads(record["correction"]) for record in found]
    assert {0, MOST_PRESENT} <= {len(answer["present"]) for answer in answers}
    assert {0, MOST_TOPICS} <= {len(answer["topics"]) for answer in answers}
    assert {True, False} == {"cost" in answer for answer in answers} == {answer["next"] is None for answer in answers}


def test_some_classes_come_often_and_others_seldom() -> None:
    counts = Counter(record["correction"] for record in classes(200))
    assert set(counts) == set(CLASSES)
    assert max(counts.values()) > 3 * min(counts.values())
