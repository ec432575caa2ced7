"""Whether a model says the same again: some questions asked several times with chance, each time with another seed."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from statistics import mean

from adapterd.chat import Answer
from adapterd.evaluation.metrics.chart import HABITS
from adapterd.evaluation.metrics.metric import Metric, Question, mean_of
from adapterd.evaluation.metrics.text_metrics import overlap

CASES = 10
TEMPERATURE = 0.8


def together(answers: Sequence[Answer]) -> Answer:
    """Several answers to one question as one, whose text is a JSON list of theirs."""
    return replace(answers[0], text=json.dumps([answer.text for answer in answers]))


def consistency() -> Metric:
    """How much the answers to one question agree; answers that all say nothing do."""

    def score(_: Question, answer: Answer) -> float:
        texts = json.loads(answer.text)
        return mean(overlap(*pair) for pair in combinations(texts, 2))

    return mean_of(
        "consistency", f"F1 over the words of two answers to one question, asked at temperature {TEMPERATURE:g} with "
        f"another seed; mean over all pairs of {CASES} questions", score,
        chart=HABITS.place(),
    )  # fmt: skip
