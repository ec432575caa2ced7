"""What a version scored, computed again from the kept answers that are left after cases were taken back."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from adapterd.formats.evaluation import ANSWERS, EVALUATION, FROZEN
from adapterd.formats.json_files import read_json_lines
from adapterd.formats.lineage import LINEAGE
from adapterd.removal.removed import Scene


def recompute(scene: Scene, folder: Path) -> None:
    """Compute scores, baselines and comparisons of a version again, into its evaluation and the store. Its verdict
    stays what it was, on the set of that time.

    Without answers to any case nothing is left to be measured, and the scores are empty.
    """
    lineage, result = LINEAGE.read(folder), EVALUATION.read(folder)
    if lineage is None or result is None:
        return
    cases = list(read_json_lines(folder / ANSWERS / FROZEN, dict, "the answers to a case"))
    measured = _measured(lineage["settings"], result, folder, cases) if cases else _nothing()
    former = result["evaluation_hash"]
    digest = scene.store.evaluation_sets.successors(scene.model).get(former, former)
    EVALUATION.write(folder, {**result, **measured, "evaluation_hash": digest})
    version = scene.store.versions.get(scene.model, folder.name)
    if version and version.metrics:
        kept = {name: value for name, value in measured.items() if name in version.metrics}
        metrics = {**version.metrics, **kept, "evaluation_hash": digest}
        scene.store.versions.set_metrics(scene.model, folder.name, metrics)


def _nothing() -> dict[str, Any]:
    return {"scores": {}, "baselines": {}, "comparisons": {}}


def _measured(
    settings: dict[str, Any], result: dict[str, Any], folder: Path, cases: list[dict[str, Any]]
) -> dict[str, Any]:
    from adapterd.config import Task
    from adapterd.evaluation.answered_set import AnsweredSet
    from adapterd.evaluation.metrics.catalogue import metrics_for
    from adapterd.evaluation.metrics.json_answers.schema import read_schema
    from adapterd.runs.tag_evaluation import EvaluationRun, comparisons

    schema = Path(settings["schema"]) if settings.get("schema") else None
    questions = [_question(case) for case in cases]
    metrics = metrics_for(
        Task(settings["task"]), questions, schema=read_schema(schema) if schema and schema.is_file() else None,
        strip_fences=settings.get("evaluation", {}).get("strip_fences", False),
    )  # fmt: skip
    frozen = AnsweredSet(questions, metrics, _answers(result, cases))
    answered = EvaluationRun(result["evaluation_hash"], frozen, dict(_others(result, folder)))
    return {
        "scores": {name: asdict(found) for name, found in answered.scores().items()},
        "baselines": {name: asdict(found) for name, found in answered.baselines().items()},
        "comparisons": {
            name: {other: asdict(found) for other, found in against.items()}
            for name, against in comparisons(answered.measured()).items()
        },
    }


def _others(result: dict[str, Any], folder: Path) -> "Iterator[tuple[str, Any]]":
    """The guard set and the repeated questions, as far as they were asked."""
    from adapterd.evaluation.answered_set import AnsweredSet
    from adapterd.evaluation.metrics.consistency import consistency
    from adapterd.evaluation.metrics.guard import guard_metrics

    for name, metrics in (("guard", guard_metrics()), ("again", (consistency(),))):
        file = folder / ANSWERS / f"{name}.jsonl"
        cases = list(read_json_lines(file, dict, "the answers to a case")) if file.is_file() else []
        if cases:
            yield name, AnsweredSet([_question(case) for case in cases], metrics, _answers(result, cases))


def _question(case: dict[str, Any]) -> Any:
    from adapterd.chat import from_dicts
    from adapterd.evaluation.metrics.metric import Question

    return Question(case["id"], from_dicts(case["messages"]), case["reference"], case["source"])


def _answers(result: dict[str, Any], cases: list[dict[str, Any]]) -> dict[str, Any]:
    """The answers of each role, with the tag and the digest that the evaluation names."""
    from adapterd.chat import Answer
    from adapterd.evaluation.evaluate import Answers

    return {
        role: Answers(
            result["scores"][role]["tag"],
            result["scores"][role]["digest"],
            tuple(Answer(**case["answers"][role]) for case in cases),
        )
        for role in cases[0]["answers"]
    }
