"""What answers score: bounds, what counts as equal, and that knowing nothing scores nothing."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.config import Task
from adapterd.evaluation.metrics import (
    EXACT,
    FIELD_F1,
    JSON_VALID,
    TOKEN_F1,
    JsonSchema,
    critical_for,
    exact,
    field_f1,
    json_valid,
    metrics_for,
    token_f1,
)

TEXT = st.text(max_size=5)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "a.b", "[]", ""]), inner),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), st.sampled_from([0, 1, True, "1", "", None, [1], [1, 1], {"a": 1}]))
WORDS = st.lists(st.sampled_from(["the", "cat", "Cat", "sat", "Über", "–"]), max_size=6).map(" ".join)
SCHEMA = {
    "type": "object",
    "properties": {"topic": {"enum": ["war", "sport"]}, "date": {"type": "string", "format": "date"}},
    "required": ["topic"],
    "additionalProperties": False,
}
NOT_JSON = [
    "",
    " ",
    "{",
    "{'a': 1}",
    '{"a": 1} and so on',
    "```json\n{}\n```",
    "NaN",
    "undefined",
    "{} {}",
    '{"a": 1,}',
]
CONSTANTS = ["NaN", "Infinity", "-Infinity", '{"a": NaN}', "[1, Infinity]", "[-Infinity]"]


def deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def nested_list(levels: int) -> str:
    return "[" * levels + "]" * levels


@given(VALUES, st.sampled_from([None, 2]))
def test_anything_written_as_json_is_valid(value: Any, indent: int | None) -> None:
    assert json_valid(f" {json.dumps(value, indent=indent)}\n", "") == 1.0


@pytest.mark.parametrize("answer", NOT_JSON + CONSTANTS)
def test_what_is_not_one_json_value_is_not_valid(answer: str) -> None:
    assert json_valid(answer, "") == 0.0


@pytest.mark.parametrize("answer", ["1" * 100_000, "\ud800", "\0", "[" * 100_000, deep(100_000), '{"a":' * 100_000])
def test_no_answer_makes_a_metric_crash(answer: str) -> None:
    for metric in metrics_for(Task.JSON, SCHEMA) + metrics_for(Task.GENERATION):
        assert 0.0 <= metric.score(answer, answer) <= 1.0
        assert 0.0 <= metric.score(answer, '{"topic": "war"}') <= 1.0


@settings(deadline=None)
@given(st.text(max_size=20), st.text(max_size=20))
def test_scores_are_within_bounds_for_any_text(answer: str, reference: str) -> None:
    for metric in metrics_for(Task.JSON, SCHEMA) + metrics_for(Task.GENERATION):
        assert 0.0 <= metric.score(answer, reference) <= 1.0


@pytest.mark.parametrize("write", [deep, nested_list])
def test_json_is_understood_to_a_depth_that_no_answer_needs(write: Any) -> None:
    assert (json_valid(write(64), ""), json_valid(write(65), "")) == (1.0, 0.0)
    assert exact(write(64), write(64)) == 1.0


def test_a_recursive_schema_is_followed_to_the_same_depth() -> None:
    recursive = JsonSchema({"anyOf": [{"type": "array", "items": {"allOf": [{"$ref": "#"}]}}]})
    assert recursive.score(nested_list(64), "") == 1.0


def test_many_fields_are_compared_in_reasonable_time() -> None:
    many = json.dumps(list(range(20_000)))
    assert field_f1(many, many) == 1.0


@given(VALUES)
def test_the_same_json_in_another_notation_is_exact(value: Any) -> None:
    answer = json.dumps(value, indent=3, sort_keys=True)
    assert exact(answer, json.dumps(value, ensure_ascii=False)) == 1.0


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ('{"b": 2, "a": 1}', '{"a": 1, "b": 2}', 1.0),
        ("[2, 1]", "[1, 2]", 0.0),
        ('{"a": 1.0}', '{"a": 1}', 1.0),
        ('{"a": 1e2}', '{"a": 100}', 1.0),
        ('{"a": true}', '{"a": 1}', 0.0),
        ('{"a": "1"}', '{"a": 1}', 0.0),
        ('{"a": null}', "{}", 0.0),
        ("a", "a", 1.0),
        (" a\n", "a", 1.0),
        ("A", "a", 0.0),
        ("war", '"war"', 0.0),
        ('"war"', "war", 0.0),
        ("", "{}", 0.0),
        ("NaN", "NaN", 1.0),
    ],
)
def test_exact_means_equal_as_json_or_else_as_text(answer: str, reference: str, score: float) -> None:
    assert exact(answer, reference) == score


def leaves(value: Any, path: str = "") -> Counter[str]:
    """The fields of a value by a slower way than the metric's: one line of JSON for each."""
    found: Counter[str] = Counter()
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else ((None, inner) for inner in value)
        for name, inner in items:
            found += leaves(inner, f"{path}/{json.dumps(name)}")
    elif value not in (None, ""):
        number = isinstance(value, float) and value.is_integer()
        found[f"{path}={json.dumps(int(value) if number else value)}"] += 1
    return found


@given(VALUES, VALUES)
def test_field_f1_is_the_f1_of_the_fields_that_agree(given_: Any, expected: Any) -> None:
    one, other = leaves(given_), leaves(expected)
    right, total = (one & other).total(), one.total() + other.total()
    score = field_f1(json.dumps(given_), json.dumps(expected))
    assert score == pytest.approx(2 * right / total if total else 0.0)
    assert (score == 1.0) == (bool(one) and one == other)


