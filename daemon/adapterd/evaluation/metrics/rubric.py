"""Metrics that no program computes: a person gives each answer a score from 0 to 1, after it was asked.

Until then they have no value, and stop no candidate: their gates are asked of a challenger (evidence/by_people.py).
"""

from adapterd.evaluation import rules
from adapterd.evaluation.metrics.metric import Better, Metric, mean_of


def _rubric(name: str, definition: str, better: Better = Better.HIGHER) -> Metric:
    return mean_of(
        name, f"{definition}; scored 0 to 1 by a person, mean over the cases that are filled in",
        lambda _, answer: answer.figures.get(name), better=better, rubric=True,
        missing="it is not filled in for both versions; a person scores their answers from 0 to 1",
    )  # fmt: skip


FACT_COVERAGE = _rubric(
    rules.FACT_COVERAGE, "share of the facts that a good answer has which the answer states rightly"
)
TOPIC_DRIFT = _rubric(
    rules.TOPIC_DRIFT, "share of the answer that is about something else than was asked", Better.LOWER
)
RUBRIC = (FACT_COVERAGE, TOPIC_DRIFT)
