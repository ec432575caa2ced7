"""Somebody's own test set is read as a whole, and every fault is named with its line."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapterd.dataset.cases import EvaluationCase
from adapterd.errors import InputError
from adapterd.feedback.formats import ReadingOptions
from adapterd.insight.own_test_set import OwnCase, read_test_set

NOW = datetime(2026, 4, 1, tzinfo=UTC)
GOOD = {"prompt": "Who met?", "correction": "The council."}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ours.jsonl"


def read(file: Path, *values: Any) -> list[OwnCase]:
    file.write_text("".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values), encoding="utf-8")
    return read_test_set(file, ReadingOptions(), NOW)


def test_a_case_has_its_reference_and_what_a_good_answer_has(file: Path) -> None:
    [own] = read(file, {**GOOD, "keywords": ["council", "Monday"], "key_facts": "It met on Monday.", "source_id": "a7"})
    assert (own.case.reference, own.case.keywords, own.case.key_facts, own.case.source_id, own.case.origin) == (
        "The council.", ("council", "Monday"), ("It met on Monday.",), "a7", "ours.jsonl",
    )  # fmt: skip
    assert EvaluationCase.from_dict(json.loads(json.dumps(own.case.as_dict()))) == own.case


def test_any_format_of_feedback_is_read(file: Path) -> None:
    chat = {"messages": [{"role": "user", "content": "Who rang?"}, {"role": "assistant", "content": "The cook."}]}
    alpaca = {"instruction": "Who sang?", "output": "The smith."}
    rated = {"prompt": "Who slept?", "output": "The cat.", "rating": 5}
    cases = read(file, chat, alpaca, rated)
    assert [(each.line, each.case.reference) for each in cases] == [
        (1, "The cook."),
        (2, "The smith."),
        (3, "The cat."),
    ]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"prompt": "Who left?"}, "line 2: "),
        ({"prompt": "Who left?", "output": "x", "rating": 1}, "line 2: it has no good answer"),
        ({**GOOD, "keywords": [1]}, "line 2: keywords must be a list of texts"),
        ({**GOOD, "key_facts": {"a": 1}}, "line 2: key_facts must be a list of texts"),
        ({**GOOD, "correction": "The mayor."}, "line 2: it asks the same as line 1, and has another answer"),
        ([1], "line 2: "),
    ],
)
def test_a_line_that_is_no_case_is_named(file: Path, fault: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        read(file, GOOD, fault)
    assert "nothing was frozen" in str(caught.value)


def test_a_case_that_is_given_twice_is_one(file: Path) -> None:
    assert len(read(file, GOOD, GOOD)) == 1


def test_an_empty_file_is_no_test_set(file: Path) -> None:
    with pytest.raises(InputError, match="has no records"):
        read(file)
