"""A plan with all that follows from the feedback, the evaluation sets and the runs before it."""

from collections.abc import Collection, Sequence

from adapterd.home import Home
from adapterd.runs.plan import RunPlan
from adapterd.runs.planning import after_held, night_sample, window
from adapterd.runs.planning.growth import with_growth
from adapterd.runs.reuse import plan_reuse, plan_training, starts_at_another_base
from adapterd.store import Store
from adapterd.store.evaluation_sets import EvaluationSet


def completed(
    store: Store, home: Home, plan: RunPlan, sets: Sequence[EvaluationSet], taken: Collection[str]
) -> RunPlan:
    """The plan with what its run takes over or where it starts, its version above those that are `taken`, and what it
    does otherwise than the settings say."""
    plan = window.with_window(store, with_growth(store, plan, sets))
    plan = night_sample.with_sample(store, plan)
    plan = plan_reuse(store, home, plan, taken) or plan_training(store, plan, taken)
    return after_held.with_recipe_change(store, home, plan)


def notices(store: Store, plan: RunPlan) -> list[str]:
    """What a person should know of the plan before the run begins."""
    told = [starts_at_another_base(store, plan), window.told(plan), night_sample.told(store, plan)]
    return [notice for notice in (*told, after_held.told(plan)) if notice]
