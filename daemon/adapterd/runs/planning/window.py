"""How long a training may take where its run should be over by a time of day (`schedule.done_by`)."""

from dataclasses import replace
from datetime import datetime, time, timedelta

from adapterd.runs.plan import RunPlan
from adapterd.store import Store
from adapterd.store.runs import RunState

LEAST_HOURS = 0.01
"""A training is never given less: then it ends after a few steps."""
UNKNOWN_REST = 0.5
"""This share of the time is left to merging and evaluation where no run has shown yet what they take."""
AFTER_TRAINING = ("merging", "serving", "evaluation")
RUNS_LOOKED_AT = 20


def with_window(store: Store, plan: RunPlan) -> RunPlan:
    """The plan with the hours that its training may take, where that is less than `training.max_hours`."""
    done_by = plan.settings.schedule.done_by
    if plan.given or done_by is None:
        return plan
    window_h = until(store.clock(), done_by) / timedelta(hours=1)
    rest_h = _rest_hours(store, plan.model)
    hours = max(LEAST_HOURS, window_h - rest_h if rest_h is not None else window_h * UNKNOWN_REST)
    return replace(plan, training_hours=round(hours, 2)) if hours < plan.settings.training.max_hours else plan


def told(plan: RunPlan) -> str:
    """A sentence on the time that there is; empty where it is that of the settings."""
    done_by, hours = plan.settings.schedule.done_by, plan.training_hours
    if hours is None or done_by is None or plan.reuses:
        return ""
    return (
        f"{plan.model}: the training may take {hours:g} hours, so that the run is over by {done_by:%H:%M} "
        f"(schedule.done_by)"
    )


def until(now: datetime, at: time) -> timedelta:
    """The time until it is next `at` o'clock here: more than none, at most a day (or what a change of the clocks makes
    of it)."""
    here = now.astimezone().replace(tzinfo=None)
    end = datetime.combine(here.date(), at)
    if end <= here:
        end += timedelta(days=1)
    return end.astimezone() - now


def _rest_hours(store: Store, model: str) -> float | None:
    """What the newest run that came to a verdict needed after its training; None where there is none."""
    for run in store.runs.newest(model, RUNS_LOOKED_AT):
        if run.state in (RunState.PROMOTED, RunState.HELD):
            took = {row.name: row.seconds for row in store.runs.stages(run.id)}
            if took.get("merging"):
                return sum(took.get(name, 0.0) for name in AFTER_TRAINING) / 3600
    return None
