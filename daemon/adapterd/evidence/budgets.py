"""The budgets of errors in the store: what is left of them by now, and what follows from how a comparison ended."""

from dataclasses import dataclass
from datetime import timedelta

from adapterd.evaluation.error_budget import ErrorBudget
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Purpose

WATCH_YEARLY = 0.02
"""The probability that within a year anything is taken back that is not worse."""


@dataclass(frozen=True)
class Budgets:
    """The two budgets of a model; `yearly` is what a year may cost for each purpose."""

    store: Store
    model: str
    yearly: dict[Purpose, float]

    def now(self, purpose: Purpose) -> ErrorBudget:
        """What is there by now; a clock that was set back brings nothing."""
        whole, found = self.yearly[purpose], self.store.comparisons.budget(self.model, purpose)
        if found is None:
            return ErrorBudget.of(whole)
        left, staked, at = found
        nights = max(0.0, (self.store.clock() - at) / timedelta(days=1))
        return ErrorBudget(whole, left, staked).after(nights)

    def stake(self, purpose: Purpose, *, all_of_it: bool = False) -> float:
        """Take the stake of a comparison that begins, half of what is left or all of it; returns it."""
        before = self.now(purpose)
        after = before.begun(1.0) if all_of_it else before.begun()
        self._keep(purpose, after)
        return float(after.staked)

    def proven(self, purpose: Purpose) -> None:
        """Give back the stake of what was proven."""
        self._keep(purpose, self.now(purpose).promoted())

    def ended(self, purpose: Purpose, log_capital: float) -> None:
        """Give back what is left of the stake of what ended otherwise."""
        self._keep(purpose, self.now(purpose).dropped(log_capital))

    def _keep(self, purpose: Purpose, budget: ErrorBudget) -> None:
        self.store.comparisons.set_budget(self.model, purpose, float(budget.left), float(budget.staked))
