"""What every metric of the catalogue keeps to, so that gates, statistics, report and documentation can rely on it."""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.chat import Answer
from adapterd.config import Task
from adapterd.evaluation.metrics.catalogue import baselines, extra_metrics, metrics_for, said
from adapterd.evaluation.metrics.chart import CHARTS, ChartKind
from adapterd.evaluation.metrics.consistency import together
from adapterd.evaluation.metrics.guard import guard_items
from adapterd.evaluation.metrics.hygiene import ANSWER_S, FIRST_TOKEN_S, HYGIENE, TIMED_TOKENS
from adapterd.evaluation.metrics.metric import Better, Metric, Question, Unit
from adapterd.evaluation.metrics.model_figures import BERT_PRECISION, BERT_RECALL, REFERENCE_NATS, REFERENCE_TOKENS
from adapterd.evaluation.rules import CRITICAL, PRIMARY
from adapterd.evaluation.statistics import Paired, compare
from tests.unit.evaluation.asking import question

PAGE = Path(__file__).parents[4] / "docs" / "evaluation.md"
REFERENCES = {
    Task.JSON: (
        '{"FIELD": 1, "topic": "war", "NAMED": [{"type": "person", "text": "Ada"}]}',
        '{"FIELD": 2, "topic": "sport", "NAMED": [{"type": "person", "text": "Bob"}]}',
    ),
    Task.CLASSIFICATION: ("war", "sport", "war"),
    Task.GENERATION: ("The mayor of Rome resigned", "A new bridge was opened in 1950"),
    Task.GROUNDED_QA: ("The mayor resigned [1]", "The bridge is open [2]", "Not enough information"),
}
"""As much as makes every kind of metric appear."""
FIGURES = {
    REFERENCE_NATS: 0.0, REFERENCE_TOKENS: 3.0, BERT_PRECISION: 1.0, BERT_RECALL: 1.0, "fact_coverage": 1.0,
    "topic_drift": 0.0, FIRST_TOKEN_S: 0.1, ANSWER_S: 1.0, TIMED_TOKENS: 3.0,
}  # fmt: skip
"""What is measured of the best answer besides its text."""


def questions_of(task: Task) -> list[Question]:
    return [question(text) for text in REFERENCES[task]]


def metrics_of(task: Task) -> list[Metric]:
    schema = {"type": "object"} if task is Task.JSON else None
    return metrics_for(task, questions_of(task), schema=schema, embed=lambda text: [1.0, float(len(text))])


def with_questions() -> dict[str, tuple[Metric, list[Question]]]:
    """Every metric by name, with questions that it applies to."""
    found = {each.name: (each, questions_of(task)) for task in Task for each in metrics_of(task)}
    guard, consistency = extra_metrics()
    guarded = [item.question for item in guard_items()[:5]]
    return {**found, "guard": (guard, guarded), "consistency": (consistency, questions_of(Task.GENERATION))}


EVERY = with_questions()


def every(is_meant: Callable[[Metric], bool]) -> pytest.MarkDecorator:
    """Parametrize by the metrics of a kind, each with its questions."""
    meant = {name: pair for name, pair in EVERY.items() if is_meant(pair[0])}
    return pytest.mark.parametrize(("metric", "questions"), meant.values(), ids=meant)


every_metric = every(lambda _: True)


def answers_to(metric: Metric, texts: list[str]) -> list[Answer]:
    """Answers as the metric gets them: `consistency` sees several answers to a question at once."""
    made = [replace(said(text), figures=FIGURES) for text in texts]
    return [together([each, each]) for each in made] if metric.name == "consistency" else made


@pytest.mark.parametrize("task", Task)
def test_the_metrics_of_a_task_have_names_of_their_own_and_its_gates_are_among_them(task: Task) -> None:
    names = [metric.name for metric in (*metrics_of(task), *extra_metrics())]
    assert len(set(names)) == len(names)
    assert {*CRITICAL[task], PRIMARY[task]} <= set(names)
    assert {metric.name for metric in HYGIENE} <= set(names)


@pytest.mark.parametrize("task", Task)
def test_the_primary_metric_of_a_task_is_a_score_of_every_case(task: Task) -> None:
    (primary,) = (metric for metric in metrics_of(task) if metric.name == PRIMARY[task])
    assert primary.bounded
    assert primary.by_case


@every_metric
def test_a_metric_says_in_one_line_what_it_is(metric: Metric, questions: list[Question]) -> None:
    assert re.fullmatch(r"[^\s|]+", metric.name)
    assert metric.definition
    assert metric.definition == " ".join(metric.definition.split())


