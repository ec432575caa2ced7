"""Worlds for a year of nights: what is true of each night's candidate, and how the answers of two versions differ.

All years of a world are simulated at once; arrays have a row for each. A quality is a true mean score, that of the
first live version is 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
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
OF_ANSWERS, ALIKE, CORRECTED = 0.3, 0.875, 0.3
"""The spread of one version's scores, the correlation of two versions' (their differences spread by SPREAD), and the
share of live's answers, the worst ones, that people correct."""
SLIGHT = -0.003


@dataclass(frozen=True)
class World:
    """`corrections` come each day; `guards` are the true differences of the guard rails from those of the
    first live version; candidates reach the quality `goal` from the night `after` on, if ever."""

    name: str
    candidate: Candidate
    draw: Draw
    corrections: int = 10
    guards: tuple[float, ...] = ()
    goal: float = np.inf
    after: int = 0


def symmetric(random: Random, mean: Any, shape: tuple[int, ...]) -> Array:
    return np.asarray(np.clip(mean + SPREAD * random.standard_normal(shape), -1, 1))


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


def mistakes_of_live(random: Random, mean: Any, shape: tuple[int, ...]) -> Array:
    """Cases that are there because live answered them badly; `mean` is that over all that was asked."""
    live = random.choice(_mistakes(), shape)
    own = np.sqrt(1 - ALIKE**2) * OF_ANSWERS * random.standard_normal(shape)
    return np.asarray(np.clip(mean - (1 - ALIKE) * live + own, -1, 1))


@cache
def _mistakes() -> Array:
    scores = np.sort(OF_ANSWERS * np.random.default_rng(4).standard_normal(100_000))
    return scores[: int(CORRECTED * len(scores))]


def always(gain: float) -> Candidate:
    """Every candidate is better than the first live version by `gain`; after one is live, all others are its equals."""
    return lambda _random, _night, live: np.full_like(live, gain)


def against_live(gain: float) -> Candidate:
    """Every candidate is better than the present live version by `gain`."""
    return lambda _random, _night, live: live + gain


def later(gain: float, nights: int) -> Candidate:
    """Candidates are live's equals, and from then on better than the first live version by `gain`."""
    return lambda _random, night, live: np.full_like(live, gain if night > nights else 0.0)


def scattered(spread: float, mean: float = 0.0) -> Candidate:
    """Candidates are better or worse than live by chance."""
    return lambda random, _night, live: live + random.normal(mean, spread, live.shape)


def growing(each_night: float, spread: float) -> Candidate:
    """Each night's training is a little better than the one before, on average."""
    return lambda random, night, live: each_night * night + random.normal(0, spread, live.shape)


def selected() -> dict[str, World]:
    """Worlds in which only what live got wrong becomes a case: what the rule must not take for evidence."""
    gains = {"-0.003": against_live(SLIGHT), "-0.03": against_live(-0.03), "+0.03": always(0.03)}
    found = (World(f"{name}, live's mistakes alone", gain, mistakes_of_live) for name, gain in gains.items())
    return {world.name: world for world in found}


RATES = (5, 10, 30)
GAINS = (0.02, 0.03, 0.05)


def worlds() -> dict[str, World]:
    """All worlds by their names."""
    found = [*_worse(), *_not_better(), *_better(), *_with_guards()]
    return {world.name: world for world in found}


def _worse() -> list[World]:
    slightly = against_live(SLIGHT)
    shapes: dict[str, Draw] = {"": symmetric, " skewed": skewed, " yes or no": yes_or_no}
    other: dict[str, Draw] = {
        "5 % lose 0.6": partial(skewed, broken=0.05, lost=0.6), "1 % lose 0.99": rarely_broken,
    }  # fmt: skip
    return [
        *(World(f"{SLIGHT}{name}, {rate} a day", slightly, draw, rate)
          for name, draw in shapes.items() for rate in RATES),
        *(World(f"{SLIGHT} {name}, 10 a day", slightly, draw) for name, draw in other.items()),
        World("-0.0005, 10 a day", against_live(-0.0005), symmetric),
        World("-0.0005 yes or no, 10 a day", against_live(-0.0005), yes_or_no),
        World("-0.01, 10 a day", against_live(-0.01), symmetric),
        World("falling by 0.0005 a night, 10 a day", growing(-0.0005, 0.0), symmetric),
    ]  # fmt: skip


def _not_better() -> list[World]:
    equal = [World(f"0, {rate} a day", against_live(0.0), symmetric, rate) for rate in RATES]
    return [*equal, World("0 skewed, 10 a day", against_live(0.0), skewed)]


def _better() -> list[World]:
    steady = [
        World(f"+{gain:g}, {rate} a day", always(gain), symmetric, rate, goal=gain)
        for gain in GAINS for rate in RATES
    ]  # fmt: skip
    skew = [World(f"+{gain:g} skewed, 10 a day", always(gain), skewed, goal=gain) for gain in GAINS]
    late = [
        World(f"0, then +{gain:g} after 180 nights, 10 a day", later(gain, 180), symmetric, goal=gain, after=180)
        for gain in GAINS
    ]
    others = [
        World("scattered by 0.02 around live, 10 a day", scattered(0.02), symmetric),
        World("scattered by 0.02 around live - 0.02, 10 a day", scattered(0.02, -0.02), symmetric),
        World("growing by 0.0005 a night, scattered by 0.01, 10 a day", growing(0.0005, 0.01), symmetric),
    ]
    return [*steady, *skew, *late, *others]


def _with_guards() -> list[World]:
    none, slightly = (0.0, 0.0), against_live(SLIGHT)
    return [
        World("-0.003, 10 a day, 3 critical", slightly, symmetric, guards=none),
        World("-0.003 skewed, 10 a day, 3 critical", slightly, skewed, guards=none),
        *(World(f"+0.05, {rate} a day, a guard rail -0.05", always(0.05), symmetric, rate, (0.0, -0.05))
          for rate in (10, 30)),
        World("+0.05, 10 a day, a guard rail -0.03", always(0.05), symmetric, guards=(0.0, -0.03)),
        *(World(f"+{gain:g}, 10 a day, 3 critical", always(gain), symmetric, guards=none, goal=gain) for gain in GAINS),
    ]  # fmt: skip
