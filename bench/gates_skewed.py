"""How often the gates promote what is not better, where differences are skewed, and how right they are about numbers.

In a skewed world most cases gain a little and a few lose a lot, which is what a fine-tuned model does when it breaks.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from adapterd.config import GateRule
from adapterd.evaluation.gates import LIVE, Measured, judge
from adapterd.evaluation.metrics.metric import Metric, mean_of
from adapterd.evaluation.statistics import Array, Comparison, Paired, compare
from adapterd.evaluation.verdict import Decision

SCORE: Metric = mean_of("token_f1", "", lambda *_: 0.0)
RULES = {SCORE.name: GateRule(critical=True)}
DRAWS = 1000
CASES = (10, 20, 40, 100, 200, 400)
MANY_CASES = (100, 200, 400)
LOSSES = (0.0, -0.003, -0.006, -0.01, -0.015)
BROKEN = ((0.04, 0.45), (0.05, 0.6), (0.02, 0.9))
"""Shares of cases that are broken, and what each of them loses."""
NIGHTS, SEASONS = 50, 40
POWER, POWER_DRAWS = 0.8, 400
Draw = Callable[[np.random.Generator, int], Array]
"""The differences between two models on so many cases."""


@dataclass(frozen=True)
class World:
    """Differences whose true mean is not above 0; `per_source` cases share one difference."""

    name: str
    draw: Draw
    cases: int
    per_source: int = 1


def paired(metric: Metric, ours: Array, theirs: Array, clusters: Any = None) -> Paired:
    """Scores of two models on the same cases."""
    one, where = np.ones(len(ours)), np.arange(len(ours)) if clusters is None else clusters
    return Paired(np.c_[ours, one], np.c_[theirs, one], where, metric.value, metric.bounded, metric.yes_no)


def skewed(draws: int = DRAWS) -> dict[str, Any]:
    """The share of candidates that are promoted in each world, none of which is better than live."""
    rates = {f"{world.name}, {world.cases} cases": _promoted(world, draws) for world in worlds()}
    worst = max(rates, key=lambda name: rates[name])
    return {"rate": round(rates[worst], 4), "worst": worst, "worlds": len(rates), "simulations": draws}


def worlds() -> Iterator[World]:
    """Symmetric and skewed differences, with a true mean of 0 or below, few cases and many, alone and in sources."""
    for name, draw in EQUAL.items():
        yield from (World(name, draw, cases) for cases in CASES)
    for share, lost in BROKEN:
        for mean in LOSSES:
            name = f"{share:.0%} lose {lost:g}, true mean {mean:g}"
            yield from (World(name, partial(_broken, share=share, lost=lost, mean=mean), n) for n in MANY_CASES)
    yield from (World("sources of four, 4 % lose 0.45", EQUAL["4 % lose 0.45"], cases, 4) for cases in CASES)


def skewed_drift() -> dict[str, Any]:
    """The true quality of live after fifty nights of candidates that are truly 0.003 worse: the worst of 100 and 200
    cases, mean over the seasons."""
    share, lost = BROKEN[0]
    found = {}
    for cases in (100, 200):
        night = World("", partial(_broken, share=share, lost=lost, mean=-0.003), cases)
        promotions = NIGHTS * _promoted(night, NIGHTS * SEASONS)
        found[str(cases)] = round(-0.003 * promotions, 5)
    return {"true_quality": min(found.values()), "nights": NIGHTS, "seasons": SEASONS, **found}


def needed() -> dict[str, Any]:
    """By how much the number of cases that a verdict names is off the number that proves it four times of five, where
    what shows is so."""
    errors = {name: round(_error(*at_hand), 3) for name, at_hand in _at_hand().items()}
    return {"worst_error": max(abs(error) for error in errors.values()), "power": POWER, **errors}


def _symmetric(random: np.random.Generator, cases: int) -> Array:
    return np.where(random.random(cases) < 0.4, random.uniform(-0.3, 0.3, cases), 0.0)


def _few(random: np.random.Generator, cases: int) -> Array:
    return np.where(random.random(cases) < 0.06, random.normal(0, 0.3, cases), 0.0)


def _u_shaped(random: np.random.Generator, cases: int) -> Array:
    return random.beta(0.5, 0.5, cases) - random.beta(0.5, 0.5, cases)


def _broken(random: np.random.Generator, cases: int, *, share: float, lost: float, mean: float = 0.0) -> Array:
    """60 % of the cases gain a little, `share` of them lose `lost`."""
    u = random.random(cases)
    return np.where(u < 0.6, (share * lost + mean) / 0.6, np.where(u < 0.6 + share, -lost, 0.0))


def _rare(random: np.random.Generator, cases: int, *, share: float) -> Array:
    """All but `share` of the cases gain `share`, and the others lose all of the rest."""
    return np.where(random.random(cases) < share, share - 1, share)


EQUAL: dict[str, Draw] = {
    "symmetric": _symmetric,
    "6 % differ": _few,
    "u-shaped": _u_shaped,
    "4 % lose 0.45": partial(_broken, share=0.04, lost=0.45),
    "2 % lose 0.5": partial(_broken, share=0.02, lost=0.5),
    "4 % gain 0.45": lambda random, cases: -_broken(random, cases, share=0.04, lost=0.45),
    "5 % lose 0.95": partial(_rare, share=0.05),
    "1 % lose 0.99": partial(_rare, share=0.01),
}


def _promoted(world: World, draws: int) -> float:
    """The share of draws in which the candidate is promoted."""
    random = np.random.default_rng([world.cases, world.per_source])
    return float(np.mean([_is_promoted(random, world) for _ in range(draws)]))


def _is_promoted(random: np.random.Generator, world: World) -> bool:
    sources = max(1, world.cases // world.per_source)
    differences = np.repeat(world.draw(random, sources), world.per_source)
    return _verdict(differences, np.repeat(np.arange(sources), world.per_source))[0] is Decision.PROMOTE


def _verdict(differences: Array, clusters: Any = None) -> tuple[Decision, Comparison]:
    """What the gates say of a candidate whose scores differ by so much from live's, and the comparison."""
    ours, theirs = np.maximum(differences, 0), np.maximum(-differences, 0)
    found = compare(paired(SCORE, ours, theirs, clusters))
    return judge([Measured(SCORE, float(ours.mean()), {LIVE: found})], RULES).decision, found


