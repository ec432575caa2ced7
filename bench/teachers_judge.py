"""How honest the calibrated mean of a judge is: `python -m bench.teachers_judge`, into `judge` of bench/teachers.json.

People's votes, the judge's verdicts and the truth are simulated, so that it is known how often the interval of
evaluation/judging/estimate.py holds the truth, beside an interval of the judge alone. `fails` are worlds in which it
does not have to hold: the judge is another one on the pool, or the votes are not on a random part.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from adapterd.evaluation.bounded_mean import Array
from adapterd.evaluation.judging.estimate import LEAST_VOTES, CalibratedMean, calibrated_mean
from adapterd.evaluation.statistics import LEVEL
from bench import results

FILE = Path(__file__).parent / "teachers.json"
SIMULATIONS = 1000
SIZES = ((30, 300), (60, 120), (60, 600), (120, 1200))
EFFECTS = (0.0, 0.1, 0.3, 0.6)
TIES = 0.2
MANY = 400_000
Judged = Callable[[np.random.Generator, Array], Array]


def people(random: np.random.Generator, effect: float, shape: tuple[int, ...]) -> Array:
    """Votes of 1, 0 and -1 with the mean `effect`."""
    return random.choice([1.0, 0.0, -1.0], shape, p=[(1 - TIES + effect) / 2, TIES, (1 - TIES - effect) / 2])


def right(random: np.random.Generator, votes: Array, share: float) -> Array:
    """As people in `share` of the cases, else by chance."""
    return np.where(random.random(votes.shape) < share, votes, people(random, 0.0, votes.shape))


def position(random: np.random.Generator, votes: Array) -> Array:
    """In four pairs of ten for what is shown first: both orders are asked, so these are ties."""
    swayed = random.random(votes.shape) < 0.4
    orders = (np.where(swayed, side, right(random, votes, 0.7)) for side in (1.0, -1.0))
    result: Array = sum(orders, np.zeros(votes.shape)) / 2
    return result


def first_only(random: np.random.Generator, votes: Array) -> Array:
    """The same, asked in one order: ours is always first."""
    return np.where(random.random(votes.shape) < 0.4, 1.0, right(random, votes, 0.7))


def length(random: np.random.Generator, votes: Array) -> Array:
    """For the longer answer, and ours are longer by themselves."""
    return np.sign(votes + 0.9 * random.normal(0.4, 1.0, votes.shape))


def generous(random: np.random.Generator, votes: Array) -> Array:
    """For ours in half of the pairs, whatever they are."""
    return np.where(random.random(votes.shape) < 0.5, 1.0, right(random, votes, 0.9))


def family(random: np.random.Generator, votes: Array) -> Array:
    """As people, and then a step towards its own family."""
    return np.clip(0.8 * right(random, votes, 0.9) + 0.3, -1, 1)


def rarely_wrong(random: np.random.Generator, votes: Array) -> Array:
    """As people but in three pairs of a hundred, all for ours."""
    return np.where(random.random(votes.shape) < 0.03, 1.0, votes)


JUDGES: dict[str, Judged] = {
    "good": lambda random, votes: right(random, votes, 0.8), "position": position, "first_only": first_only,
    "length": length, "generous": generous, "family": family, "rarely_wrong": rarely_wrong,
    "random": lambda random, votes: people(random, 0.0, votes.shape),
    "anti": lambda random, votes: np.where(random.random(votes.shape) < 0.7, -votes, votes),
}  # fmt: skip


def simulate(judge: Judged, effect: float, votes: int, pool: int, simulations: int) -> Iterator[CalibratedMean]:
    """Seasons of votes and verdicts, each from a seed of its own."""
    for seed in range(simulations):
        random = np.random.default_rng(seed)
        said = people(random, effect, (votes + pool,))
        judged = judge(random, said)
        yield calibrated_mean(said[:votes], judged[:votes], judged[votes:])


def held(found: CalibratedMean, truth: float) -> bool:
    """Whether the interval holds the truth."""
    return found.interval.low <= truth <= found.interval.high


def alone_holds(found: CalibratedMean, spread: float, truth: float) -> bool:
    """Whether the usual 95 % interval of the judge's own verdicts holds what people would say."""
    return abs(found.by_judge - truth) <= 1.96 * spread / math.sqrt(found.votes + found.pool)