@every_metric
def test_a_metric_is_in_the_table_of_the_documentation(metric: Metric, questions: list[Question]) -> None:
    kind, _, of = metric.name.partition(".")
    name = rf"{kind}\.(FIELD|NAMED|LABEL)" if of else re.escape(kind)
    assert re.search(rf"^\| [a-z, _]+ \| `{name}` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@every(lambda metric: metric.chart is not None)
def test_a_metric_stands_in_a_chart_of_the_report_that_can_show_it(metric: Metric, questions: list[Question]) -> None:
    assert metric.chart
    chart = metric.chart.chart
    assert chart in CHARTS
    assert metric.label
    assert chart.kind is not ChartKind.PRIMARY
    assert chart.kind is not ChartKind.SCATTER or metric.chart.axis in chart.axes
    assert chart.kind is not ChartKind.DISTRIBUTION or metric.by_case
    assert chart.kind is not ChartKind.BARS or metric.unit in (Unit.SHARE, Unit.NUMBER)


def test_labels_of_one_task_differ_within_a_chart() -> None:
    for task in Task:
        metrics = [metric for metric in (*metrics_of(task), *extra_metrics()) if metric.chart]
        places = [(each.chart.chart.title, each.chart.axis, each.label) for each in metrics if each.chart]
        assert len(set(places)) == len(places), task


def test_every_chart_has_a_title_of_its_own_and_metrics() -> None:
    assert len({chart.title for chart in CHARTS}) == len(CHARTS)
    used = {metric.chart.chart for metric, _ in EVERY.values() if metric.chart}
    assert used == {chart for chart in CHARTS if chart.kind is not ChartKind.PRIMARY}


@every_metric
def test_a_bounded_metric_is_a_share_and_a_yes_or_no_is_bounded(metric: Metric, questions: list[Question]) -> None:
    assert not metric.bounded or metric.unit is Unit.SHARE
    assert not metric.yes_no or metric.bounded


def is_of_what_is_right(metric: Metric) -> bool:
    """Whether it compares an answer with its reference; those of the guard set are checks, not answers."""
    is_number = metric.unit in (Unit.SHARE, Unit.NUMBER) and metric.better is not Better.NEITHER
    return is_number and metric not in HYGIENE and metric.name != "guard"


@every(is_of_what_is_right)
def test_the_reference_as_the_answer_is_the_best_value(metric: Metric, questions: list[Question]) -> None:
    value = metric.over(questions, answers_to(metric, [each.reference for each in questions]))
    best = 1.0 if metric.better is Better.HIGHER else 0.0
    assert value == pytest.approx(best) if metric.name not in NEEDS_MORE else value is None


NEEDS_MORE = ("ece", "citations_real")
"""Log-probabilities, and sources in the prompt, which these questions and answers do not have."""


@every(lambda metric: metric.name != "consistency")
def test_the_baselines_of_a_metric_can_be_computed(metric: Metric, questions: list[Question]) -> None:
    found = baselines(metric, questions)
    assert all(value is None or math.isfinite(value) for value in (found.empty, found.constant))


@every_metric
@settings(max_examples=15, deadline=None)
@given(texts=st.lists(st.text(max_size=30), min_size=6, max_size=6))
def test_no_answer_stops_a_metric_or_leads_a_bounded_one_out_of_its_bounds(
    metric: Metric, questions: list[Question], texts: list[str]
) -> None:
    answers = answers_to(metric, texts[: len(questions)])
    rows = metric.rows(questions, answers)
    assert len(rows.parts) == len(questions)
    assert len({len(row) for row in rows.parts if row is not None}) <= 1, "all cases have the same number of parts"
    value = metric.total(rows)
    assert value is None or math.isfinite(value)
    assert value is None or not metric.bounded or 0.0 <= value <= 1.0
    for each, answer in zip(questions, answers, strict=True):
        alone = metric.over([each], [answer]) if metric.by_case else None
        assert alone is None or math.isfinite(alone)


@every(lambda metric: metric.name not in NEEDS_MORE)
def test_a_metric_can_be_compared_and_does_not_differ_from_itself(metric: Metric, questions: list[Question]) -> None:
    answers = answers_to(metric, [each.reference for each in questions])
    answers = [replace(each, answer_tokens=3, total_s=1.0) for each in answers]
    rows = metric.rows(questions, answers).parts
    width = max(len(row) for row in rows if row is not None)
    parts = np.array([row or (0.0,) * width for row in rows], dtype=float)
    paired = Paired(parts, parts, np.arange(len(parts)), metric.value, metric.bounded, metric.yes_no)
    assert compare(paired, by_case=metric.by_case).difference == 0.0
