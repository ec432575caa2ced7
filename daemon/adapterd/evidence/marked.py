"""What people marked in the answers of a version: how many of the key facts these have, and how many are off topic."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from adapterd.capture.rates import wilson
from adapterd.errors import InputError
from adapterd.evaluation.bounded_mean import BoundedMean
from adapterd.evaluation.rules import FACT_COVERAGE, TOPIC_DRIFT
from adapterd.evaluation.statistics import ALPHA
from adapterd.evidence.kept_answers import KeptAnswer, kept_answers
from adapterd.store import Store
from adapterd.store.reviews.rubrics import Mark, facts_hash

TARGETS = {FACT_COVERAGE: "at least 90%", TOPIC_DRIFT: "at most 10%"}
"""What is wanted of an answer that people can work with; a gate asks for what its settings say."""


@dataclass(frozen=True)
class Figure:
    """A mean over marked cases, in 0…1, and where the true one lies, by 95 %; `value` is None where none is marked."""

    value: float | None
    low: float
    high: float
    cases: int

    @classmethod
    def of_shares(cls, shares: Sequence[float]) -> "Figure":
        """The mean of numbers in 0…1; the interval holds for any number of them (evaluation/bounded_mean.py)."""
        if not shares:
            return cls(None, 0.0, 1.0, 0)
        mean = BoundedMean(2 * np.array(shares) - 1)
        low, high = ((1 + bound(ALPHA / 2)) / 2 for bound in (mean.lower, mean.upper))
        return cls(sum(shares) / len(shares), max(0.0, low), min(1.0, high), len(shares))

    @classmethod
    def of_count(cls, count: int, of: int) -> "Figure":
        """The share that is counted, with Wilson's interval."""
        return cls(count / of if of else None, *wilson(count, of), of)

    def __str__(self) -> str:
        """`92% (81% to 98%) by 24 marked cases`."""
        if self.value is None:
            return "no case is marked yet"
        cases = "1 marked case" if self.cases == 1 else f"{self.cases} marked cases"
        return f"{self.value:.0%} ({self.low:.0%} to {self.high:.0%}) by {cases}"


@dataclass(frozen=True)
class Marked:
    """What people marked in a version's answers. Marks that are `outdated` were made with other facts than the case has
    now: they count for the topic alone."""

    fact_coverage: Figure
    topic_drift: Figure
    outdated: int

    @property
    def figures(self) -> dict[str, Figure]:
        """Both by the names of their metrics."""
        return {FACT_COVERAGE: self.fact_coverage, TOPIC_DRIFT: self.topic_drift}

    @property
    def notes(self) -> str:
        """What does not count, in words; empty if all does."""
        if not self.outdated:
            return ""
        marks = "1 mark that was" if self.outdated == 1 else f"{self.outdated} marks that were"
        return f"not counted for the coverage: {marks} made with other facts than the case has now"


def marked(store: Store, model: str, version: str) -> Marked:
    """What people marked in a version's answers; nothing where these are not kept, or cannot be read."""
    found = _marks(store, model, version)
    shares = [share for _, mark, is_current in found if (share := _coverage(mark, is_current)) is not None]
    return Marked(
        Figure.of_shares(shares),
        Figure.of_count(sum(not mark.on_topic for _, mark, _ in found), len(found)),
        sum(not is_current for _, _, is_current in found),
    )


def scores_of(store: Store, model: str) -> dict[tuple[str, str], dict[str, float]]:
    """All marks as scores of single answers, by the hashes of case and answer, then by the metric. One that is asked
    again and answers otherwise has none."""
    facts = {case: facts_hash(each) for case, each in store.rubrics.facts(model).items()}
    found: dict[tuple[str, str], dict[str, float]] = {}
    for mark in store.rubrics.marks(model):
        share = _coverage(mark, mark.facts == facts.get(mark.case))
        covered = {} if share is None else {FACT_COVERAGE: share}
        found[mark.case, mark.answer] = {TOPIC_DRIFT: float(not mark.on_topic), **covered}
    return found


def _marks(store: Store, model: str, version: str) -> list[tuple[KeptAnswer, Mark, bool]]:
    """Each answer that is marked, with its mark, and whether that was made with the facts of today."""
    marks = {(each.case, each.answer): each for each in store.rubrics.marks(model)}
    if not marks:
        return []
    facts = {case: facts_hash(each) for case, each in store.rubrics.facts(model).items()}
    answers: dict[str, KeptAnswer] = {}
    with suppress(InputError):
        answers = {each.case: each for each in kept_answers(store, model, version)}
    found = [(each, mark) for each in answers.values() if (mark := marks.get((each.case, each.answer)))]
    return [(each, mark, mark.facts == facts.get(each.case)) for each, mark in found]


def _coverage(mark: Mark, is_current: bool) -> float | None:
    """The share of the facts that an answer has; None where there are none, or others by now."""
    return len(mark.ticked) / mark.total if is_current and mark.total else None
