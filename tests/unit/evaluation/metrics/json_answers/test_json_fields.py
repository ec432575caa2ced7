"""Which fields two JSON values share: attributes belong to their objects, and lists are paired as well as can be."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.evaluation.metrics.json_answers.fields import MOST_COMPARED, fields_of, shared
from adapterd.evaluation.metrics.json_answers.metrics import FIELD_F1, JACCARD, json_metrics
from adapterd.evaluation.metrics.metric import Question
from tests.unit.evaluation.asking import over, score

SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, 1.0, "", "x", "y"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner), max_leaves=8
)
PAIR = '[{"type": "person", "text": "Ada"}, {"type": "place", "text": "Rome"}]'


def field_f1(answer: Any, reference: Any) -> float | None:
    one, other = (value if isinstance(value, str) else json.dumps(value) for value in (answer, reference))
    return score(FIELD_F1, one, other)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('[{"type": "place", "text": "Ada"}, {"type": "person", "text": "Rome"}]', 0.5),
        ('[{"type": "person"}, {"text": "Ada"}, {"type": "place"}, {"text": "Rome"}]', 0.5),
        ('[{"type": ["person", "place"], "text": ["Ada", "Rome"]}]', 0.0),
        ('[{"text": "Rome", "type": "place"}, {"text": "Ada", "type": "person"}]', 1.0),
        ('[{"type": "person", "text": "Ada"}]', 2 / 3),
        ('[{"type": "person", "text": "Ada"}, {"type": "person", "text": "Ada"}]', 0.5),
    ],
)
def test_an_attribute_belongs_to_its_object(answer: str, expected: float) -> None:
    assert field_f1(f'{{"named": {answer}}}', f'{{"named": {PAIR}}}') == pytest.approx(expected)


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ([[1, 3], [2, 4]], [[1, 2], [3, 4]], 0.5),
        ([[4, 3], [2, 1]], [[1, 2], [3, 4]], 1.0),
        ([[1, 2, 3, 4]], [[1, 2], [3, 4]], 0.5),
        ([1, 2, 3, 4], [[1, 2], [3, 4]], 0.0),
        ([{"a": [{"b": 1, "c": 2}]}], [{"a": [{"c": 2, "b": 1}]}], 1.0),
        ([{"a": [{"b": 1, "c": 9}]}], [{"a": [{"c": 2, "b": 1}]}], 0.5),
        ([1, 1, 2], [1, 2, 2], 2 / 3),
    ],
)
def test_lists_within_lists_are_paired_too(answer: Any, reference: Any, expected: float) -> None:
    assert field_f1(answer, reference) == pytest.approx(expected)


def test_the_pairing_is_the_best_one_and_not_the_first_that_fits() -> None:
    one = [{"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 1, "c": 2}]
    other = [{"a": 1, "b": 1, "c": 3, "d": 1}, {"a": 1, "b": 2, "c": 1}]
    assert shared(fields_of(one), fields_of(other)) == 4


def test_precision_and_recall_of_a_field_see_whose_attribute_it_is() -> None:
    references = [f'{{"named": {PAIR}}}']
    swapped = ['{"named": [{"type": "place", "text": "Ada"}, {"type": "person", "text": "Rome"}]}']
    metrics = {metric.name: metric for metric in json_metrics([Question("", (), references[0])], None)}
    for kind in ("precision", "recall", "f1"):
        assert over(metrics[f"{kind}.named"], swapped, references) == 0.5


def slowly(one: Any, other: Any) -> int:
    """The shared fields by trying every pairing of every list."""
    if isinstance(one, dict) and isinstance(other, dict):
        return sum(slowly(one[name], other[name]) for name in one.keys() & other.keys())
    if isinstance(one, list) and isinstance(other, list):
        short, long = sorted((one, other), key=len)
        pairings = itertools.permutations(long, len(short))
        return max(sum(map(slowly, short, pairing)) for pairing in pairings)
    if isinstance(one, dict | list) or isinstance(other, dict | list) or one in (None, ""):
        return 0
    return int(json.dumps(one) == json.dumps(other))


@settings(deadline=None)
@given(VALUES, VALUES)
def test_no_pairing_shares_more_fields(one: Any, other: Any) -> None:
    whole = [
        json.loads(json.dumps(value), parse_float=lambda text: 1 if text == "1.0" else 0.5) for value in (one, other)
    ]
    assert shared(*map(fields_of, whole)) == slowly(*whole)


@settings(deadline=None)
@given(VALUES, VALUES)
def test_scores_of_fields_are_symmetric_and_within_bounds(one: Any, other: Any) -> None:
    for metric in (FIELD_F1, JACCARD):
        found = score(metric, json.dumps(one), json.dumps(other))
        assert found is not None
        assert 0.0 <= found <= 1.0
        assert found == score(metric, json.dumps(other), json.dumps(one))


@settings(deadline=None)
@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_a_list_does_not_matter(value: Any, random: Any) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: shuffled(value[name]) for name in random.sample(sorted(value), len(value))}
        if isinstance(value, list):
            return [shuffled(inner) for inner in random.sample(value, len(value))]
        return value

    assert score(FIELD_F1, json.dumps(shuffled(value)), json.dumps(value)) == 1.0


@pytest.mark.parametrize("empty", ["{}", "[]", "null", '""', '{"named": []}', '{"a": null, "b": {"c": ""}}'])
def test_an_empty_reference_is_answered_by_an_empty_answer_only(empty: str) -> None:
    assert field_f1(empty, '{"named": []}') == score(JACCARD, empty, '{"named": []}') == 1.0
    assert field_f1('{"named": ["x", "y"]}', empty) == score(JACCARD, '{"named": ["x", "y"]}', empty) == 0.0
    assert field_f1("", empty) == field_f1("no JSON", empty) == 0.0


def rows(count: int, seed: int) -> list[dict[str, int]]:
    return [{"a": number % 7, "b": (number * seed) % 11, "c": number + seed} for number in range(count)]


def test_thousands_of_objects_that_all_differ_are_paired_in_the_order_of_their_text() -> None:
    one, other = rows(5000, 2), rows(5000, 3)
    assert fields_of(one).weight * fields_of(other).weight > MOST_COMPARED
    found = field_f1(one, other)
    assert found is not None
    assert 0.0 < found < 1.0
    assert found == field_f1(other, one) == field_f1(one[::-1], other)
    assert field_f1(one[::-1], one) == 1.0


def test_of_thousands_of_objects_those_that_are_wrong_are_paired_as_well_as_can_be() -> None:
    reference = rows(5000, 2)
    answer = [{**row, "b": -1} if number % 100 == 0 else row for number, row in enumerate(reversed(reference))]
    assert field_f1(answer, reference) == pytest.approx(1 - 50 / 15000)
