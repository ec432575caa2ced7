"""How long the next run will take: by what each stage of the last whole one took."""

from dataclasses import dataclass

from adapterd.config import TrainingSettings
from adapterd.store import Store
from adapterd.store.runs import RunState, StageRow

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
        """By the newest run that trained and came to a verdict, in proportion to the records that there are now, where
        that matters and up to `training.max_hours`. None where there is no such run."""
        for run in store.runs.newest(model, RUNS_LOOKED_AT):
            if run.state in (RunState.PROMOTED, RunState.HELD):
                stages = {row.name: row for row in store.runs.stages(run.id)}
                if _trained(stages):
                    return cls(_seconds(stages, store.feedback.count(model), settings.max_hours * 3600), run.id)
        return None


def _trained(stages: dict[str, StageRow]) -> bool:
    """Whether an adapter was trained in these stages, from the first step to the last, and not taken over."""
    row = stages.get("training")
    return row is not None and row.seconds >= RESTORED * float((row.result or {}).get("seconds", 0.0))


def _seconds(stages: dict[str, StageRow], records: int, most_s: float) -> float:
    """What the stages would take with so many records. A night is a sample of them where the training would take longer
    than `most_s`, so what grows with it grows no further."""
    before = (stages["dataset"].result or {}).get("records") or records
    growth = min(records / before, max(1.0, most_s / max(1e-9, stages["training"].seconds)))
    took = {name: row.seconds * (growth if name in GROWING else 1) for name, row in stages.items()}
    return sum({**took, "training": min(took["training"], most_s)}.values())
