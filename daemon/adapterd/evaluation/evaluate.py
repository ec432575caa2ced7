"""Asking all questions, scoring the answers of a tag, and comparing tags case by case."""

import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

import numpy as np

from adapterd.chat import Answer, Ask
from adapterd.errors import AdapterdError, StageError
from adapterd.evaluation.gates import Measured
from adapterd.evaluation.metrics.hygiene import ANSWER_S, FIRST_TOKEN_S
from adapterd.evaluation.metrics.metric import Metric, Question, Rows
from adapterd.evaluation.statistics import Array, Paired, compare

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answers:
    """What one tag answered to a set, in the order of its questions; `digest` is that of the tag."""

    tag: str
    digest: str
    answers: tuple[Answer, ...]

    def with_figures(self, figures: Mapping[int, Mapping[str, float]]) -> "Answers":
        """With these figures beside the answers at these places."""
        known = [
            replace(answer, figures={**answer.figures, **figures.get(place, {})})
            for place, answer in enumerate(self.answers)
        ]
        return replace(self, answers=tuple(known))


@dataclass(frozen=True)
class Scores:
    """One tag on one set: its metrics, and the medians of its latencies in seconds.

    `unmeasured` counts the answers for which a metric could not be computed, by metric; they count as failures.
    """

    tag: str
    digest: str
    prompts: int
    metrics: dict[str, float]
    latency_s: float
    first_token_s: float
    unmeasured: dict[str, int] = field(default_factory=dict)


def ask_all(
    questions: Sequence[Question], ask: Ask, *, at_once: int = 1, report: Callable[[float], object] = lambda _: None
) -> tuple[Answer, ...]:
    """Ask every question once, `at_once` at the same time; `report` gets the share done, 0…1.

    Raises StageError for an empty set, and whatever `ask` raises, after which nothing more is asked.
    """
    if not questions:
        raise StageError("the evaluation set is empty, nothing can be proven")
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def ask_unless_failed(question: Question) -> Answer:
        if errors:  # the pool goes on until it is shut down
            raise errors[0]
        try:
            return ask(question.messages)
        except BaseException as exc:
            errors.append(exc)
            raise

    with ThreadPoolExecutor(at_once) as pool:
        try:
            for answer in pool.map(ask_unless_failed, questions):
                answers.append(answer)
                report(len(answers) / len(questions))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return tuple(answers)


def score(given: Answers, questions: Sequence[Question], metrics: Sequence[Metric]) -> Scores:
    """Every metric that applies, over the whole set.

    Raises the error of a metric that failed for every answer, if the runtime refused it: then no answer is at fault.
    """
    rows = {metric.name: metric.rows(questions, given.answers) for metric in metrics}
    values = {metric.name: metric.total(rows[metric.name]) for metric in metrics}
    for name, found in rows.items():
        _warn_of_unmeasured(name, given, found)
    return Scores(
        tag=given.tag,
        digest=given.digest,
        prompts=len(given.answers),
        metrics={name: value for name, value in values.items() if value is not None},
        latency_s=_median(given.answers, ANSWER_S, lambda answer: answer.total_s),
        first_token_s=_median(given.answers, FIRST_TOKEN_S, lambda answer: answer.first_token_s),
        unmeasured={name: found.unmeasured for name, found in rows.items() if found.unmeasured},
    )


def _median(answers: Sequence[Answer], timed: str, stored: Callable[[Answer], float]) -> float:
    """Of the answers that were timed in turn; where none was, of all as they were given, perhaps on another day."""
    in_turn = [seconds for answer in answers if (seconds := answer.figures.get(timed)) is not None]
    return median(in_turn or map(stored, answers))


def _warn_of_unmeasured(name: str, given: Answers, rows: Rows) -> None:
    """Log once for each tag that a metric failed, and where: it may be the metric that is wrong.

    One line, with text of an answer as its `repr`, for a person may read it at a terminal.
    """
    if rows.fault is None:
        return
    if isinstance(rows.fault, AdapterdError) and rows.unmeasured == len(rows.parts):
        raise rows.fault
    where = traceback.extract_tb(rows.fault.__traceback__)[-1]
    text = "%r could not be computed for %d of %d answers of %s, which count as failures: %.200r in %s, line %s"
    of = rows.unmeasured, len(rows.parts), given.tag
    log.warning(text, name, *of, rows.fault, Path(where.filename).name, where.lineno)


def measure(
    metrics: Sequence[Metric], questions: Sequence[Question], ours: Answers, others: Mapping[str, Answers]
) -> list[Measured]:
    """Every metric of ours, compared with each of the others that is not the same file."""
    different = {name: given for name, given in others.items() if given.digest != ours.digest}
    return [_measured(metric, questions, ours, different) for metric in metrics]


def _measured(metric: Metric, questions: Sequence[Question], ours: Answers, others: Mapping[str, Answers]) -> Measured:
    own = metric.rows(questions, ours.answers)
    files = {given.digest: given.answers for given in others.values()}
    rows = {digest: metric.rows(questions, answers) for digest, answers in files.items()}
    known = {digest: found for digest, found in rows.items() if metric.total(found) is not None}
    value = metric.total(own)
    if value is None or not known:
        return Measured(metric, value, {})
    parts, *others_parts = _parts([own, *known.values()])
    clusters = _clusters(questions)
    compared = {
        digest: compare(
            Paired(parts, other, clusters, metric.value, metric.bounded, metric.yes_no), by_case=metric.by_case
        )
        for digest, other in zip(known, others_parts, strict=True)
    }
    against = {name: compared[given.digest] for name, given in others.items() if given.digest in compared}
    return Measured(metric, value, against)


def _parts(models: Sequence[Rows]) -> list[Array]:
    """The parts of each model's answers, (cases, k); zeros, which add nothing, where the metric does not apply."""
    width = next(len(row) for rows in models for row in rows.parts if row is not None)
    return [np.array([row or (0.0,) * width for row in rows.parts], dtype=float) for rows in models]


def _clusters(questions: Sequence[Question]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Questions with the same source are drawn together, the others each for itself."""
    names = [f"source {question.source}" if question.source else f"case {question.id}" for question in questions]
    return np.unique(names, return_inverse=True)[1]
