"""What follows a promotion, and how often a confidence sequence holds the truth, over 365 looks."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapterd.evaluation.e_process import ConfidenceSequence, EProcess, new_units
from adapterd.evaluation.error_budget import ErrorBudget
from bench.season_rule import NIGHTS, Processes, Rule, _where
from bench.season_worlds import Array, Draw, Random, rarely_broken, skewed, symmetric, yes_or_no

EACH = 10
EVERY = 30
"""In the worst year for the watch a version is promoted so often, in nights, and each is as good as the one before."""
LOSSES = (0.03, 0.05, 0.1, 0.3)
LEVEL = 0.95
SHAPES: dict[str, Draw] = {
    "symmetric": symmetric,
    "skewed": skewed,
    "skewed the other way": lambda random, mean, shape: -skewed(random, -mean, shape),
    "1 % lose 0.99": rarely_broken,
    "yes or no": yes_or_no,
}
SOURCES, OF_SOURCE, ASKED = 200, 0.1, 4
"""Sources in the clustered world, the spread of their true differences, and cases each night."""


def watch(years: int) -> dict[str, Any]:
    """In how many nights (the median) a version that is worse is taken back, and in what share of years one that is
    not; the worst shape counts."""
    rates = {name: false_rollbacks(draw, years) for name, draw in SHAPES.items()}
    nights = {f"{lost:g}": _nights(symmetric, lost, years) for lost in LOSSES}
    return {
        "nights": nights, "false_per_year": max(rates.values()), "worst": max(rates, key=lambda name: rates[name]),
        "years": years, "promotions_per_year": NIGHTS // EVERY, "yearly": Rule.watch_yearly, "corrections": EACH,
        "by_shape": rates,
    }  # fmt: skip


def _nights(draw: Draw, lost: float, years: int) -> float:
    random, process = np.random.default_rng(8), Processes(years)
    first, everyone = np.full(years, np.inf), np.ones(years, bool)
    process.begin(everyone, np.full(years, ErrorBudget.of(Rule.watch_yearly).begun().staked))
    for night in range(1, Rule.watch_nights + 1):
        process.see(everyone, draw(random, lost, (years, EACH)))
        first[process.proven & np.isinf(first)] = night
    return float(np.median(first))


def false_rollbacks(draw: Draw, years: int) -> float:
    """The share of years in which a version is taken back that is as good as the one before."""
    random, process, everyone = np.random.default_rng(9), Processes(years), np.ones(years, bool)
    zero = np.zeros(years)
    budget = ErrorBudget(Rule.watch_yearly, ErrorBudget.of(Rule.watch_yearly).left + zero, zero)
    watching, ever = np.zeros((2, years), bool)
    for night in range(NIGHTS):
        budget = budget.after()
        if night % EVERY == 0:
            budget = _where(watching, budget.dropped(process.log), budget).begun()
            process.begin(everyone, budget.staked)
            watching = everyone.copy()
        process.see(everyone, draw(random, 0.0, (years, EACH)))
        back = watching & process.proven
        budget, watching, ever = _where(back, budget.promoted(), budget), watching & ~back, ever | back
    return round(float(ever.mean()), 4)


def sequential_coverage(runs: int) -> dict[str, Any]:
    """How often the confidence sequence holds the true mean at all looks of a year; the worst world counts."""
    worlds: dict[str, Callable[[int], float]] = {
        f"{name}, true mean {mean:g}": partial(_held, draw, mean)
        for name, draw in SHAPES.items() for mean in (0.0, 0.05)
    }  # fmt: skip
    held = {**{name: measure(runs) for name, measure in worlds.items()}, "sources": _held_by_sources(runs)}
    worst = min(held, key=lambda name: held[name])
    return {
        "measured": held[worst], "nominal": LEVEL, "worst": worst, "runs": runs, "looks": NIGHTS, "each": EACH,
        "by_world": held,
    }  # fmt: skip


def _held(draw: Draw, mean: float, runs: int) -> float:
    """The share of runs in which neither bound ever excludes the mean: each is an e-process against just that mean."""
    random, zero = np.random.default_rng(10), np.zeros(runs)
    level = (1 - LEVEL) / 2
    below = EProcess(level, mean, log=zero, highest=zero)
    above = EProcess(level, -mean, log=zero, highest=zero)
    for _ in range(NIGHTS):
        values = draw(random, mean, (runs, EACH))
        below, above = below.after(values), above.after(-values)
    return round(float(1 - (below.proven | above.proven).mean()), 4)


def _held_by_sources(runs: int) -> float:
    return round(float(np.mean([_run_of_sources(np.random.default_rng([11, run])) for run in range(runs)])), 4)


def _run_of_sources(random: Random) -> bool:
    """Whether the bounds of one run hold the mean of all sources there could be, 0.02: each of some sources comes back
    on many nights, and its cases are good or bad together."""
    which = random.integers(0, SOURCES, (NIGHTS, ASKED)).ravel()
    looks: NDArray[np.int64] = np.repeat(np.arange(NIGHTS), ASKED)
    true = random.choice([0.02 - OF_SOURCE, 0.02 + OF_SOURCE], SOURCES)
    values: Array = np.clip(true[which] + random.normal(0, 0.1, len(which)), -1, 1)
    units, at, _ = new_units(values.tolist(), looks.tolist(), which.tolist())
    level = (1 - LEVEL) / 2
    sides = ConfidenceSequence(units, at).e_process(level, 0.02), ConfidenceSequence(-units, at).e_process(level, -0.02)
    return not any(side.proven for side in sides)
