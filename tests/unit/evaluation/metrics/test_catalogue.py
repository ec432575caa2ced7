"""Every task has metrics that tell a right answer from none, and every metric is shown beside what knows nothing."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.config import Task
from adapterd.evaluation.metrics.catalogue import baselines, constant_guess, metrics_for
from adapterd.evaluation.metrics.hygiene import HYGIENE
from adapterd.evaluation.metrics.json_answers.metrics import FIELD_F1
from adapterd.evaluation.metrics.metric import Better, Metric
from adapterd.evaluation.rules import CRITICAL
from tests.unit.evaluation.asking import answer, question

SCHEMA = {"type": "object", "required": ["topic"]}
REFERENCES = {
    Task.JSON: ['{"topic": "war", "score": 3}', '{"topic": "sport", "score": 5}', '{"topic": "war", "score": 9}'],
    Task.CLASSIFICATION: ["war", "sport", "war"],
    Task.GENERATION: ["The mayor of Rome resigned", "A new bridge was opened", "The mayor of Rome resigned"],
    Task.GROUNDED_QA: ["The mayor resigned [1]", "The bridge is open [2]", "Not enough information"],
}
every_task = pytest.mark.parametrize("task", Task)


def own(task: Task) -> list[Metric]:
    """The metrics of a task without those that every answer has."""
    questions = [question(text) for text in REFERENCES[task]]
    schema = SCHEMA if task is Task.JSON else None
    return [metric for metric in metrics_for(task, questions, schema=schema) if metric not in HYGIENE]


@every_task
def test_the_reference_itself_scores_everything(task: Task) -> None:
    questions = [question(text) for text in REFERENCES[task]]
    answers = [answer(text) for text in REFERENCES[task]]
    for metric in own(task):
        value = metric.over(questions, answers)
        assert value in ((0.0, None) if metric.better is Better.LOWER else (1.0, None)), metric.name


@every_task
def test_an_empty_answer_scores_nothing(task: Task) -> None:
    questions = [question(text) for text in REFERENCES[task] if "information" not in text]
    for metric in own(task):
        empty = baselines(metric, questions).empty
        if metric.name == "json_valid":
            assert empty == 1.0
        elif metric.better is Better.HIGHER and not metric.name.startswith("r2."):
            assert empty in (0.0, None), metric.name
        elif empty is not None:
            assert empty > 0 or metric.name.startswith("r2."), metric.name


def test_the_baseline_shows_the_score_of_an_answer_that_is_rightly_empty() -> None:
    questions = [question(text) for text in ('{"named": []}', '{"named": ["x"]}', '{"named": null}')]
    assert baselines(FIELD_F1, questions).empty == pytest.approx(2 / 3)


def test_an_error_has_that_of_a_constant_guess_as_its_baseline() -> None:
    questions = [question(text) for text in REFERENCES[Task.JSON]]
    (mae,) = (metric for metric in own(Task.JSON) if metric.name == "mae.score")
    assert baselines(mae, questions).constant == pytest.approx((2 + 0 + 4) / 3)
    assert baselines(mae, questions).empty == pytest.approx((6 + 4 + 6) / 3)


@pytest.mark.parametrize(
    ("references", "guess"),
    [
        (["a", "b", "b"], "b"),
        (['{"t": "x", "n": 1}', '{"t": "y", "n": 2}', '{"t": "y", "n": 9}'], {"t": "y", "n": 2}),
        (['{"t": ["x"]}', '{"t": ["x"]}', '{"t": []}'], {"t": ["x"]}),
        (['{"t": true}', '{"t": true}'], {"t": True}),
        (["{}", "text", "text"], "text"),
        (["[1]", "[1]", "[2]"], "[1]"),
    ],
)
def test_the_best_single_guess(references: list[str], guess: object) -> None:
    found = constant_guess([question(text) for text in references])
    assert (found if isinstance(guess, str) else json.loads(found)) == guess


@every_task
def test_metrics_have_names_of_their_own_and_say_what_they_are(task: Task) -> None:
    metrics = [*own(task), *HYGIENE]
    assert len({metric.name for metric in metrics}) == len(metrics)
    assert all(metric.definition for metric in metrics)
    assert set(CRITICAL[task]) <= {metric.name for metric in metrics}


ODD = ["1" * 100_000, "\ud800", "\0", "[" * 100_000, '{"a":' * 100_000, "{" * 5_000]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
@every_task
def test_no_answer_makes_a_metric_crash(task: Task, text: str) -> None:
    for metric in [*own(task), *HYGIENE]:
        metric.over([question(REFERENCES[task][0]), question(text)], [answer(text), answer("")])


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=20), st.text(max_size=20), st.sampled_from(Task))
def test_shares_are_within_bounds_for_any_text(text: str, reference: str, task: Task) -> None:
    questions = [question(reference)]
    for metric in metrics_for(task, questions):
        value = metric.over(questions, [answer(text)])
        assert value is None or not metric.bounded or 0.0 <= value <= 1.0
