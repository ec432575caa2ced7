"""Metrics of figures that were measured besides an answer's text (`Answer.figures`): how likely the reference is to the
file, and how well the tokens of the answer match those of the reference."""

import math

from adapterd.chat import Answer
from adapterd.evaluation.metrics.chart import OVERLAP
from adapterd.evaluation.metrics.metric import Better, Metric, Parts, Question, Unit, mean_of

REFERENCE_NATS, REFERENCE_TOKENS = "reference_nats", "reference_tokens"
BERT_PRECISION, BERT_RECALL = "bert_score_precision", "bert_score_recall"


def _nats(_: Question, answer: Answer) -> Parts | None:
    nats, tokens = (answer.figures.get(name) for name in (REFERENCE_NATS, REFERENCE_TOKENS))
    return (nats, tokens) if nats is not None and tokens else None


def _probability(question: Question, answer: Answer) -> float | None:
    parts = _nats(question, answer)
    return min(1.0, math.exp(-parts[0] / parts[1])) if parts else None


_NOT_READ = "the file was not read for it: see evaluation.reference_nll, and what the evaluation says beside its cases"
REFERENCE_NLL = Metric(
    "reference_nll", "negative log-likelihood that the file gives to the references, prompts as served: nats by tokens "
    "of the base, the end of the turn among them",
    _nats, better=Better.LOWER, unit=Unit.NATS, missing=_NOT_READ,
)  # fmt: skip
REFERENCE_PROBABILITY = mean_of(
    "reference_probability", "geometric mean of the probabilities of a reference's tokens, exp(-nats by tokens); mean "
    "over cases", _probability, missing=_NOT_READ,
)  # fmt: skip
LIKELIHOOD = (REFERENCE_NLL, REFERENCE_PROBABILITY)


def _figure(name: str, answer: Answer) -> float | None:
    found = answer.figures.get(name)
    return None if found is None else min(1.0, max(0.0, found))


def _f1(_: Question, answer: Answer) -> float | None:
    precision, recall = (_figure(name, answer) for name in (BERT_PRECISION, BERT_RECALL))
    if precision is None or recall is None:
        return None
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


_NO_ENCODER = "evaluation.encoder names nothing that token embeddings could be taken from, or that could not be read"
BERT_SCORE = (
    mean_of(
        BERT_PRECISION, "BERTScore (Zhang et al. 2020, arXiv:1904.09675): largest cosine of each token of the answer "
        "with a token of the reference, at least 0; without idf and rescaling",
        lambda _, answer: _figure(BERT_PRECISION, answer), chart=OVERLAP.place("BERTScore P"), missing=_NO_ENCODER,
    ),
    mean_of(
        BERT_RECALL, "the same for each token of the reference with a token of the answer",
        lambda _, answer: _figure(BERT_RECALL, answer), chart=OVERLAP.place("BERTScore R"), missing=_NO_ENCODER,
    ),
    mean_of(
        "bert_score_f1", "harmonic mean of `bert_score_precision` and `bert_score_recall` of a case; mean over cases",
        _f1, chart=OVERLAP.place("BERTScore F1"), missing=_NO_ENCODER,
    ),
)  # fmt: skip
