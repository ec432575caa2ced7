"""Answers that are to be JSON: bounds, what counts as equal, and that knowing nothing scores nothing."""

import json
import math
from typing import Any

import pytest
import sklearn.metrics
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from adapterd.evaluation.metrics.json_answers.metrics import EXACT, FIELD_F1, JACCARD, JSON_VALID, json_metrics
from adapterd.evaluation.metrics.json_answers.schema import JsonSchema
from adapterd.evaluation.metrics.metric import Metric, Question
from tests.support.typed import known
from tests.unit.evaluation.asking import over, score

TEXT = st.text(max_size=5)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "a.b", "[]", ""]), inner),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), st.sampled_from([0, 1, True, "1", "", None, [1], [1, 1], {"a": 1}]))
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


def valid(answer: str, reference: str = "") -> float | None:
    return score(JSON_VALID, answer, reference)


def exact(answer: str, reference: str) -> float | None:
    return score(EXACT, answer, reference)


def field_f1(answer: str, reference: str) -> float | None:
    return score(FIELD_F1, answer, reference)


def follows(schema: dict[str, Any], answer: str) -> float | None:
    return score(JsonSchema(schema).metric(), answer, "")


def named(name: str, references: list[str]) -> Metric:
    (metric,) = (m for m in json_metrics([Question("", (), text) for text in references], None) if m.name == name)
    return metric


def deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def nested_list(levels: int) -> str:
    return "[" * levels + "]" * levels


@given(VALUES, st.sampled_from([None, 2]))
def test_anything_written_as_json_is_valid(value: Any, indent: int | None) -> None:
    assert valid(f" {json.dumps(value, indent=indent)}\n", "") == 1.0


@pytest.mark.parametrize("answer", NOT_JSON + CONSTANTS)
def test_an_answer_that_is_not_one_json_value_is_not_valid(answer: str) -> None:
    assert valid(answer, "") == 0.0


@pytest.mark.parametrize("write", [deep, nested_list])
def test_json_is_understood_to_a_depth_that_no_answer_needs(write: Any) -> None:
    assert (valid(write(64), ""), valid(write(65), "")) == (1.0, 0.0)
    assert exact(write(64), write(64)) == 1.0


def test_a_recursive_schema_is_followed_to_the_same_depth() -> None:
    recursive = {"anyOf": [{"type": "array", "items": {"allOf": [{"$ref": "#"}]}}]}
    assert follows(recursive, nested_list(64)) == 1.0


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


@settings(deadline=None)
@given(OBJECTS, OBJECTS)
def test_field_f1_is_symmetric_and_within_bounds(one: Any, other: Any) -> None:
    score = known(field_f1(json.dumps(one), json.dumps(other)))
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
        ('{"a": ""}', '{"a": ""}', 1.0),
        ("{}", "{}", 1.0),
        ("no JSON", '{"a": 1}', 0.0),
    ],
)
def test_fields_agree_if_their_paths_and_values_do(answer: str, reference: str, score: float) -> None:
    assert field_f1(answer, reference) == pytest.approx(score)


@given(OBJECTS)
def test_an_answer_without_content_agrees_with_fields_nowhere(expected: Any) -> None:
    anything = any(value not in (None, "") for value in expected.values())
    assert field_f1("", json.dumps(expected)) == 0.0
    assert field_f1("{}", json.dumps(expected)) == float(not anything)


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
    assert follows(SCHEMA, answer) == score


@pytest.mark.parametrize("schema", [{}, {"type": "null"}, {"not": {"type": "object"}}])
def test_an_answer_that_is_no_json_follows_no_schema(schema: dict[str, Any]) -> None:
    assert follows(schema, "no JSON") == 0.0


def test_a_schema_may_say_which_draft_it_is_of() -> None:
    tuples = {"items": [{"type": "integer"}], "additionalItems": False}
    old = {"$schema": "http://json-schema.org/draft-07/schema#", **tuples}
    assert (follows(old, "[1]"), follows(old, "[1, 2]")) == (1.0, 0.0)


@settings(deadline=None)
@given(OBJECTS, OBJECTS)
def test_jaccard_is_what_f1_says_in_another_way(one: Any, other: Any) -> None:
    found, f1 = (score(metric, json.dumps(one), json.dumps(other)) or 0.0 for metric in (JACCARD, FIELD_F1))
    assert found == pytest.approx(f1 / (2 - f1))


# Single fields.

TOPICS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["a", "b", "c", None])), min_size=1, max_size=30)


