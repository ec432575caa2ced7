"""Two versions on the frozen set: every metric with its interval, and the cases that changed most."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from adapterd.dataset.left_out import summary
from adapterd.errors import InputError
from adapterd.evaluation.gates import Measured
from adapterd.insight.manual_evaluation import ManualEvaluation
from adapterd.page.desk import Desk, go
from adapterd.page.forms import query
from adapterd.page.jobs import Report
from adapterd.page.rendering import rendered
from adapterd.removal.outliving import open_store
from adapterd.serving.tags import BASE

MOST_CASES = 10


@dataclass(frozen=True)
class Compared:
    """What comparing `second` with `first` has shown."""

    first: str
    second: str
    measured: Sequence[Measured]
    changed: Sequence[dict[str, Any]]
    cases: int
    notes: Sequence[str]


def show(desk: Desk) -> str:
    """GET /compare/MODEL: `?first` and `?second` name the versions; live and the newest if nothing does."""
    deployment, versions = desk.store.versions.deployment(desk.model), desk.store.versions.all(desk.model)
    names = [*([BASE] if deployment else []), *(each.version for each in versions)]
    first = desk.query.get("first") or (deployment.live if deployment else "")
    second = desk.query.get("second") or next((name for name in reversed(names) if name != first), "")
    progress = desk.jobs.get(_kind(desk), _about(first, second))
    if "part" in desk.query:
        return rendered("comparing", progress=progress)
    found = progress.result if progress and isinstance(progress.result, Compared) else None
    part = query(f"/compare/{desk.model}", first=first, second=second) + "&part"
    return desk.page(
        "compare", "Compare", names=names, first=first, second=second, progress=progress, found=found, part=part
    )


def ask(desk: Desk) -> Response:
    """POST /compare/MODEL: ask two versions the frozen set; answers that were given before are kept."""
    first, second = desk.form.text("first"), desk.form.text("second")
    if first == second or not first or not second:
        raise InputError("two different versions are compared", hint="choose another one")
    home, settings, model = desk.home, desk.settings, desk.model

    def work(report: Report) -> Compared:
        with open_store(home) as store:
            evaluation = ManualEvaluation(store, home, settings, model)
            run = evaluation.compare((first, second), lambda share, **_: report(round(100 * share), 100))
        left_out = [summary(run.left_out, "left out, as they cannot be asked or measured")] if run.left_out else []
        changed = run.frozen.changed_most(second, first, MOST_CASES)
        cases = len(run.frozen.questions)
        return Compared(first, second, run.measured(second), changed, cases, [*left_out, *run.notes])

    desk.jobs.start(_kind(desk), _about(first, second), work)
    return go(query(f"/compare/{model}", first=first, second=second))


def _kind(desk: Desk) -> str:
    return f"comparison of {desk.model}"


def _about(first: str, second: str) -> str:
    return f"{first} {second}"