@given(OBJECTS, OBJECTS)
def test_field_f1_is_symmetric_and_within_bounds(one: Any, other: Any) -> None:
    score = field_f1(json.dumps(one), json.dumps(other))
    assert 0.0 <= score <= 1.0
    assert score == field_f1(json.dumps(other), json.dumps(one))


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ('{"a": 1, "b": 2}', '{"a": 1, "b": 3}', 0.5),
        ('{"a": 1}', '{"a": 1, "b": 2}', 2 / 3),
        ('{"a": ["x", "y"]}', '{"a": ["y", "x"]}', 1.0),
        ('{"a": ["x"]}', '{"a": ["x", "x"]}', 2 / 3),
        ('{"a": ["x", "x"]}', '{"a": ["x"]}', 2 / 3),
        ('{"a": "x"}', '{"a": ["x"]}', 0.0),
        ('{"a": {"b": 1}}', '{"a.b": 1}', 0.0),
        ('{"a": [1]}', '{"a[]": 1}', 0.0),
        ('{"a": 1.0}', '{"a": 1}', 1.0),
        ('{"a": true}', '{"a": 1}', 0.0),
        ('{"a": false}', '{"a": false}', 1.0),
        ('{"a": 0}', '{"a": 0}', 1.0),
        ('{"a": "x", "b": "", "c": null, "d": []}', '{"a": "x"}', 1.0),
        ('{"a": ""}', '{"a": ""}', 0.0),
        ("{}", "{}", 0.0),
        ("no JSON", '{"a": 1}', 0.0),
    ],
)
def test_fields_agree_if_their_paths_and_values_do(answer: str, reference: str, score: float) -> None:
    assert field_f1(answer, reference) == pytest.approx(score)


@given(OBJECTS)
def test_an_answer_without_content_agrees_with_no_fields(expected: Any) -> None:
    assert field_f1("", json.dumps(expected)) == field_f1("{}", json.dumps(expected)) == 0.0


@given(WORDS, WORDS)
def test_token_f1_is_symmetric_and_within_bounds(one: str, other: str) -> None:
    assert 0.0 <= token_f1(one, other) <= 1.0
    assert token_f1(one, other) == token_f1(other, one)


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("the cat sat", "the cat sat", 1.0),
        ("Sat, the CAT!", "the cat sat", 1.0),
        ("the cat", "the cat sat", 0.8),
        ("the the the", "the cat", 0.4),
        ("GRÜẞE", "grüsse", 1.0),
        ("dog", "cat", 0.0),
        ("", "cat", 0.0),
        ("…", "–", 0.0),
    ],
)
def test_token_f1_counts_the_words_that_agree(answer: str, reference: str, score: float) -> None:
    assert token_f1(answer, reference) == pytest.approx(score)


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ('{"topic": "war"}', 1.0),
        ('{"topic": "war", "date": "2026-01-02"}', 1.0),
        ('{"topic": "love"}', 0.0),
        ('{"topic": "war", "more": 1}', 0.0),
        ('{"topic": "war", "date": "yesterday"}', 0.0),
        ("{}", 0.0),
        ("[]", 0.0),
        ("", 0.0),
        ("no JSON", 0.0),
    ],
)
def test_an_answer_follows_the_schema_or_not(answer: str, score: float) -> None:
    assert JsonSchema(SCHEMA).score(answer, "") == score


@pytest.mark.parametrize("schema", [{}, {"type": "null"}, {"not": {"type": "object"}}])
def test_what_is_no_json_follows_no_schema(schema: dict[str, Any]) -> None:
    assert JsonSchema(schema).score("no JSON", "") == 0.0


def test_a_schema_may_say_which_draft_it_is_of() -> None:
    tuples = {"items": [{"type": "integer"}], "additionalItems": False}
    old = JsonSchema({"$schema": "http://json-schema.org/draft-07/schema#", **tuples})
    assert (old.score("[1]", ""), old.score("[1, 2]", "")) == (1.0, 0.0)


REFERENCES = ['{"topic": "war", "date": "2026-01-02"}', '{"topic": "sport"}']


@pytest.mark.parametrize("task", Task)
def test_an_empty_answer_scores_nothing_by_any_metric(task: Task) -> None:
    for metric in metrics_for(task, SCHEMA):
        assert metric.baseline(REFERENCES) == 0.0


@pytest.mark.parametrize("task", Task)
def test_the_reference_itself_scores_everything_by_any_metric(task: Task) -> None:
    for metric in metrics_for(task, SCHEMA):
        assert metric.over(REFERENCES, REFERENCES) == 1.0


def test_a_metric_over_a_set_is_the_mean() -> None:
    assert EXACT.over(["a", "b", "c", "d"], ["a", "x", "y", "z"]) == 0.25
    assert EXACT.over([], []) == 0.0


def test_answers_and_references_have_to_pair_up() -> None:
    with pytest.raises(ValueError, match="zip"):
        EXACT.over(["a"], ["a", "b"])


@pytest.mark.parametrize(
    ("task", "schema", "names"),
    [
        (Task.JSON, None, ["json_valid", "field_f1", "exact"]),
        (Task.JSON, SCHEMA, ["json_valid", "schema_valid", "field_f1", "exact"]),
        (Task.CLASSIFICATION, None, ["exact"]),
        (Task.GENERATION, None, ["token_f1", "exact"]),
        (Task.GROUNDED_QA, None, ["token_f1", "exact"]),
    ],
)
def test_every_task_has_its_metrics(task: Task, schema: dict[str, Any] | None, names: list[str]) -> None:
    assert [metric.name for metric in metrics_for(task, schema)] == names


@pytest.mark.parametrize("task", Task)
def test_what_is_critical_is_measured(task: Task) -> None:
    assert set(critical_for(task)) <= {metric.name for metric in metrics_for(task)}
    assert critical_for(task)


def test_metrics_are_told_apart() -> None:
    assert len({metric.name for metric in (JSON_VALID, FIELD_F1, EXACT, TOKEN_F1)}) == 4
