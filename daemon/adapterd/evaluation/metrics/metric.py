"""What a metric is: additive parts of each case, and a function of their sums.

A mean has the parts (score, 1), F1 over a whole set (2 · right, given + expected), macro-F1 two counts for each class.
So any metric can be measured on any weighting of the cases, which is all that a bootstrap needs (statistics.py), and a
case that a metric does not apply to simply has no parts.

No answer may stop an evaluation. A metric that cannot be computed for an answer counts that answer as a failure, by one
rule for all models (`Metric.rows`), and counts how many these are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from adapterd.chat import Answer, Prompt
from adapterd.errors import AdapterdError, RuntimeRefusedError
from adapterd.evaluation.metrics.chart import ChartPlace
from adapterd.evaluation.statistics import Array, Value

Parts = tuple[float, ...]
NOTHING = Answer("", "stop", 0, 0, 0.0, 0.0)
"""An empty answer, which no model gave."""


@dataclass(frozen=True)
class Question:
    """One case of a frozen set as the evaluation needs it; questions with the same `source` (also the name of a
    conversation or of near-duplicates) are drawn together.

    `keywords` and `key_facts` are what a good answer has, where a test set says so.
    """

    id: str
    messages: Prompt
    reference: str
    source: str | None = None
    keywords: tuple[str, ...] = ()
    key_facts: tuple[str, ...] = ()


class Better(StrEnum):
    """Which way a metric improves."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class Unit(StrEnum):
    """What a metric counts in."""

    SHARE = "share"
    NUMBER = "number"
    TOKENS = "tokens"
    SECONDS = "s"
    PER_SECOND = "tokens/s"
    NATS = "nats/token"


def ratio(sums: Array) -> Array:
    """The first sum by the second; NaN where the second is 0."""
    return divided(sums[..., 0], sums[..., 1])


def divided(one: Array, other: Array) -> Array:
    """One by the other; NaN, never infinity, where that is undefined."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        result: Array = one / other
    return np.where(np.isfinite(result), result, np.nan)


@dataclass(frozen=True)
class Rows:
    """The parts of each case, None where a metric does not apply.

    `unmeasured` is for how many answers it could not be computed, so that they count as failures, `fault` why not for
    the first of them.
    """

    parts: tuple[Parts | None, ...]
    unmeasured: int = 0
    fault: Exception | None = None


@dataclass(frozen=True)
class Metric:
    """`parts` gives the parts of one answer, None where the metric does not apply; `value` makes the metric of sums.

    `bounded`, `yes_no`: as in `statistics.Paired`. `by_case` says whether the value of a single case makes sense.
    `chart` is its place in a chart of the report; without one it stands in the report's tables only. A metric that is
    not measured of the text alone says in `missing` what is not there where it has no value; a `rubric` is one that is
    filled in later (rubric.py).
    """

    name: str
    definition: str
    parts: Callable[[Question, Answer], Parts | None]
    value: Value = ratio
    better: Better = Better.HIGHER
    unit: Unit = Unit.SHARE
    bounded: bool = False
    yes_no: bool = False
    by_case: bool = True
    chart: ChartPlace | None = None
    missing: str = ""
    rubric: bool = False

    @property
    def of_text(self) -> bool:
        """Whether it is measured of the text of an answer alone."""
        return not self.missing and not self.rubric

    @property
    def label(self) -> str:
        """What the metric is called in its chart."""
        return (self.chart.label if self.chart else "") or self.name

    def rows(self, questions: Sequence[Question], answers: Sequence[Answer]) -> Rows:
        """The parts of every answer. One for which they cannot be computed, or are no finite numbers, is a failure: it
        has the worst value where the metric is `bounded`, else the parts of an answer that says nothing.

        Raises what says nothing of the answer: a runtime that is gone, memory that ran out.
        """
        rows, faults = [], []
        for question, answer in zip(questions, answers, strict=True):
            try:
                rows.append(self._checked(question, answer))
            except Exception as exc:
                if isinstance(exc, MemoryError) or (isinstance(exc, AdapterdError) and not _of_the_answer(exc)):
                    raise
                faults.append(exc)
                rows.append(self._failure(question))
        return Rows(tuple(rows), len(faults), next(iter(faults), None))

    def total(self, rows: Rows) -> float | None:
        """The metric over a whole set; None where it applies to no case."""
        found = [row for row in rows.parts if row is not None]
        value = float(self.value(np.array(found, dtype=float).sum(axis=0))) if found else np.nan
        return value if np.isfinite(value) else None

    def of_one(self, parts: Parts | None) -> float:
        """The metric of a single case by its parts; 0 where it does not apply."""
        value = 0.0 if parts is None else float(self.value(np.array(parts, dtype=float)))
        return value if np.isfinite(value) else 0.0

    def over(self, questions: Sequence[Question], answers: Sequence[Answer]) -> float | None:
        """`total` of `rows`."""
        return self.total(self.rows(questions, answers))

    def gain(self, difference: float) -> float:
        """A difference as an improvement: positive where it is one."""
        return -difference if self.better is Better.LOWER else difference

    def _checked(self, question: Question, answer: Answer) -> Parts | None:
        row = self.parts(question, answer)
        if row is not None and not np.isfinite(row).all():
            raise ValueError(f"{self.name} has no finite value")
        if row is not None and self.bounded and not 0 <= row[0] <= row[1]:
            raise ValueError(f"{self.name} is {row[0] / row[1]:g}, which is not between 0 and 1")
        return row

    def _failure(self, question: Question) -> Parts | None:
        if self.bounded:
            return (1.0 if self.better is Better.LOWER else 0.0), 1.0
        try:
            return self._checked(question, NOTHING)
        except Exception:  # the reference is what cannot be measured
            return None


def _of_the_answer(error: AdapterdError) -> bool:
    """Whether an error says something of the one answer: the runtime would not take its text, say."""
    return isinstance(error, RuntimeRefusedError) and not error.transient


def mean_of(
    name: str,
    definition: str,
    score: Callable[[Question, Answer], float | None],
    *,
    better: Better = Better.HIGHER,
    unit: Unit = Unit.SHARE,
    yes_no: bool = False,
    chart: ChartPlace | None = None,
    missing: str = "",
    rubric: bool = False,
) -> Metric:
    """The mean of a score per case; cases with None are left out."""

    def parts(question: Question, answer: Answer) -> Parts | None:
        found = score(question, answer)
        return None if found is None else (float(found), 1.0)

    bounded = unit is Unit.SHARE
    return Metric(
        name, definition, parts, better=better, unit=unit, bounded=bounded, yes_no=yes_no, chart=chart, missing=missing,
        rubric=rubric,
    )  # fmt: skip


def share_of(
    name: str,
    definition: str,
    holds: Callable[[Question, Answer], bool | None],
    *,
    better: Better = Better.HIGHER,
    chart: ChartPlace | None = None,
) -> Metric:
    """The share of cases for which something holds."""
    return mean_of(name, definition, holds, better=better, yes_no=True, chart=chart)
