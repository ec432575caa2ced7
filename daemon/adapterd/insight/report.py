"""Writes the report of a version into its folder, from what was stored there when the version was evaluated."""

from pathlib import Path
from typing import Any

from adapterd.chat import Answer
from adapterd.config import Task
from adapterd.dataset.cases import EvaluationCase
from adapterd.errors import NotFoundError
from adapterd.evaluation.metrics.catalogue import extra_metrics, free_metrics, metrics_for
from adapterd.evaluation.metrics.json_answers.schema import read_schema
from adapterd.evaluation.metrics.metric import Metric, Question
from adapterd.evaluation.report.page import Material, render
from adapterd.formats.data_card import DATA_CARD
from adapterd.formats.evaluation import ANSWERS, EVALUATION, FROZEN
from adapterd.formats.json_files import read_json_lines
from adapterd.formats.lineage import LINEAGE
from adapterd.formats.metrics_log import read_metrics
from adapterd.home import Home
from adapterd.insight.season.picture import courses_of
from adapterd.store import Store
from adapterd.system.files import write_atomic

REPORT = "report.html"


def write_report(store: Store, home: Home, model: str, version: str) -> Path:
    """Write the report of a version that was evaluated; raises NotFoundError where that was never done."""
    folder, known = home.version(model, version), store.versions.get(model, version)
    lineage, result = LINEAGE.read(folder), EVALUATION.read(folder)
    if known is None or lineage is None or result is None:
        raise NotFoundError(
            f"there is no stored evaluation of {model} {version}",
            hint=f"`adapterctl eval run {version} --model {model}` asks it again, if its tag is still there",
        )
    deployment = store.versions.deployment(model)
    state = "live" if deployment and deployment.live == version else str(known.state)
    answers = folder / ANSWERS / FROZEN
    cases = list(read_json_lines(answers, dict, "the answers to a case")) if answers.is_file() else []
    with LINEAGE.used(folder):
        metrics = _metrics(lineage["settings"], cases)
    page = render(
        Material(
            model, version, state, lineage, result, cases,
            metrics={each.name: each for each in (*metrics, *free_metrics(metrics), *extra_metrics())},
            by_case=_by_case(metrics, cases),
            curve=read_metrics(folder), card=DATA_CARD.read(folder), courses=courses_of(store, model, version),
        )
    )  # fmt: skip
    write_atomic(folder / REPORT, page)
    return folder / REPORT


def _metrics(settings: dict[str, Any], cases: list[dict[str, Any]]) -> list[Metric]:
    schema = Path(settings["schema"]) if settings.get("schema") else None
    questions = [_question(case) for case in cases]
    read = read_schema(schema) if schema and schema.is_file() else None
    fences = settings.get("evaluation", {}).get("strip_fences", False)
    return metrics_for(Task(settings["task"]), questions, schema=read, strip_fences=fences)


def _question(case: dict[str, Any]) -> Question:
    plain = {name: case[name] for name in ("id", "messages", "reference")}
    messages = EvaluationCase.from_dict({**plain, "record": ""}).messages
    return Question(case["id"], messages, case["reference"], case["source"])


def _by_case(metrics: list[Metric], cases: list[dict[str, Any]]) -> dict[str, dict[str, list[float | None]]]:
    """Each metric's value for every case, by subject; first those that say more than yes or no."""
    telling = sorted((metric for metric in metrics if metric.by_case), key=lambda metric: metric.yes_no)
    subjects = list(cases[0]["answers"]) if cases else []
    return {
        metric.name: {
            subject: [metric.over([_question(case)], [Answer(**case["answers"][subject])]) for case in cases]
            for subject in subjects
        }
        for metric in telling
    }
