"""A year of nights under the rules that a season is measured against: one exam on the same frozen set every time.

A run begins as soon as there are 50 new records. `first_rule` promotes what the frozen set proves to be better, by the
bounds of docs/decisions/0014-bounded-means.md; `two_means` promotes what scores higher on it, which is what comparing a
champion and a challenger by one metric does.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from adapterd.evaluation.bounded_mean import ORDERS, bets, log_capitals
from bench.season_rule import FROZEN, NIGHTS, TINY, Rows
from bench.season_worlds import Array, Random, World, symmetric

RECORDS = 50
ALPHA = 0.05
Proven = Callable[[Array], Rows]
"""Which candidates are promoted, by the differences on the frozen set, shape (years, cases)."""


@dataclass
class Exams:
    """What happened in each year, arrays (years,); see season_rule.Outcome."""

    first_night: Array
    worse: Array
    not_better: Array
    promotions: Array
    quality: Array


def first_rule(differences: Array) -> Rows:
    """Whether the lower bound of the mean is above 0."""
    random = np.random.default_rng(0)
    orders = np.stack([random.permutation(differences.shape[-1]) for _ in range(ORDERS)])
    ordered = differences[:, orders]
    capitals = log_capitals(ordered, bets(ordered, ALPHA), 0.0)
    return np.asarray(np.logaddexp.reduce(capitals, axis=-1) - math.log(ORDERS) >= -math.log(ALPHA))


def two_means(differences: Array) -> Rows:
    """Whether the mean is above 0."""
    return np.asarray(differences.mean(axis=-1) > 0)


def exams(world: World, proven: Proven, years: int, random: Random) -> Exams:
    """All nights of a world without guard rails; what each version answers to the frozen set stays the same."""
    found = Exams(np.full(years, np.inf), *np.zeros((4, years)))
    live, luck = np.zeros(years), _first(world, years, random)
    waiting = RECORDS
    for night in range(1, NIGHTS + 1):
        waiting += world.corrections
        if waiting < RECORDS:
            continue
        waiting = 0
        candidate = world.candidate(random, night, live)
        own = _answers(world, years, random)
        gain = candidate - live
        rows = proven(np.clip(gain[:, None] + own - luck, -1, 1))
        found.worse += rows & (gain < -TINY)
        found.not_better += rows & (gain <= TINY)
        found.promotions += rows
        live, luck = np.where(rows, candidate, live), np.where(rows[:, None], own, luck)
        found.first_night[rows & (live >= world.goal - TINY) & np.isinf(found.first_night)] = night
    found.quality = live
    return found


def _answers(world: World, years: int, random: Random) -> Array:
    """By how much a version's scores on the frozen set are off its true quality."""
    share = math.sqrt(0.5) if world.draw is symmetric else 1.0
    return share * world.draw(random, 0.0, (years, FROZEN))


def _first(world: World, years: int, random: Random) -> Array:
    """The same of the first live version: in the skewed worlds candidates are broken in a few cases, and it is not."""
    return _answers(world, years, random) if world.draw is symmetric else np.zeros((years, FROZEN))
