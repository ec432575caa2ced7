"""Metrics of answers that are to be one of a few labels."""

import math
from collections.abc import Sequence

import numpy as np

from adapterd.chat import Answer
from adapterd.evaluation.metric import Better, Metric, Parts, Question, share_of
from adapterd.evaluation.statistics import Array

BINS = 10


def label_of(text: str) -> str:
    """The label that a text is: without white space and a full stop around it, in any case."""
    return text.strip().rstrip(".").casefold()


def label_metrics(questions: Sequence[Question]) -> list[Metric]:
    """Accuracy, macro-F1, precision, recall and F1 of each label, and calibration."""
    labels = sorted({label_of(question.reference) for question in questions})
    return [ACCURACY, _macro_f1(labels), *(metric for label in labels for metric in _of_label(label)), ECE]


def is_right(question: Question, answer: Answer) -> bool:
    """Whether the answer is the reference's label."""
    return label_of(answer.text) == label_of(question.reference)


ACCURACY = share_of("accuracy", "share of answers that are right", is_right)


def _macro_f1(labels: Sequence[str]) -> Metric:
    numbers = {label: number for number, label in enumerate(labels)}

    def parts(question: Question, answer: Answer) -> Parts:
        counts = np.zeros((len(labels), 2))
        expected, given = (numbers.get(label_of(text)) for text in (question.reference, answer.text))
        if expected is not None:
            counts[expected, 1] += 1
        if given is not None:
            counts[given, 1] += 1
            counts[given, 0] += 2 * (given == expected)
        return tuple(counts.ravel())

    def value(sums: Array) -> Array:
        counts = sums.reshape(*sums.shape[:-1], len(labels), 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            f1 = counts[..., 0] / counts[..., 1]
        seen = counts[..., 1] > 0
        result: Array = np.where(seen, f1, 0).sum(axis=-1) / np.maximum(seen.sum(axis=-1), 1)
        return result

    return Metric("macro_f1", "mean of the labels' F1, each label counting the same", parts, value, by_case=False)


def _of_label(label: str) -> tuple[Metric, Metric, Metric]:
    """Precision, recall and F1 of one label."""

    def parts(question: Question, answer: Answer) -> tuple[bool, bool]:
        return label_of(answer.text) == label, label_of(question.reference) == label

    def precision(question: Question, answer: Answer) -> Parts | None:
        given, expected = parts(question, answer)
        return (float(expected), 1.0) if given else None

    def recall(question: Question, answer: Answer) -> Parts | None:
        given, expected = parts(question, answer)
        return (float(given), 1.0) if expected else None

    def f1(question: Question, answer: Answer) -> Parts | None:
        given, expected = parts(question, answer)
        return (2.0 * (given and expected), float(given) + float(expected)) if given or expected else None

    return (
        Metric(f"precision.{label}", f"answers {label} that are right", precision, by_case=False),
        Metric(f"recall.{label}", f"cases of {label} that were answered so", recall, by_case=False),
        Metric(f"f1.{label}", f"F1 of the label {label}", f1, by_case=False),
    )


def confidence(answer: Answer) -> float | None:
    """The probability that the model gave its answer, token by token; None where the runtime does not tell."""
    return None if answer.logprob is None else math.exp(answer.logprob)


def _calibration(question: Question, answer: Answer) -> Parts | None:
    sure = confidence(answer)
    if sure is None:
        return None
    bins = np.zeros((BINS, 3))
    bins[min(int(sure * BINS), BINS - 1)] = 1.0, sure, is_right(question, answer)
    return tuple(bins.ravel())


def _ece(sums: Array) -> Array:
    bins = sums.reshape(*sums.shape[:-1], BINS, 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Array = np.abs(bins[..., 1] - bins[..., 2]).sum(axis=-1) / bins[..., 0].sum(axis=-1)
    return result


ECE = Metric(
    "ece", f"expected calibration error: how far confidence is from accuracy, in {BINS} bins of equal width "
    "(Guo et al. 2017, arXiv:1706.04599)", _calibration, _ece, Better.LOWER, by_case=False,
)  # fmt: skip
