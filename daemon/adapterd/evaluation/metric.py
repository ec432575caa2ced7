"""What a metric is: additive parts of each case, and a function of their sums.

A mean has the parts (score, 1), F1 over a whole set (2 · right, given + expected), macro-F1 two counts for each class.
So any metric can be measured on any weighting of the cases, which is all that a bootstrap needs (statistics.py), and a
case that a metric does not apply to simply has no parts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from adapterd.chat import Answer, Prompt
from adapterd.evaluation.statistics import Array, Value

Parts = tuple[float, ...]


@dataclass(frozen=True)
class Question:
    """One case of a frozen set as the evaluation needs it; questions with the same `source` are drawn together."""

    id: str
    messages: Prompt
    reference: str
    source: str | None = None


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


def ratio(sums: Array) -> Array:
    """The first sum by the second; no number where the second is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Array = sums[..., 0] / sums[..., 1]
    return result


@dataclass(frozen=True)
class Metric:
    """`parts` gives the parts of one answer, None where the metric does not apply; `value` makes the metric of sums.

    `bounded`, `yes_no`: as in `statistics.Paired`. `by_case` says whether the value of a single case makes sense.
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

    def over(self, questions: Sequence[Question], answers: Sequence[Answer]) -> float | None:
        """The metric over a whole set; None where it applies to no case."""
        found = [self.parts(question, answer) for question, answer in zip(questions, answers, strict=True)]
        rows = [row for row in found if row is not None]
        value = float(self.value(np.array(rows, dtype=float).sum(axis=0))) if rows else np.nan
        return None if np.isnan(value) else value

    def gain(self, difference: float) -> float:
        """A difference as an improvement: positive where it is one."""
        return -difference if self.better is Better.LOWER else difference


def mean_of(
    name: str,
    definition: str,
    score: Callable[[Question, Answer], float | None],
    *,
    better: Better = Better.HIGHER,
    unit: Unit = Unit.SHARE,
    yes_no: bool = False,
) -> Metric:
    """The mean of a score per case; cases with None are left out."""

    def parts(question: Question, answer: Answer) -> Parts | None:
        found = score(question, answer)
        return None if found is None else (float(found), 1.0)

    return Metric(name, definition, parts, better=better, unit=unit, bounded=unit is Unit.SHARE, yes_no=yes_no)


def share_of(
    name: str, definition: str, holds: Callable[[Question, Answer], bool | None], *, better: Better = Better.HIGHER
) -> Metric:
    """The share of cases for which something holds."""
    return mean_of(name, definition, holds, better=better, yes_no=True)