def _at_hand() -> dict[str, tuple[Array, int]]:
    """Differences of some sources that prove nothing yet, and how many cases each source has."""
    random = np.random.default_rng(5)
    return {
        "scores": (_symmetric(random, 100) * 0.5 + 0.012, 1),
        "yes_or_no": (np.r_[np.ones(9), -np.ones(4), np.zeros(47)], 1),
        "few_cases": (np.r_[np.full(6, 0.7), np.zeros(4)], 1),
        "rarely_broken": (np.r_[np.full(60, 0.05), np.full(4, -0.45), np.zeros(36)], 1),
        "sources": (random.normal(0.15, 0.25, 8), 12),
    }


def _error(differences: Array, per_source: int) -> float:
    where = np.repeat(np.arange(len(differences)), per_source)
    told = _verdict(np.repeat(differences, per_source), where)[1].units_needed(1)
    return told / _truly_needed(differences) - 1 if told else 1.0


def _truly_needed(differences: Array) -> int:
    """The number of cases from which on four of five candidates are promoted, by drawing cases with replacement."""

    def power(count: int) -> float:
        random = np.random.default_rng(count + 1)
        drawn = (random.choice(differences, count) for _ in range(POWER_DRAWS))
        return float(np.mean([_verdict(each)[0] is Decision.PROMOTE for each in drawn]))

    low, high = 1, 2
    while power(high) < POWER:
        low, high = high, high * 2
    while high - low > max(1, high // 40):
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return (low + high) // 2 if high - low > 1 else high
