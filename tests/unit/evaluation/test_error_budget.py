"""A year's budget of false promotions: what it promises whatever is done with it, and what it gives back."""

import itertools

import numpy as np
import pytest

from adapterd.evaluation.e_process import EProcess
from adapterd.evaluation.error_budget import AT_ONCE, NIGHTS, STAKED, ErrorBudget

YEARLY = 0.05


def test_what_is_left_and_what_a_stake_is_worth_never_rise_in_expectation() -> None:
    """Exactly, over all outcomes of four looks at a fair coin; the challenger is dropped as soon as it loses."""
    worth = []
    for path in itertools.product([0.5, -0.5], repeat=4):
        budget = ErrorBudget.of(YEARLY).begun()
        process = EProcess(budget.staked)
        for difference in path:
            process = process.after(np.array([difference]))
            if process.log < 0:
                budget = budget.dropped(process.log).begun()
                process = EProcess(budget.staked)
        worth.append(budget.left + budget.staked * np.exp(process.log))
    assert np.mean(worth) <= ErrorBudget.of(YEARLY).left + 1e-12


@pytest.mark.parametrize("dropped_at", [0.5, 1.0])
def test_a_year_of_challengers_that_are_no_better_hardly_ever_promotes_one(dropped_at: float) -> None:
    years, random = 1000, np.random.default_rng(1)
    zero = np.zeros(years)
    budget = ErrorBudget(YEARLY, zero + ErrorBudget.of(YEARLY).left, zero).begun()
    process, promoted = EProcess(budget.staked, log=zero, highest=zero), np.zeros(years, bool)
    for _ in range(NIGHTS):
        budget = budget.after()
        process = process.after(np.clip(random.normal(0, 0.2, (years, 5)), -1, 1))
        promoted |= process.proven
        out = process.log < np.log(max(dropped_at, 1e-300))
        dropped = budget.dropped(process.log).begun()
        budget = ErrorBudget(
            YEARLY, np.where(out, dropped.left, budget.left), np.where(out, dropped.staked, budget.staked)
        )
        process = EProcess(budget.staked, log=np.where(out, 0, process.log), highest=np.where(out, 0, process.highest))
    assert promoted.mean() <= YEARLY + 0.02  # three standard errors above


def test_a_promotion_costs_nothing_and_a_loss_what_was_lost() -> None:
    start = ErrorBudget.of(YEARLY)
    begun = start.begun()
    assert begun.staked == pytest.approx(YEARLY * AT_ONCE * STAKED)
    assert begun.left + begun.staked == pytest.approx(start.left)
    assert begun.promoted().left == pytest.approx(start.left)
    assert begun.dropped(np.log(0.4)).left == pytest.approx(start.left - 0.6 * begun.staked)
    assert begun.dropped(np.log(30.0)).left == pytest.approx(start.left), "gains are not handed on"


def test_a_year_brings_no_more_than_its_budget() -> None:
    empty = ErrorBudget(YEARLY, 0.0)
    assert empty.after(NIGHTS).left == pytest.approx(YEARLY * (1 - AT_ONCE))
    full = ErrorBudget.of(YEARLY).begun()
    for _ in range(NIGHTS):
        full = full.after()
    assert full.left + full.staked == pytest.approx(YEARLY * AT_ONCE), "what is left and staked is never more than this"


@pytest.mark.parametrize("yearly", [0.0, 1.0, -0.1])
def test_a_budget_that_is_no_probability_is_refused(yearly: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        ErrorBudget.of(yearly)


def test_a_smaller_budget_never_leaves_less_than_nothing() -> None:
    begun = ErrorBudget.of(YEARLY).begun()
    smaller = ErrorBudget(YEARLY / 5, begun.left, begun.staked)
    assert smaller.after(1.0).left == 0.0
    assert smaller.dropped(0.0).left == pytest.approx(YEARLY / 5 * AT_ONCE)
