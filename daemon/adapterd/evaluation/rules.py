"""The rules by which a model's versions are judged, by its settings: primary metric, gates, guard rails.

Metrics are names here, so that the daemon, which plans by these rules, needs nothing that computes them.
"""

from collections.abc import Mapping
from typing import Any

from adapterd.config import GateRule, ModelSettings, Task

CRITICAL: Mapping[Task, tuple[str, ...]] = {
    Task.JSON: ("json_valid", "field_f1"),
    Task.CLASSIFICATION: ("accuracy",),
    Task.GENERATION: ("token_f1",),
    Task.GROUNDED_QA: ("token_f1", "source_hit"),
}
"""The critical metrics of each task by default."""

PRIMARY: Mapping[Task, str] = {
    Task.JSON: "field_f1",
    Task.CLASSIFICATION: "accuracy",
    Task.GENERATION: "token_f1",
    Task.GROUNDED_QA: "token_f1",
}
"""The primary metric of each task by default: the score of each case that has to be proven better."""

GUARD_MARGIN = 0.05
HUMAN_PREFERENCE = "human_preference"
"""The share of votes between two answers that are for a version, and half of those for neither."""
JUDGED_PREFERENCE = "judged_preference"
"""The same share, if people voted on all: by their votes on a part, and a judge's verdicts on all (decision 45)."""
FACT_COVERAGE = "fact_coverage"
"""The share of a case's key facts that an answer has."""
TOPIC_DRIFT = "topic_drift"
"""The share of answers that are off topic."""
BY_PEOPLE = (HUMAN_PREFERENCE, JUDGED_PREFERENCE, FACT_COVERAGE, TOPIC_DRIFT)
"""Metrics that people measure, after a version was made: their gates are asked before a challenger goes live, and never
of a run (evidence/by_people.py)."""


def primary_of(settings: ModelSettings) -> str:
    """The metric that has to be proven better: the configured one, else the task's."""
    return settings.evaluation.primary or PRIMARY[settings.task]


def primary_in(settings: Mapping[str, Any]) -> str | None:
    """The same of settings as plain values, as they are kept of a version; None where a newer release has another
    task."""
    evaluation, task = settings.get("evaluation"), settings.get("task")
    chosen = evaluation.get("primary") if isinstance(evaluation, Mapping) else None
    return chosen if chosen and isinstance(chosen, str) else (PRIMARY[Task(task)] if task in list(Task) else None)


def rules_of(settings: ModelSettings) -> dict[str, GateRule]:
    """The gates in force: those of the task and of the guard set, and over them what the configuration says of all that
    a run can measure."""
    own = {name: GateRule(critical=True) for name in (*CRITICAL[settings.task], primary_of(settings))}
    guard = {"guard": GateRule(margin=GUARD_MARGIN)} if settings.evaluation.guard else {}
    measured = {name: rule for name, rule in settings.gates.items() if name not in BY_PEOPLE}
    return {**own, **guard, **measured}


def guard_rails(settings: ModelSettings) -> tuple[str, ...]:
    """The critical metrics beside the primary one."""
    primary = primary_of(settings)
    return tuple(name for name, rule in rules_of(settings).items() if rule.critical and name != primary)