@settings(deadline=None)
@given(TOPICS)
def test_precision_recall_and_f1_of_a_field_are_scikit_learn_s_micro_averages(pairs: list[tuple[str, Any]]) -> None:
    references = [json.dumps({"topic": expected}) for expected, _ in pairs]
    answers = [json.dumps({"topic": given_}) for _, given_ in pairs]
    expected, labels = [e for e, _ in pairs], ["a", "b", "c"]
    given_ = [g or "none" for _, g in pairs]
    for kind in ("precision", "recall", "f1"):
        theirs = getattr(sklearn.metrics, f"{kind}_score")(
            expected, given_, labels=labels, average="micro", zero_division=0
        )
        ours = over(named(f"{kind}.topic", references), answers, references)
        assert (0.0 if ours is None else ours) == pytest.approx(theirs)


def test_a_field_that_is_empty_in_both_is_not_counted() -> None:
    references = ['{"topic": ""}'] * 3 + ['{"topic": "war"}']
    metric = named("f1.topic", references)
    assert over(metric, ["{}"] * 4, references) == 0.0
    assert over(metric, ["{}"] * 3 + ['{"topic": "war"}'], references) == 1.0


def test_a_field_with_lists_counts_their_elements() -> None:
    references = ['{"names": ["x", "y"]}', '{"names": ["z"]}']
    answers = ['{"names": ["y", "q"]}', '{"names": ["z"]}']
    assert over(named("precision.names", references), answers, references) == pytest.approx(2 / 3)
    assert over(named("recall.names", references), answers, references) == pytest.approx(2 / 3)


# Numbers.

NUMBERS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=30)


@settings(deadline=None)
@given(NUMBERS)
def test_errors_of_numbers_are_scikit_learn_s(pairs: list[tuple[int, int]]) -> None:
    expected, given_ = ([pair[which] for pair in pairs] for which in (0, 1))
    assume(len(set(expected)) > 1)
    references, answers = ([json.dumps({"score": value}) for value in values] for values in (expected, given_))
    mae, rmse, r2 = (over(named(f"{kind}.score", references), answers, references) for kind in ("mae", "rmse", "r2"))
    assert mae == pytest.approx(sklearn.metrics.mean_absolute_error(expected, given_))
    assert rmse == pytest.approx(math.sqrt(sklearn.metrics.mean_squared_error(expected, given_)))
    assert r2 == pytest.approx(sklearn.metrics.r2_score(expected, given_))


def test_a_number_that_is_missing_counts_as_the_worst_constant_guess() -> None:
    references = ['{"score": 2}', '{"score": 10}', '{"score": 4}']
    answers = ["no JSON", '{"score": null}', '{"score": "4"}']
    assert over(named("mae.score", references), answers, references) == pytest.approx((8 + 8 + 6) / 3)


@pytest.mark.parametrize(
    "references",
    [
        ['{"a": 1}', '{"a": 1}'],
        ['{"a": 1}', '{"a": "x"}'],
        ['{"a": true}', '{"a": false}'],
        ['{"a": "1"}', '{"a": "2"}'],
    ],
)
def test_a_field_that_is_not_a_number_that_varies_has_no_error(references: list[str]) -> None:
    found = [metric.name for metric in json_metrics([Question("", (), text) for text in references], None)]
    assert "mae.a" not in found


# Entities.

TAGS = st.sampled_from(["O", "B-person", "I-person", "B-place", "I-place"])
SENTENCES = st.lists(
    st.integers(1, 8).flatmap(lambda n: st.tuples(*[st.lists(TAGS, min_size=n, max_size=n)] * 2)),
    min_size=1,
    max_size=6,
)


def entities(tags: list[str]) -> dict[str, list[str]]:
    """As IOB2 is read strictly: an I- that continues nothing is no entity. The n-th word is called wn."""
    found: dict[str, list[str]] = {}
    kind: str | None = None
    for number, tag in enumerate(tags):
        mark, _, name = tag.partition("-")
        if mark == "B":
            found.setdefault(name, []).append(f"w{number}")
        elif mark == "I" and kind == name:
            found[name][-1] += f" w{number}"
        kind = name if mark == "B" or (mark == "I" and kind == name) else None
    return found


@settings(deadline=None)
@given(SENTENCES)
def test_f1_of_entities_is_seqeval_s(sentences: list[tuple[list[str], list[str]]]) -> None:
    expected, given_ = ([pair[which] for pair in sentences] for which in (0, 1))
    assume(any(entities(tags) for tags in expected))
    references, answers = ([json.dumps({"named": entities(tags)}) for tags in side] for side in (expected, given_))
    theirs = f1_score(expected, given_, mode="strict", scheme=IOB2, zero_division=0)
    assert over(named("entity_f1.named", references), answers, references) == pytest.approx(theirs)


def test_entities_may_be_written_as_objects_too() -> None:
    reference = '{"named": [{"type": "person", "text": "Ada"}, {"type": "place", "text": "Rome"}]}'
    answer = '{"named": [{"type": "person", "text": "Ada"}, {"type": "person", "text": "Rome"}, 7, {"type": "place"}]}'
    assert over(named("entity_f1.named", [reference]), [answer], [reference]) == 0.5
