"""Which answers fail what was asked of them, and how many would: what `adapterctl triage --ask` rests on.

An answer fails by a critical metric of its task if its own score is below `FAILS_BELOW`, and by `truncated` if it was
cut. The share of failing answers has an exact interval (Clopper and Pearson 1934) in which a source counts once, since
answers about one source fail together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adapterd.chat import Answer
from adapterd.evaluation.metrics.metric import Better, Metric, Question, Rows
from adapterd.evaluation.statistics import ALPHA, LEVEL, Interval

FAILS_BELOW = 0.5
"""The score of a single answer below which less than half of what was wanted is there."""
CUT = "truncated"


@dataclass(frozen=True)
class Failures:
    """Which answers fail, in their order, and the places of those that do by each metric; one may fail by several."""

    failed: tuple[bool, ...]
    by_metric: Mapping[str, tuple[int, ...]]


def failures(
    questions: Sequence[Question], answers: Sequence[Answer], metrics: Sequence[Metric], critical: Sequence[str]
) -> Failures:
    """What fails by the metrics named `critical`, as far as they score single answers from 0 to 1, or was cut."""
    names = (*critical, CUT)
    scoring = [each for each in metrics if each.name in names and each.bounded and each.by_case]
    by_metric = {metric.name: tuple(_failing(metric, questions, answers)) for metric in scoring}
    places = {place for found in by_metric.values() for place in found}
    return Failures(tuple(place in places for place in range(len(questions))), by_metric)


def _failing(metric: Metric, questions: Sequence[Question], answers: Sequence[Answer]) -> list[int]:
    rows = metric.rows(questions, answers)
    scores = [metric.total(Rows((row,))) for row in rows.parts]
    lower = metric.better is Better.LOWER
    return [
        place
        for place, score in enumerate(scores)
        if score is not None and (score > FAILS_BELOW if lower else score < FAILS_BELOW)
    ]


def share_of_failures(questions: Sequence[Question], failed: Sequence[bool]) -> tuple[float, Interval]:
    """The share of answers that fail, and between what it lies at `LEVEL` for all questions of the kind.

    Questions of one source count as one, by their mean, unless all are of one source. Raises ValueError for none.
    """
    if not failed:
        raise ValueError("a share needs at least one answer")
    by_source: dict[str, list[bool]] = {}
    for question, fails in zip(questions, failed, strict=True):
        by_source.setdefault(f"source {question.source}" if question.source else f"case {question.id}", []).append(
            fails
        )
    units = [float(np.mean(each)) for each in by_source.values()]
    counted = units if len(units) > 1 else [float(fails) for fails in failed]
    return float(np.mean(failed)), _exact_interval(sum(counted), len(counted))


def _exact_interval(events: float, trials: int) -> Interval:
    """Clopper and Pearson's interval; `events` need not be whole where a trial is a mean."""
    from scipy.stats import beta

    low = float(beta.ppf(ALPHA / 2, events, trials - events + 1)) if events > 0 else 0.0
    high = float(beta.ppf(1 - ALPHA / 2, events + 1, trials - events)) if events < trials else 1.0
    return Interval(low, high, LEVEL)