def measured(name: str, simulations: int = SIMULATIONS) -> dict[str, Any]:
    """Coverage in each world of a judge, the worst and the mean, and what it saves."""
    judge, worlds, saved, alone = JUDGES[name], {}, [], []
    for effect in EFFECTS:
        random = np.random.default_rng(7)
        spread = float(judge(random, people(random, effect, (MANY,))).std())
        for votes, pool in SIZES:
            found = list(simulate(judge, effect, votes, pool, simulations))
            worlds[f"{votes}+{pool}, {effect:g}"] = float(np.mean([held(each, effect) for each in found]))
            alone.append(float(np.mean([alone_holds(each, spread, effect) for each in found])))
            saved.append(float(np.mean([each.votes_saved for each in found])))
    worst = min(worlds, key=lambda world: worlds[world])
    return {
        "coverage": round(worlds[worst], 4), "worst": worst,
        "mean_coverage": round(float(np.mean(list(worlds.values()))), 4),
        "judge_alone_coverage": round(float(np.mean(alone)), 4), "votes_saved": round(float(np.mean(saved)), 4),
    }  # fmt: skip


def drifting(random: np.random.Generator, effect: float, votes: int, pool: int) -> CalibratedMean:
    """The judge is exchanged behind the votes: on the pool it is generous."""
    said, rest = people(random, effect, (votes,)), people(random, effect, (pool,))
    return calibrated_mean(said, right(random, said, 0.8), generous(random, right(random, rest, 0.8)))


def chosen_votes(random: np.random.Generator, effect: float, votes: int, pool: int) -> CalibratedMean:
    """People vote where ours did well: a pair that they would give to it is voted on three times as often."""
    said = people(random, effect, (votes + pool,))
    judged = right(random, said, 0.8)
    odds = np.where(said > 0, 3.0, 1.0)
    which = random.choice(len(said), votes, replace=False, p=odds / odds.sum())
    rest = np.setdiff1d(np.arange(len(said)), which)
    return calibrated_mean(said[which], judged[which], judged[rest])


def few_topics(random: np.random.Generator, effect: float, votes: int, pool: int) -> CalibratedMean:
    """Votes hang together in sixes (one conversation each), and are given as if they did not."""
    said = np.repeat(people(random, effect, ((votes + pool) // 6,)), 6)
    judged = right(random, said, 0.8)
    return calibrated_mean(said[:votes], judged[:votes], judged[votes:])


FAILS = {"judge_drifts": drifting, "votes_chosen": chosen_votes, "votes_hang_together": few_topics}


def failing(simulations: int = SIMULATIONS) -> dict[str, float]:
    """Coverage where what the interval rests on is not so, of 60 votes and a pool of 600."""
    return {
        name: round(float(np.mean([held(world(np.random.default_rng(seed), 0.1, 60, 600), 0.1)
                                   for seed in range(simulations)])), 4)
        for name, world in FAILS.items()
    }  # fmt: skip


def main() -> None:
    """Measure all judges and keep what was found."""
    judges = {}
    for name in JUDGES:
        judges[name] = measured(name)
        print(name, judges[name], flush=True)
    misled = [judges[name]["judge_alone_coverage"] for name in ("first_only", "length", "generous", "family", "anti")]
    found = {
        "nominal": LEVEL, "coverage": min(each["coverage"] for each in judges.values()), "simulations": SIMULATIONS,
        "worlds": len(JUDGES) * len(EFFECTS) * len(SIZES), "least_votes": LEAST_VOTES,
        "votes_saved": judges["good"]["votes_saved"], "judge_alone_coverage": round(float(np.mean(misled)), 4),
        "judges": judges, "fails": failing(),
    }  # fmt: skip
    results.write({"judge": found}, FILE)
    print(found)


if __name__ == "__main__":
    main()
