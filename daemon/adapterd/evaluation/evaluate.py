"""The evaluation stage: the same questions to candidate, live and base, and what their answers are worth."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median

import numpy as np

from adapterd.chat import Answer, Ask
from adapterd.errors import StageError
from adapterd.evaluation.gates import Measured
from adapterd.evaluation.metric import Metric, Question
from adapterd.evaluation.statistics import Array, Paired, compare


@dataclass(frozen=True)
class Answers:
    """What one tag answered to a set, in the order of its questions; `digest` is that of the tag."""

    tag: str
    digest: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Scores:
    """One tag on one set: its metrics, and the medians of its latencies in seconds."""

    tag: str
    digest: str
    prompts: int
    metrics: dict[str, float]
    latency_s: float
    first_token_s: float


def ask_all(
    questions: Sequence[Question], ask: Ask, *, at_once: int = 1, report: Callable[[float], object] = lambda _: None
) -> tuple[Answer, ...]:
    """Ask every question once, `at_once` at the same time; `report` gets the share done, 0…1.

    Raises StageError for an empty set, and whatever `ask` raises, after which nothing more is asked.
    """
    if not questions:
        raise StageError("the evaluation set is empty, nothing can be proven")
    answers = []
    with ThreadPoolExecutor(at_once) as pool:
        try:
            for answer in pool.map(lambda question: ask(question.messages), questions):
                answers.append(answer)
                report(len(answers) / len(questions))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return tuple(answers)


def score(given: Answers, questions: Sequence[Question], metrics: Sequence[Metric]) -> Scores:
    """Every metric that applies, over the whole set."""
    found = {metric.name: metric.over(questions, given.answers) for metric in metrics}
    return Scores(
        tag=given.tag,
        digest=given.digest,
        prompts=len(given.answers),
        metrics={name: value for name, value in found.items() if value is not None},
        latency_s=median(answer.total_s for answer in given.answers),
        first_token_s=median(answer.first_token_s for answer in given.answers),
    )


def measure(
    metrics: Sequence[Metric], questions: Sequence[Question], ours: Answers, others: Mapping[str, Answers]
) -> list[Measured]:
    """Every metric of ours, compared with each of the others that is not the same file."""
    different = {name: given for name, given in others.items() if given.digest != ours.digest}
    return [_measured(metric, questions, ours, different) for metric in metrics]


def _measured(metric: Metric, questions: Sequence[Question], ours: Answers, others: Mapping[str, Answers]) -> Measured:
    value = metric.over(questions, ours.answers)
    theirs = {name: given for name, given in others.items() if metric.over(questions, given.answers) is not None}
    if value is None or not theirs:
        return Measured(metric, value, {})
    files = {given.digest: given.answers for given in theirs.values()}
    parts, *others_parts = _parts(metric, questions, [ours.answers, *files.values()])
    clusters = _clusters(questions)
    compared = {
        digest: compare(
            Paired(parts, other, clusters, metric.value, metric.bounded, metric.yes_no), by_case=metric.by_case
        )
        for digest, other in zip(files, others_parts, strict=True)
    }
    return Measured(metric, value, {name: compared[given.digest] for name, given in theirs.items()})


def _parts(metric: Metric, questions: Sequence[Question], answers: Sequence[Sequence[Answer]]) -> list[Array]:
    """The parts of each model's answers, (cases, k); zeros, which add nothing, where the metric does not apply."""
    found = [[metric.parts(*pair) for pair in zip(questions, given, strict=True)] for given in answers]
    width = next(len(row) for rows in found for row in rows if row is not None)
    return [np.array([row or (0.0,) * width for row in rows], dtype=float) for rows in found]


def _clusters(questions: Sequence[Question]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Questions with the same source are drawn together, the others each for itself."""
    names = [f"source {question.source}" if question.source else f"case {question.id}" for question in questions]
    return np.unique(names, return_inverse=True)[1]
