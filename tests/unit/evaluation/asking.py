"""Answers for a test, and what a metric makes of them."""

from collections.abc import Sequence

from adapterd.chat import Answer, Message, Role
from adapterd.evaluation.metrics.metric import Metric, Question


def question(reference: str, asked: str = "?", name: str = "q") -> Question:
    return Question(name, (Message(Role.USER, asked),), reference)


def answer(text: str, **more: object) -> Answer:
    return Answer(**{"text": text, "done_reason": "stop", "prompt_tokens": 1, "answer_tokens": len(text.split()),
                     "total_s": 1.0, "first_token_s": 0.1, **more})  # type: ignore[arg-type]  # fmt: skip


def score(metric: Metric, text: str, reference: str, asked: str = "?") -> float | None:
    """The metric of one answer."""
    return metric.over([question(reference, asked)], [answer(text)])


def over(metric: Metric, texts: Sequence[str], references: Sequence[str]) -> float | None:
    return metric.over([question(reference) for reference in references], [answer(text) for text in texts])
