"""Every metric of every task, for any answer to any reference: within bounds, 1 for the same, and never an error."""

import json
import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from adapterd.config import Task
from adapterd.evaluation.evaluate import Answers, score
from adapterd.evaluation.metrics.catalogue import baselines, metrics_for
from adapterd.evaluation.metrics.consistency import consistency, together
from adapterd.evaluation.metrics.guard import guard_items, passes
from adapterd.evaluation.metrics.hygiene import HYGIENE
from adapterd.evaluation.metrics.json_answers.values import INVALID, parse_json
from adapterd.evaluation.metrics.metric import Better
from tests.unit.evaluation.asking import answer, question

TEXT = st.text(st.characters(), max_size=12) | st.sampled_from(
    ["", " ", "\ud800", "[1]", "I don't know", "…", "今天", "NaN"]
)
NUMBERS = (
    st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([10**400, -(10**4000), 1e308])
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "\ud800", "named"]) | TEXT, inner)
    ),
    max_leaves=10,
)
WRITTEN = st.builds(json.dumps, VALUES, ensure_ascii=st.booleans(), indent=st.sampled_from([None, 1])) | TEXT
SYMMETRIC = {"field_f1", "jaccard", "exact", "token_f1", "rouge1", "rouge2", "rougeL"}
SCHEMA = {"type": ["object", "number"], "properties": {"a": {"multipleOf": 0.01, "pattern": "^(x|xx)+$"}}}


@settings(deadline=None, max_examples=150)
@given(st.lists(WRITTEN, min_size=2, max_size=3), st.data(), st.sampled_from(Task))
def test_no_answer_and_no_reference_makes_a_metric_fail(references: list[str], data: Any, task: Task) -> None:
    texts = data.draw(st.lists(WRITTEN, min_size=len(references), max_size=len(references)))
    questions = [question(text, "see [1]", str(number)) for number, text in enumerate(references)]
    metrics = metrics_for(task, questions, schema=SCHEMA)
    found = score(Answers("m:1", "d", tuple(map(answer, texts))), questions, metrics)
    assert found.unmeasured == {}
    for metric in metrics:
        value = found.metrics.get(metric.name)
        assert value is None or math.isfinite(value)
        assert value is None or not metric.bounded or 0.0 <= value <= 1.0
        baselines(metric, questions)


@settings(deadline=None, max_examples=150)
@given(WRITTEN, st.sampled_from([Task.GENERATION, Task.GROUNDED_QA, Task.CLASSIFICATION]))
def test_the_reference_itself_is_right_in_any_task_of_text(text: str, task: Task) -> None:
    questions = [question(text)]
    for metric in metrics_for(task, questions):
        if (
            metric.bounded
            and metric.better is Better.HIGHER
            and metric not in HYGIENE
            and metric.name != "citations_real"
        ):
            assert metric.over(questions, [answer(text)]) in (1.0, None), metric.name


@settings(deadline=None, max_examples=150)
@given(VALUES)
def test_the_same_value_is_right_in_json_however_it_is_written(value: Any) -> None:
    reference = json.dumps(value)
    assume(parse_json(reference) is not INVALID)  # half of a surrogate pair
    questions = [question(reference)]
    for metric in metrics_for(Task.JSON, questions):
        if metric.bounded and metric.better is Better.HIGHER and not metric.missing:
            assert metric.over(questions, [answer(json.dumps(value, indent=2))]) == 1.0, metric.name


@settings(deadline=None, max_examples=150)
@given(WRITTEN, WRITTEN, st.sampled_from([Task.JSON, Task.GENERATION]))
def test_scores_of_likeness_are_symmetric(one: str, other: str, task: Task) -> None:
    for metric in metrics_for(task, [question(one)]):
        if metric.name in SYMMETRIC:
            there, back = metric.over([question(one)], [answer(other)]), metric.over([question(other)], [answer(one)])
            assert there == pytest.approx(back), metric.name


@settings(deadline=None, max_examples=60)
@given(st.lists(TEXT, min_size=2, max_size=4), st.sampled_from([item.question for item in guard_items()]))
def test_the_other_sets_take_any_answer(texts: list[str], asked: Any) -> None:
    found = consistency().over([question("x")], [together([answer(text) for text in texts])])
    assert found is not None
    assert 0.0 <= found <= 1.0
    assert consistency().over([question("x")], [together([answer(texts[0])] * 3)]) == 1.0
    assert passes(asked, answer(texts[0])) in (True, False)
