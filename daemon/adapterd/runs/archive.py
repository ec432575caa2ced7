"""What stays of a run for good, in the folder of its version: the adapter, its lineage and the learning curve."""

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapterd import __version__
from adapterd.config import Task
from adapterd.errors import InputError
from adapterd.formats.adapter_files import CONFIG, WEIGHTS
from adapterd.formats.data_card import DATA_CARD
from adapterd.formats.lineage import LINEAGE
from adapterd.formats.metrics_log import CURVE, METRICS, read_metrics
from adapterd.home import make_private
from adapterd.runs.plan import RunPlan
from adapterd.runs.stage import Job
from adapterd.serialization import to_plain
from adapterd.system.files import write_atomic

TASK_CATEGORIES = {
    Task.JSON: "text-generation",
    Task.CLASSIFICATION: "text-classification",
    Task.GENERATION: "text-generation",
    Task.GROUNDED_QA: "question-answering",
}
"""What Hugging Face calls the tasks."""


def archive_version(job: Job, gguf_digest: str) -> None:
    """Write the adapter, its lineage, the data card and the learning curve into the version's folder; `gguf_digest` is
    that of the merged file. The run's own folder is temporary."""
    folder, given = make_private(job.home.version(job.plan.model, job.plan.version)), job.plan.given
    for name in (WEIGHTS, CONFIG):
        shutil.copyfile(job.adapter / name, folder / name)
    if given is None:
        _archive_curve(job.adapter, folder)
    title = f"{job.plan.model} {job.plan.version}, made by adapterd {__version__}"
    source = f"{job.plan.model}:{job.plan.version}"  # a tag: Ollama takes its projectors over, too, without a line each
    with contextlib.suppress(InputError):  # a text that the Modelfile grammar cannot hold; the API takes it
        write_atomic(folder / "Modelfile", job.plan.base.modelfile.text(source=source, title=title))
    lineage = {
        "adapterd": __version__,
        "libraries": {**_libraries(), job.runtime.name: job.runtime.version()},
        "run": job.plan.run_id,
        "base": {"tag": job.plan.settings.base, "digest": job.plan.base.digest},
        "given": {**to_plain(given), "format": job.results["importing"]["format"]} if given else None,
        "gguf_digest": gguf_digest,
        "settings": to_plain(job.plan.made_with),
        "stages": {name: _without_cases(result) for name, result in job.results.items()},
    }
    LINEAGE.write(folder, lineage)
    if card := job.results["dataset"].get("card"):  # which a stage of an earlier release did not make
        DATA_CARD.write(folder, {**_described(job.plan), **card})


def _described(plan: RunPlan) -> dict[str, Any]:
    """What the dataset stage does not know: the version's name, its task, and where the records came from."""
    return {
        "pretty_name": f"{plan.model} {plan.version}",
        "task_categories": [TASK_CATEGORIES[plan.settings.task]],
        "origins": plan.origins,
    }


def _archive_curve(adapter: Path, folder: Path) -> None:
    """Write the losses of every step, as data and as a picture."""
    from adapterd.evaluation.report import charts

    write_atomic(folder / METRICS, (adapter / METRICS).read_bytes())
    if drawn := charts.learning(read_metrics(adapter)):
        write_atomic(folder / CURVE, charts.standalone(drawn))


def _libraries() -> dict[str, str]:
    """The versions of what a version's numbers come from."""
    from importlib.metadata import version

    return {name: version(name) for name in ("mlx", "mlx-lm", "llama-cpp-python", "gguf", "numpy", "scipy")}


def _without_cases(result: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name not in ("evaluation_cases", "card")}
