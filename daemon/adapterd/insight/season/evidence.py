"""All that is known of a model's season: comparisons with their nights, budgets, and why nothing is compared."""

from dataclasses import dataclass

from adapterd.config import ModelSettings
from adapterd.evidence.budgets import WATCH_YEARLY, Budgets
from adapterd.evidence.season import LEAST_LEVEL
from adapterd.insight.season.compared import Compared
from adapterd.store import Store
from adapterd.store.evidence.comparisons import ComparisonState, Purpose
from adapterd.store.versions import VersionState

RETRAIN = "the next candidate comes when schedule.min_new_records new records have arrived, or by `adapterctl retrain`"


@dataclass(frozen=True)
class BudgetLeft:
    """An error budget: the probability of an error within a year that is allowed, what is left of it for what begins
    next, and what is staked by what is compared now."""

    purpose: Purpose
    yearly: float
    left: float
    staked: float


@dataclass(frozen=True)
class Evidence:
    """The season of a model. `waiting` are candidates that may become challenger. Where no challenger is compared,
    `why_none` says why, and `what_to_do` what would change that; both are empty else."""

    model: str
    live: str | None
    open: list[Compared]
    ended: list[Compared]
    budgets: list[BudgetLeft]
    waiting: list[str]
    why_none: str
    what_to_do: str


def evidence_of(store: Store, model: str, settings: ModelSettings) -> Evidence:
    """What the store knows; nothing is asked, and nothing is changed."""
    live = store.versions.deployment(model)
    found = [Compared.of(store, each, store.comparisons.looks(each.id)) for each in store.comparisons.all(model)]
    collecting = [each for each in found if each.state is ComparisonState.OPEN]
    budgets = [budget_left(store, model, settings, purpose) for purpose in Purpose]
    challenged = any(each.purpose is Purpose.CHALLENGE for each in collecting)
    why, what = ("", "") if challenged else _why_none(store, model, budgets[0])
    return Evidence(
        model=model,
        live=live.live if live else None,
        open=collecting,
        ended=[each for each in found if each.state is not ComparisonState.OPEN],
        budgets=budgets,
        waiting=[each.version for each in store.versions.all(model) if each.state is VersionState.WAITING],
        why_none=why,
        what_to_do=what,
    )


def budget_left(store: Store, model: str, settings: ModelSettings, purpose: Purpose) -> BudgetLeft:
    """What is left of a budget of errors by now."""
    yearly = {Purpose.CHALLENGE: settings.evaluation.error_budget, Purpose.WATCH: WATCH_YEARLY}
    now = Budgets(store, model, yearly).now(purpose)
    return BudgetLeft(purpose, yearly[purpose], float(now.left), float(now.staked))


def _why_none(store: Store, model: str, budget: BudgetLeft) -> tuple[str, str]:
    """Why no challenger is compared with live, and what would change that."""
    versions = store.versions.all(model)
    waiting = [each.version for each in versions if each.state is VersionState.WAITING]
    if store.versions.deployment(model) is None:
        return "nothing was ever live", f"adapterctl init {model} --base TAG"
    if not versions:
        return "there is no version yet", RETRAIN
    if waiting and budget.left < LEAST_LEVEL:
        return (
            "nothing is left of the error budget of this year",
            "it grows every night; evaluation.error_budget sets it",
        )
    if waiting:
        found = ", ".join(waiting)
        return (
            f"{found} waits, and no night has chosen a challenger since",
            "the next night does, or `adapterctl evidence --now`, unless it does worse than live on the frozen set",
        )
    newest = versions[-1]
    why = newest.reason.removeprefix(f"{newest.state}: ")
    return f"no candidate waits; the newest, {newest.version}, is {newest.state}: {why}", RETRAIN
