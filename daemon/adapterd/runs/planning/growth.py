"""Which prompts may join the evaluation set in force: such as no version was trained on, ever."""

from collections.abc import Sequence
from dataclasses import replace

from adapterd.runs.plan import RunPlan
from adapterd.runs.reuse import TRAINING
from adapterd.store import Store
from adapterd.store.evaluation_sets import EvaluationSet

DATASET = "dataset"
"""The stage that says which prompts wait."""


def with_growth(store: Store, plan: RunPlan, sets: Sequence[EvaluationSet]) -> RunPlan:
    """The plan with what joined the newest of the `sets`, and with the prompts that may join it next.

    A set that a person chose stays as it is. Where it is not known what an earlier training knew, as after a database
    was made anew, nothing joins before the next one. What is nearly the same as a prompt that a teacher answered is
    left out where prompts are compared, in `dataset.leaks.growing`.
    """
    if not sets:
        return plan
    joined = store.evaluation_sets.joined(plan.model, sets[-1])
    if sets[-1].by_hand:
        return replace(plan, joined=joined, set_by_hand=True)
    taught = store.runs.last_taught_id(plan.model, TRAINING)
    is_known = taught is None or taught > 0
    unseen = store.feedback.prompts_new_after(plan.model, taught or 0) if plan.given is None and is_known else []
    left_out = store.removals.hashes(plan.model) | {
        each.prompt_hash for each in store.teaching.examples.ever_kept(plan.model)
    }
    waiting = (store.runs.last_result(plan.model, DATASET) or {}).get("waiting") or []
    return replace(plan, joined=joined, unseen=[each for each in unseen if each not in left_out], waiting=waiting)
