"""Write the table of metrics in docs/evaluation.md from the metrics; `--check` only tells whether it is right."""

import re
import sys
from pathlib import Path

from adapterd.chat import Message, Role
from adapterd.config import Task
from adapterd.evaluation.metrics.catalogue import extra_metrics, metrics_for
from adapterd.evaluation.metrics.hygiene import HYGIENE
from adapterd.evaluation.metrics.metric import Metric, Question
from generated_page import with_table, write

PAGE = Path(__file__).parent.parent / "docs" / "evaluation.md"
REFERENCES = {
    Task.JSON: ('{"FIELD": 1, "NAMED": {"person": ["Ada"]}}', '{"FIELD": 2, "NAMED": {"person": ["Bob"]}}'),
    Task.CLASSIFICATION: ("label",),
    Task.GENERATION: ("text",),
    Task.GROUNDED_QA: ("text [1]",),
}
"""As much as makes every kind of metric appear; FIELD, NAMED and LABEL stand for what a model has."""


def rows() -> list[str]:
    """One line for each metric, with the tasks that have it."""
    tasks: dict[str, list[str]] = {}
    metrics: dict[str, Metric] = {}
    for task, references in REFERENCES.items():
        questions = [Question(text, (Message(Role.USER, "?"),), text) for text in references]
        schema = {"type": "object"} if task is Task.JSON else None
        for metric in metrics_for(task, questions, schema=schema, embed=lambda _: [1.0]):
            tasks.setdefault(metric.name, []).append(task)
            metrics[metric.name] = metric
    shown = [metric for metric in metrics.values() if metric not in HYGIENE and metric.name not in AS_FIELD]
    head = ["| task | metric | better | unit | what it is |", "|---|---|---|---|---|"]
    own = [_row(", ".join(tasks[metric.name]), metric) for metric in shown]
    return head + own + [_row("any", metric) for metric in (*HYGIENE, *extra_metrics())]


AS_FIELD = ("precision.NAMED", "recall.NAMED", "f1.NAMED")
"""A field with entities has these as any field has."""


def _row(task: str, metric: Metric) -> str:
    name, definition = (re.sub(r"\blabel$|(?<=answers )label|(?<=of )label", "LABEL", text)
                        for text in (metric.name, metric.definition))  # fmt: skip
    return f"| {task} | `{name}` | {metric.better} | {metric.unit} | {definition} |"


def page(text: str) -> str:
    """The page with its table put anew."""
    return with_table(text, "metrics", rows())


if __name__ == "__main__":
    sys.exit(write(PAGE, page))
