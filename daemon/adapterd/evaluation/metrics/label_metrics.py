"""Metrics of answers that are to be one of a few labels."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from adapterd.chat import Answer
from adapterd.evaluation.metrics.chart import CALIBRATION, F1, PRECISION_AND_RECALL
from adapterd.evaluation.metrics.metric import Better, Metric, Parts, Question, divided, share_of
from adapterd.evaluation.metrics.text_forms import folded
from adapterd.evaluation.statistics import Array

BINS = 10
ACCURACY = "accuracy"
MOST_LABELS, MOST_NAME = 50, 64
"""So many labels, those of most references, have metrics of their own, and none whose text is longer."""
_AROUND = ('"', "'", "`", "*", "_", "()", "[]", "<>", "{}", "「」", "『』", "【】")
_ENDS = " .,;:!…。、"
_MARK = re.compile(r"(?:#{1,6}|[-*•>]) +(?=\S)")
_NAMES = (
    "label", "class", "category", "classification", "answer", "result", "output", "prediction", "sentiment", "topic",
    "type", "tag", "intent", "klasse", "kategorie", "klassifikation", "antwort", "ergebnis", "stimmung", "thema",
    "etikett", "étiquette", "catégorie", "classe", "réponse", "résultat", "sujet", "etiqueta", "categoría", "clase",
    "respuesta", "resultado", "tema", "sentimiento", "etichetta", "categoria", "risposta", "risultato", "argomento",
    "categorie", "antwoord", "resultaat", "onderwerp", "resposta", "sentimento", "kategoria", "odpowiedź", "wynik",
)  # fmt: skip
_NAMED = re.compile(
    rf"[*_`\"']*(?:the |final |predicted )*(?P<name>{'|'.join(_NAMES)})(?: is)?[*_`\"']*\s*[:=][*_`]*\s*(?P<rest>.+)"
)


def label_of(text: str) -> str:
    """The label that a text is: in any case and Unicode form, without white space, quotation marks, emphasis, brackets
    and a full stop or exclamation mark around it."""
    form = folded(text)
    while (inner := _inside(form)) != form:
        form = inner
    return form


def _inside(form: str) -> str:
    """Without what stands around it, if anything is left then."""
    form = _MARK.sub("", form, count=1) if _MARK.match(form) else form
    form = form.rstrip(_ENDS).strip() or form
    for pair in _AROUND:
        if form[:1] == pair[0] and form[-1:] == pair[-1] and len(form) > 2 and not set(form[1:-1]) <= set(pair):
            return form[1:-1].strip()
    return form


@dataclass(frozen=True)
class Labels:
    """The labels of a set, as its references have them."""

    known: frozenset[str]

    def read(self, text: str) -> str:
        """The label that an answer gives, also after a word for what it is (`Label: positive`).

        Nothing else may be said: an answer that names two labels, or has a sentence around one, gives none of them.
        """
        label = label_of(text)
        while label not in self.known and (found := _NAMED.fullmatch(label)) and found["name"] not in self.known:
            label = label_of(found["rest"])
        return label


def label_metrics(questions: Sequence[Question]) -> list[Metric]:
    """Accuracy, macro-F1, precision, recall and F1 of each label, and calibration."""
    counted = Counter(label_of(question.reference) for question in questions)
    read, names = Labels(frozenset(counted)).read, sorted(counted)
    short = [label for label, _ in sorted(counted.items(), key=lambda each: (-each[1], each[0])) if _is_short(label)]
    own = (metric for label in sorted(short[:MOST_LABELS]) for metric in _of_label(label, read))
    return [_accuracy(read), _macro_f1(names, read), *own, _calibration(read)]


def _is_short(label: str) -> bool:
    return len(label) <= MOST_NAME


def _accuracy(read: Callable[[str], str]) -> Metric:
    def is_right(question: Question, answer: Answer) -> bool:
        return read(answer.text) == label_of(question.reference)

    return share_of(ACCURACY, "share of answers that are the right label and nothing else", is_right)


def _macro_f1(labels: Sequence[str], read: Callable[[str], str]) -> Metric:
    numbers = {label: number for number, label in enumerate(labels)}

    def parts(question: Question, answer: Answer) -> Parts:
        counts = np.zeros((len(labels), 2))
        expected, given = numbers.get(label_of(question.reference)), numbers.get(read(answer.text))
        if expected is not None:
            counts[expected, 1] += 1
        if given is not None:
            counts[given, 1] += 1
            counts[given, 0] += 2 * (given == expected)
        return tuple(counts.ravel())

    def value(sums: Array) -> Array:
        counts = sums.reshape(*sums.shape[:-1], len(labels), 2)
        seen = counts[..., 1] > 0
        f1 = np.where(seen, divided(counts[..., 0], counts[..., 1]), 0)
        result: Array = f1.sum(axis=-1) / np.maximum(seen.sum(axis=-1), 1)
        return result

    text = "mean of the F1 of the labels that references have, each label counting the same"
    return Metric("macro_f1", text, parts, value, by_case=False)


def _of_label(label: str, read: Callable[[str], str]) -> tuple[Metric, Metric, Metric]:
    """Precision, recall and F1 of one label."""

    def parts(question: Question, answer: Answer) -> tuple[bool, bool]:
        return read(answer.text) == label, label_of(question.reference) == label

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
        Metric(
            f"precision.{label}", f"answers {label} that are right", precision, by_case=False,
            chart=PRECISION_AND_RECALL.place(label, "precision"),
        ),
        Metric(
            f"recall.{label}", f"cases of {label} that were answered so", recall, by_case=False,
            chart=PRECISION_AND_RECALL.place(label, "recall"),
        ),
        Metric(f"f1.{label}", f"F1 of the label {label}", f1, by_case=False, chart=F1.place(label)),
    )  # fmt: skip


def confidence(answer: Answer) -> float | None:
    """The probability that the model gave its answer; None where the runtime gives no log-probabilities."""
    return None if answer.logprob is None else min(1.0, math.exp(answer.logprob))


def _calibration(read: Callable[[str], str]) -> Metric:
    def parts(question: Question, answer: Answer) -> Parts | None:
        sure = confidence(answer)
        if sure is None:
            return None
        bins = np.zeros((BINS, 3))
        bins[min(int(sure * BINS), BINS - 1)] = 1.0, sure, read(answer.text) == label_of(question.reference)
        return tuple(bins.ravel())

    return Metric(
        "ece", f"expected calibration error: how far confidence is from accuracy, in {BINS} bins of equal width "
        "(Guo et al. 2017, arXiv:1706.04599)", parts, _ece, Better.LOWER, by_case=False,
        chart=CALIBRATION.place(),
    )  # fmt: skip


def _ece(sums: Array) -> Array:
    bins = sums.reshape(*sums.shape[:-1], BINS, 3)
    return divided(np.abs(bins[..., 1] - bins[..., 2]).sum(axis=-1), bins[..., 0].sum(axis=-1))
