"""A changed recipe after a version that was held, a bounded number of times."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from adapterd.evaluation.rules import primary_of
from adapterd.evaluation.verdict import GateOutcome
from adapterd.home import Home
from adapterd.runs.plan import RunPlan, readable_plan, same_base
from adapterd.runs.recipe_change import Fault, RecipeChange
from adapterd.runs.reuse import ADAPTER_READS, TRAINING
from adapterd.runs.stage import changed_settings
from adapterd.store import Store
from adapterd.store.runs import Run, RunState
from adapterd.store.versions import Version, VersionState

MOST_TRIES = 3
MOST_EPOCHS, MOST_REPLAY = 16, 0.5
RUNS_SEARCHED = 20
IMPROVEMENT = "improvement"
FAULTS = {
    "guard": Fault.FORGETTING, "truncated": Fault.RUN_ON, "repetition": Fault.RUN_ON, IMPROVEMENT: Fault.NO_GAIN,
}  # fmt: skip
"""By the metric, or the rule, that a version did not pass."""


def with_recipe_change(store: Store, home: Home, plan: RunPlan) -> RunPlan:
    """The plan with the recipe that follows from the last training of the same base by the same settings.

    What a version was made with that was not held stays as it is. Where a changed recipe was held, too, it is changed
    once more, up to `MOST_TRIES` times; then the settings hold again until one of them changes.
    """
    if plan.given or plan.reuses:
        return plan
    last = _last_trained(store, plan.model)
    earlier = readable_plan(home, last) if last else None
    version = store.versions.get(plan.model, last.version) if last and last.version else None
    if last is None or earlier is None or version is None or not same_base(earlier.base, plan.base):
        return plan
    if changed_settings(earlier.settings, plan.settings, ADAPTER_READS):
        return plan
    if version.state is not VersionState.HELD:
        return replace(plan, recipe_change=earlier.recipe_change)
    training = next((row.result for row in store.runs.stages(last.id) if row.name == TRAINING), None)
    return replace(plan, recipe_change=_next(earlier, version, training or {}))


def told(plan: RunPlan) -> str:
    """A sentence on what this run does otherwise; empty where it is made as the settings say."""
    change = plan.recipe_change
    if change is None or plan.reuses:
        return ""
    if not change.faults:
        return (
            f"{plan.model}: {change.held} was held, too, after {change.tries} changed recipes: this run is made as the "
            f"settings say; more feedback, or other settings, may do what they could not"
        )
    now, before = plan.made_with, plan.settings
    changes = {
        "training.learning_rate": (now.training.learning_rate, before.training.learning_rate),
        "training.epochs": (now.training.epochs, before.training.epochs),
        "dataset.replay": (now.dataset.replay, before.dataset.replay),
    }
    changed = [f"{name} = {ours:g}" for name, (ours, theirs) in changes.items() if ours is not None and ours != theirs]
    if not changed:
        return ""
    return (
        f"{plan.model}: {change.held} was held for {' and '.join(change.faults)}, so this run has {', '.join(changed)} "
        f"(changed recipe {change.tries} of at most {MOST_TRIES})"
    )


def _last_trained(store: Store, model: str) -> Run | None:
    """The newest run with an adapter of its own making that came to a verdict."""
    over = (RunState.PROMOTED, RunState.HELD)
    runs = (run for run in store.runs.newest(model, RUNS_SEARCHED) if run.state in over and not run.adapter_source)
    return next(runs, None)


def _next(earlier: RunPlan, version: Version, training: Mapping[str, Any]) -> RecipeChange | None:
    """The change after a version that was held; the one before where it is for something that no recipe changes."""
    before = earlier.recipe_change
    faults = faults_of(version.metrics.get("findings") or (), primary_of(earlier.settings))
    epochs, rate = training.get("epochs"), training.get("learning_rate")
    if not faults or not epochs or not rate or (before and not before.faults):
        return before
    before = before or RecipeChange(version.version, 0, faults)
    if before.tries >= MOST_TRIES:
        return RecipeChange(version.version, before.tries, [])
    forgets, gains_little = Fault.FORGETTING in faults, faults != [Fault.FORGETTING]
    return RecipeChange(
        version.version, before.tries + 1, faults,
        epochs=min(MOST_EPOCHS, epochs * 2) if gains_little else before.epochs,
        learning_rate=rate / 2 if forgets or Fault.RUN_ON in faults else before.learning_rate,
        replay=min(MOST_REPLAY, earlier.made_with.dataset.replay * 2) if forgets else before.replay,
    )  # fmt: skip


def faults_of(findings: Iterable[Mapping[str, Any]], primary: str) -> list[Fault]:
    """What a recipe may mend of the findings, as plain values: what failed, and an improvement that was not proven."""
    by_metric = FAULTS | {primary: Fault.NO_GAIN}
    outcomes = [(each.get("metric", ""), each.get("outcome")) for each in findings]
    wrong = {name for name, outcome in outcomes if outcome == GateOutcome.FAILED}
    if (IMPROVEMENT, GateOutcome.UNPROVEN) in outcomes:
        wrong.add(IMPROVEMENT)
    found = {by_metric.get(name) for name in wrong}
    return [fault for fault in Fault if fault in found]
