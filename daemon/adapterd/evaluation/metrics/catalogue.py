"""The registry of metrics: those of each task, and their baselines.

To add one: `docs/howto/add-a-metric.md`.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from adapterd.chat import Answer
from adapterd.config import Task
from adapterd.evaluation.metrics.consistency import consistency
from adapterd.evaluation.metrics.grounding.ungrounded import UNGROUNDED
from adapterd.evaluation.metrics.guard import guard_metrics
from adapterd.evaluation.metrics.hygiene import HYGIENE
from adapterd.evaluation.metrics.json_answers.metrics import EXACT, json_metrics
from adapterd.evaluation.metrics.json_answers.values import LARGEST, as_float, is_number, parse_json
from adapterd.evaluation.metrics.label_metrics import label_metrics
from adapterd.evaluation.metrics.metric import NOTHING, Metric, Parts, Question
from adapterd.evaluation.metrics.model_figures import BERT_SCORE, LIKELIHOOD
from adapterd.evaluation.metrics.rubric import RUBRIC
from adapterd.evaluation.metrics.text_forms import without_fence
from adapterd.evaluation.metrics.text_metrics import (
    CITATIONS_REAL,
    KEYWORDS,
    MRR,
    REFUSAL_RIGHT,
    SOURCE_HIT,
    TOKEN_F1,
    Embed,
    rouge_metrics,
    semantic,
)

FREE = "free_"
"""What the names of metrics of free answers begin with, where answers are held to a schema."""


def metrics_for(
    task: Task,
    questions: Sequence[Question],
    *,
    schema: Mapping[str, Any] | None = None,
    embed: Embed | None = None,
    strip_fences: bool = False,
) -> list[Metric]:
    """The metrics of a task that apply to at least one of the questions, those of every answer last.

    With `strip_fences`, those of the task score what is in an answer that is one fenced code block.
    """
    own = _OF_TASK[task](questions, schema, embed)
    return [*(map(_of_what_is_fenced, own) if strip_fences else own), *LIKELIHOOD, UNGROUNDED, *HYGIENE]


def free_metrics(metrics: Sequence[Metric]) -> list[Metric]:
    """The same metrics of answers that were left free where an application holds them to a schema, as `free_NAME`."""
    return [
        replace(
            metric, name=f"{FREE}{metric.name}", chart=None,
            definition=f"{metric.definition}; of answers that were not held to the schema",
        )
        for metric in metrics
        if metric.of_text
    ]  # fmt: skip


def _of_what_is_fenced(metric: Metric) -> Metric:
    def parts(question: Question, answer: Answer) -> Parts | None:
        return metric.parts(question, replace(answer, text=without_fence(answer.text)))

    return replace(metric, parts=parts)


def extra_metrics() -> list[Metric]:
    """The metrics of the questions that are asked besides the frozen set, the same for every task."""
    return [*guard_metrics(), consistency()]


def _text_metrics(embed: Embed | None) -> list[Metric]:
    own = [TOKEN_F1, *rouge_metrics(), EXACT, *([semantic(embed)] if embed else []), KEYWORDS]
    return [*own, *BERT_SCORE, *RUBRIC]


_SOURCE_METRICS = (REFUSAL_RIGHT, SOURCE_HIT, MRR, CITATIONS_REAL)
_OF_TASK: Mapping[Task, Callable[[Sequence[Question], Mapping[str, Any] | None, Embed | None], list[Metric]]] = {
    Task.JSON: lambda questions, schema, _: json_metrics(questions, schema),
    Task.CLASSIFICATION: lambda questions, _, __: label_metrics(questions),
    Task.GENERATION: lambda _, __, embed: _text_metrics(embed),
    Task.GROUNDED_QA: lambda _, __, embed: [*_text_metrics(embed), *_SOURCE_METRICS],
}
"""The metrics of each task, made for its questions, the model's schema and its embedding model."""


@dataclass(frozen=True)
class Baselines:
    """A metric of an empty and of a constant answer to every question; None where it has no value."""

    empty: float | None
    constant: float | None


def baselines(metric: Metric, questions: Sequence[Question]) -> Baselines:
    """The metric of the empty answer, and of the best constant answer."""
    found = (
        metric.over(questions, [said(guess(questions))] * len(questions)) for guess in (empty_guess, constant_guess)
    )
    return Baselines(*found)


def said(text: str) -> Answer:
    """An answer with this text, as if a model had given it."""
    return replace(NOTHING, text=text)


def empty_guess(questions: Sequence[Question]) -> str:
    """The answer that says nothing: no text; where references are JSON objects or lists, an empty one, for it agrees
    with every reference that is rightly empty."""
    values = [parse_json(question.reference) for question in questions]
    return next((text for kind, text in ((dict, "{}"), (list, "[]")) if all(isinstance(v, kind) for v in values)), "")


def constant_guess(questions: Sequence[Question]) -> str:
    """The one answer to give without reading the question: the most frequent reference; of JSON objects, each field's
    most frequent value, or the median where it is a number."""
    objects = [value for question in questions if isinstance(value := parse_json(question.reference), dict)]
    if len(objects) < len(questions) or not objects:
        return Counter(question.reference for question in questions).most_common(1)[0][0]
    names = dict.fromkeys(name for value in objects for name in value)
    return json.dumps({name: _typical([value[name] for value in objects if name in value]) for name in names})


def _typical(values: Sequence[Any]) -> Any:
    if all(is_number(value) and abs(as_float(value)) < LARGEST for value in values):
        return median(values)
    written = Counter(json.dumps(value, sort_keys=True) for value in values)
    return json.loads(written.most_common(1)[0][0])
