"""Worlds for a year of nights: what is true of each night's candidate, and how the answers of two versions differ.

All years of a world are simulated at once; arrays have a row for each. A quality is a true mean score, that of the first
live version is 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Random = np.random.Generator
Draw = Callable[[Random, Any, tuple[int, ...]], Array]
"""Differences of a shape (years, n), with the true mean of each year, shape (years, 1) or a number."""
Candidate = Callable[[Random, int, Array], Array]
"""The true quality of a night's candidate, by the number of the night and the quality of live, shape (years,)."""

SPREAD = 0.15
"""The standard deviation of paired differences in the symmetric worlds."""
BROKEN, LOST, GAINING = 0.04, 0.45, 0.6
RARE = 0.01
CEILING = 0.03
"""The share of cases that only one of two versions gets right, for each of them, near the ceiling of a yes or no."""
GUARD = 0.01
SLIGHT = -0.003


@dataclass(frozen=True)
class World:
    """`guards` are the true differences of the guard rails from those of live; `corrections` come each day on average."""

    name: str
    candidate: Candidate
    draw: Draw
    corrections: float = 10.0
    guards: tuple[float, ...] = ()


def symmetric(random: Random, mean: Any, shape: tuple[int, ...]) -> Array:
    return np.clip(mean + SPREAD * random.standard_normal(shape), -1, 1)


def skewed(random: Random, mean: Any, shape: tuple[int, ...], *, broken: float = BROKEN, lost: float = LOST) -> Array:
    """Most cases gain a little, a few lose a lot: 60 % gain 0.03 and 4 % lose 0.45 where the mean is 0."""
    u, gained = random.random(shape), (broken * lost + mean) / GAINING
    return np.where(u < GAINING, gained, np.where(u < GAINING + broken, -lost, 0.0))


def rarely_broken(random: Random, mean: Any, shape: tuple[int, ...]) -> Array:
    """One case of a hundred loses nearly all."""
    u, gained = random.random(shape), (RARE * 0.99 + mean) / (1 - RARE)
    return np.where(u < RARE, -0.99, gained)


def yes_or_no(random: Random, mean: Any, shape: tuple[int, ...], *, share: float = CEILING) -> Array:
    u = random.random(shape)
    won = share + np.maximum(mean, 0)
    return np.where(u < won, 1.0, np.where(u < won + share + np.maximum(-mean, 0), -1.0, 0.0))


def always(gain: float) -> Candidate:
    """Every candidate is better than the first live version by `gain`; after one is live, all others are its equals."""
    return lambda random, night, live: np.full_like(live, gain)


def against_live(gain: float) -> Candidate:
    """Every candidate is better than the present live version by `gain`."""
    return lambda random, night, live: live + gain


def later(gain: float, nights: int) -> Candidate:
    """Candidates are live's equals, and from then on better than the first live version by `gain`."""
    return lambda random, night, live: np.full_like(live, gain if night > nights else 0.0)


def scattered(spread: float, mean: float = 0.0) -> Candidate:
    """Candidates are better or worse than live by chance."""
    return lambda random, night, live: live + random.normal(mean, spread, live.shape)


def growing(each_night: float, spread: float) -> Candidate:
    """Each night's training is a little better than the one before, on average."""
    return lambda random, night, live: each_night * night + random.normal(0, spread, live.shape)


RATES = (5.0, 10.0, 30.0)
GAINS = (0.02, 0.03, 0.05)


def worlds() -> dict[str, World]:
    """All worlds by their names."""
    found = [*_none_better(), *_better(), *_with_guards()]
    return {world.name: world for world in found}


def _none_better() -> list[World]:
    worse = [
        World(f"-0.003, {rate:g} a day", against_live(SLIGHT), symmetric, rate) for rate in RATES
    ]
    shapes = {
        "skewed": skewed, "5 % lose 0.6": partial(skewed, broken=0.05, lost=0.6), "1 % lose 0.99": rarely_broken,
        "yes or no": yes_or_no,
    }  # fmt: skip
    skew = [
        World(f"-0.003 {name}, {rate:g} a day", against_live(SLIGHT), draw, rate)
        for name, draw in shapes.items() for rate in RATES
    ]  # fmt: skip
    nearly = [
        World("-0.0005, 10 a day", against_live(-0.0005), symmetric),
        World("-0.0005 skewed, 10 a day", against_live(-0.0005), skewed),
        World("-0.01, 10 a day", against_live(-0.01), symmetric),
        World("falling by 0.0005 a night, 10 a day", growing(-0.0005, 0.0), symmetric),
    ]
    equal = [World(f"0, {rate:g} a day", against_live(0.0), symmetric, rate) for rate in RATES]
    return [*worse, *skew, *nearly, *equal, World("0 skewed, 10 a day", against_live(0.0), skewed)]


def _better() -> list[World]:
    steady = [World(f"+{gain}, {rate:g} a day", always(gain), symmetric, rate) for gain in GAINS for rate in RATES]
    skew = [World(f"+{gain} skewed, 10 a day", always(gain), skewed) for gain in GAINS]
    others = [
        World("0, then +0.03 after 180 nights, 10 a day", later(0.03, 180), symmetric),
        World("0, then +0.05 after 180 nights, 10 a day", later(0.05, 180), symmetric),
        World("scattered by 0.02 around live, 10 a day", scattered(0.02), symmetric),
        World("scattered by 0.02 around live - 0.02, 10 a day", scattered(0.02, -0.02), symmetric),
        World("growing by 0.0005 a night, scattered by 0.01, 10 a day", growing(0.0005, 0.01), symmetric),
    ]
    return [*steady, *skew, *others]


def _with_guards() -> list[World]:
    worse = [
        World("-0.003, 10 a day, 3 critical", against_live(SLIGHT), symmetric, guards=(0.0, 0.0)),
        World("-0.003 skewed, 10 a day, 3 critical", against_live(SLIGHT), skewed, guards=(0.0, 0.0)),
        World("+0.05, 10 a day, a guard rail -0.05", always(0.05), symmetric, guards=(0.0, -0.05)),
        World("+0.05, 10 a day, a guard rail -0.03", always(0.05), symmetric, guards=(0.0, -0.03)),
        World("+0.05, 30 a day, a guard rail -0.05", always(0.05), symmetric, 30.0, guards=(0.0, -0.05)),
    ]
    better = [World(f"+{gain}, 10 a day, 3 critical", always(gain), symmetric, guards=(0.0, 0.0)) for gain in GAINS]
    return [*worse, *better]
