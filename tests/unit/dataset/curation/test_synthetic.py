"""What teachers made beside what people said: which of it is trained on, and that none of it judges."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapterd.chat import Message, Prompt, Role
from adapterd.config import DatasetSettings
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.curation.synthetic import (
    BEYOND,
    FEW_VALIDATING,
    GIVES_AWAY,
    HELD,
    NEAR_FROZEN,
    REPLACED,
    SAID_BY_PEOPLE,
    UNUSABLE,
    Synthetic,
    synthetic_beside,
)
from adapterd.errors import NotEnoughDataError
from adapterd.formats.synthetic import TeacherExample
from adapterd.record import prompt_hash
from tests.unit.dataset.test_build import RECORDS, START, build, record

REFERENCE = "Ada Lovelace wrote the first program for a machine"


def asked(text: str) -> Prompt:
    return (Message(Role.USER, text),)


def made(number: int, text: str, answer: str = "an answer", rejected: str | None = None) -> TeacherExample:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    return TeacherExample(number, asked(text), answer, "answer", "big", at, rejected)


def chosen(examples: list[TeacherExample], *, validating: int = FEW_VALIDATING, most: int = 1000) -> Synthetic:
    frozen = asked("Tell me who wrote the very first program that a machine was to carry out, and in which year it was")
    case = EvaluationCase(prompt_hash(frozen), frozen, REFERENCE, "a record")
    return synthetic_beside(
        examples, said={prompt_hash(asked("what people answered"))}, people={}, held=set(),
        judged_hashes={prompt_hash(asked("frozen once"))}, judged=[case],
        validating=validating, settings=DatasetSettings(max_synthetic=most),
        unusable=lambda example: "no" if example.completion == "copied" else "",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("example", "reason"),
    [
        (made(1, "what people answered"), SAID_BY_PEOPLE),
        (made(1, "frozen once"), NEAR_FROZEN),
        (
            made(
                1, "Tell me who wrote the very first program that a machine was to carry out, and in what year it was"
            ),
            NEAR_FROZEN,
        ),
        (made(1, f"Is it right that {REFERENCE}?"), GIVES_AWAY),
        (made(1, "another question", "copied"), UNUSABLE),
    ],
)
def test_what_must_not_be_trained_on_is_left_out(example: TeacherExample, reason: str) -> None:
    found = chosen([example, made(2, "a question of its own")])
    assert [each.record for each in found.train] == ["synthetic:2"]
    assert found.left_out == {reason: 1}


def test_newest_are_taken_up_to_the_limit() -> None:
    found = chosen([made(number, f"question {number}") for number in range(10)], most=3)
    assert [each.record for each in found.train] == ["synthetic:9", "synthetic:8", "synthetic:7"]
    assert found.left_out == {BEYOND: 7}
    assert found.train[0].origin == "teacher big"


def test_a_pair_is_made_of_what_people_answered() -> None:
    found = chosen([made(1, "what people answered", "right", "wrong")])
    [pair] = found.pairs
    assert (pair.chosen, pair.rejected, pair.record) == ("right", "wrong", "synthetic:1")
    assert not found.train


@pytest.mark.parametrize(("validating", "count"), [(0, 10), (15, 5), (FEW_VALIDATING, 0), (500, 0)])
def test_some_validate_where_people_s_are_few(validating: int, count: int) -> None:
    found = chosen([made(number, f"question {number}") for number in range(100)], validating=validating)
    assert (len(found.validation), len(found.train)) == (count, 100 - count)
    assert not {each.record for each in found.validation} & {each.record for each in found.train}


def of_records(number: int, kind: str, *records: str) -> TeacherExample:
    return replace(made(number, f"question {number}", "an answer"), kind=kind, records=records)


@pytest.mark.parametrize(
    ("example", "reason"),
    [
        (of_records(1, "variation", "same"), ""),
        (of_records(1, "variation", "corrected since"), REPLACED),
        (of_records(1, "variation", "bad now"), REPLACED),
        (of_records(1, "variation", "not in this run"), ""),
        (replace(of_records(1, "worse", "corrected since"), rejected="worse"), REPLACED),
        (of_records(1, "repair", "bad now"), ""),
        (of_records(1, "repair", "held"), HELD),
        (of_records(1, "variation", "held"), HELD),
    ],
)
def test_what_was_made_from_what_people_say_no_more_is_left_out(example: TeacherExample, reason: str) -> None:
    found = synthetic_beside(
        [example], said=set(), people={"same": "an answer", "corrected since": "another", "bad now": "", "held": ""},
        held={"held"}, judged_hashes=set(), judged=[], validating=0, settings=DatasetSettings(), unusable=lambda _: "",
    )  # fmt: skip
    assert found.left_out == ({reason: 1} if reason else {})
    assert len(found.train) + len(found.pairs) == (0 if reason else 1)


def test_newer_correction_replaces_what_was_made_from_the_older(tmp_path: Path) -> None:
    older = [record(number, output="bad") for number in range(12)]
    newer = replace(older[3], correction="otherwise", created_at=START + timedelta(days=900))
    completion = older[3].correction or ""
    made_of = TeacherExample(
        1, asked("put in other words"), completion, "variation", "big", START, records=(older[3].content_hash,)
    )
    assert build(tmp_path / "a", older, synthetic=[made_of]).synthetic == 1
    assert build(tmp_path / "b", [*older, newer], synthetic=[made_of]).synthetic_left_out == {REPLACED: 1}


@pytest.mark.parametrize(
    ("change", "settings"),
    [({}, {"max_synthetic": 0}), ({"rejected": "worse"}, {}), ({"kind": "variation", "records": ("0",)}, {})],
)
def test_what_is_not_trained_on_stands_for_no_person(
    tmp_path: Path, change: dict[str, Any], settings: dict[str, int]
) -> None:
    people = [record(number, output="bad") for number in range(5)]
    if "records" in change:
        change = {**change, "records": (people[0].content_hash,)}
    of_teacher = [replace(made(number, f"asked {number}"), **change) for number in range(100, 140)]
    with pytest.raises(NotEnoughDataError, match="there are 5 examples"):
        build(tmp_path, people, synthetic=of_teacher, min_examples=20, **settings)


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_set_of_a_few_people_and_a_teacher_is_built(tmp_path: Path) -> None:
    people = [record(number, output="bad") for number in range(5)]
    of_teacher = [
        TeacherExample(number, asked(f"asked {number}"), f"said {number}", "answer", "big", START)
        for number in range(100, 140)
    ]
    result = build(tmp_path, people, synthetic=of_teacher, synthetic_weight=0.25)
    train = lines(tmp_path / "train.jsonl")
    weights = {str(each["record"]).startswith("synthetic"): each["weight"] for each in train}
    assert weights == {True: 0.25, False: 1.0}
    frozen = {str(case["record"]) for case in result.evaluation_cases}
    assert frozen
    assert not any(name.startswith("synthetic") for name in frozen)
    assert result.synthetic == 40
    assert "learned 40 that teachers made" in result.notes
    assert result.card["weights"]["made by teachers"] == 0.25
    assert "teachers" not in result.card  # whose the examples are is told once it is known what is trained on


def test_without_teachers_nothing_is_said_of_them(tmp_path: Path) -> None:
    result = build(tmp_path, RECORDS)
    assert (result.synthetic, result.synthetic_left_out) == (0, {})
    assert not any("teachers" in note for note in result.notes)
    assert "made by teachers" not in result.card["weights"]
