"""A run that stopped before its end: whether it can go on, and what of it may be otherwise when it does."""

from dataclasses import replace

from adapterd.base.model import BaseModel
from adapterd.config import ModelSettings
from adapterd.home import Home
from adapterd.runs.plan import GivenAdapter, RunPlan, earlier_cases, prompt_hashes, readable_plan, same_base
from adapterd.runs.stage import changed_settings
from adapterd.runs.stages import CONTENT_READS, LIMITS_READ, STAGES
from adapterd.store import Store
from adapterd.store.runs import Run, StageState


def why_outdated(
    store: Store,
    home: Home,
    run: Run,
    settings: ModelSettings,
    base: BaseModel,
    given: GivenAdapter | None,
    held: list[str],
) -> str:
    """Why an unfinished run cannot be continued; empty if it can."""
    if run.cancelled:
        return run.cancelled
    if run.adapter_source and given is None:
        return f"a training was asked for, and not that {run.adapter_source} be registered"
    if given and run.adapter_source is None:
        return f"{given.source} is registered instead"
    plan = readable_plan(home, run)
    if plan is None:
        return "its plan is gone, or this release cannot read it"
    if base.prompting and not plan.base.prompting:
        return "it is of an earlier release, which did not prove how its base is prompted"
    if _makes_another(plan, settings, base, given):
        return f"{'the adapter, ' if given else ''}the settings or the base changed since"
    if _has_taken_feedback(store, run):
        return ""
    return _other_data(store, run, plan, held)


def judged_by(store: Store, plan: RunPlan, run: Run, settings: ModelSettings) -> RunPlan:
    """The plan with these settings. Where they change limits of the evaluation set, the set that the run has frozen
    stays in force: otherwise other cases would be chosen, and other examples would be left for the training."""
    limits_changed = changed_settings(plan.settings, settings, LIMITS_READ)
    if limits_changed and _has_taken_feedback(store, run):
        sets = store.evaluation_sets.all(run.model)
        plan = replace(
            plan,
            evaluation_cases=sets[-1].cases,
            joined=store.evaluation_sets.joined(run.model, sets[-1]),
            judged=prompt_hashes(sets),
            earlier_cases=earlier_cases(sets),
            last_feedback_id=run.last_feedback_id,
        )
    return replace(plan, settings=settings)


def _other_data(store: Store, run: Run, plan: RunPlan, held: list[str]) -> str:
    """Why an unfinished run would divide other data than there is now; empty if it would not."""
    if run.last_feedback_id < store.feedback.last_id(run.model):
        return "feedback came that it does not know"
    if held != plan.held:
        return "other records are held for secrets or personal data"
    newest = store.evaluation_sets.newest(run.model)
    if (newest.cases if newest else []) != plan.evaluation_cases:
        return "another evaluation set was frozen since"
    if prompt_hashes(store.evaluation_sets.all(run.model)) != plan.judged:
        return "it knows prompts as an earlier release did"
    return ""


def _makes_another(plan: RunPlan, settings: ModelSettings, base: BaseModel, given: GivenAdapter | None) -> bool:
    """Whether another file would be made now than is planned. How it is judged may change while a run goes on."""
    same_adapter = [(each.digest, each.increment) if each else None for each in (plan.given, given)]
    changed = changed_settings(plan.settings, settings, CONTENT_READS)
    return bool(changed) or not same_base(plan.base, base) or same_adapter[0] != same_adapter[1]


def _has_taken_feedback(store: Store, run: Run) -> bool:
    takes = {stage.name for stage in STAGES if stage.takes_feedback}
    return any(row.name in takes and row.state is StageState.DONE for row in store.runs.stages(run.id))
