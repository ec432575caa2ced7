"""How long the next run will take: by what each stage of the last whole one took."""

from dataclasses import dataclass

from adapterd.config import TrainingSettings
from adapterd.store import Store
from adapterd.store.runs import Run, RunState, StageRow

RUNS_LOOKED_AT = 20
GROWING = ("dataset", "training")
"""The stages whose time grows with the feedback."""
RESTORED = 0.5
"""A stage that took less than this share of its training's own time has taken an adapter over, not trained."""


@dataclass(frozen=True)
class RunDuration:
    """About how many seconds the next run takes, by those of the stages of the run `by`."""

    seconds: float
    by: str

    @classmethod
    def expected(cls, store: Store, model: str, settings: TrainingSettings) -> "RunDuration | None":
        """By the newest run that trained and came to a verdict, in proportion to the records that came since, where
        that matters and up to `training.max_hours`. None where there is no such run."""
        for run in store.runs.newest(model, RUNS_LOOKED_AT):
            stages = {row.name: row for row in store.runs.stages(run.id)}
            if _trained(run, stages):
                since, now = store.feedback.count(model, after_id=run.last_feedback_id), store.feedback.count(model)
                growth = now / max(1, now - since)
                took = {name: row.seconds * (growth if name in GROWING else 1) for name, row in stages.items()}
                took["training"] = min(took["training"], settings.max_hours * 3600)
                return cls(sum(took.values()), run.id)
        return None


def _trained(run: Run, stages: dict[str, StageRow]) -> bool:
    """Whether the run trained an adapter of its own, from the first step to the last, and came to a verdict."""
    if run.state not in (RunState.PROMOTED, RunState.HELD) or "training" not in stages:
        return False
    row = stages["training"]
    own_s = float((row.result or {}).get("seconds", 0.0))
    return row.seconds >= RESTORED * own_s
