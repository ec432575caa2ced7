"""How often a judge lets a version pass that nobody prefers, when it is looked at as votes come, and what that costs:
`python -m bench.teachers_judge_looks`, into `looks` of bench/teachers.json.

Each season has 480 votes and 600 further pairs that only the judge sees, and is looked at by the rule of
evaluation/judging/looks.py: at 30, 60, 120, 240 and 480 votes. What is not looked at yet of the votes is judged, too. A
season passes once the lower end of a look is above what the gate asks for. Agreement with people, which a gate asks for
as well, is left out: it only makes fewer seasons pass. Beside it: one look at so many votes, and a look after every ten
votes, both at the usual level, and people's votes alone by the same looks.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adapterd.evaluation.bounded_mean import Array
from adapterd.evaluation.judging.estimate import LEAST_VOTES, calibrated_mean
from adapterd.evaluation.judging.looks import level_of_look, votes_of_look
from adapterd.evaluation.statistics import LEVEL
from bench import results
from bench.teachers_judge import JUDGES, people

FILE = Path(__file__).parent / "teachers.json"
SIMULATIONS = 2000
LOOKS, POOL = 5, 600
MOST = votes_of_look(LOOKS)
ASKED = (0.0, 0.3)
"""What the gate asks for, as a mean of votes in -1…1: a share of 50 % and of 65 %."""
GAINS = (0.1, 0.2, 0.3, 0.5)
OFTEN = 10
OFTEN_SIMULATIONS = 200


def first_passed(said: Array, judged: Array, asked: float, *, alone: bool = False) -> int:
    """The votes of the first look whose lower end is above what is asked; 0 where none is."""
    for number in range(1, LOOKS + 1):
        if _passes(said, judged, votes_of_look(number), level_of_look(number), asked, alone=alone):
            return votes_of_look(number)
    return 0


def _passes(said: Array, judged: Array, votes: int, level: float, asked: float, *, alone: bool = False) -> bool:
    found = calibrated_mean(said[:votes], judged[:votes], judged[votes:], level=level)
    return (found.people_interval if alone else found.interval).low > asked


def seasons(name: str, mean: float, simulations: int) -> Sequence[tuple[Array, Array]]:
    """What people say of all pairs, and what the judge does, each season from a seed of its own."""
    found = []
    for seed in range(simulations):
        random = np.random.default_rng(seed)
        said = people(random, mean, (MOST + POOL,))
        found.append((said, JUDGES[name](random, said)))
    return found


def false_positives(name: str) -> dict[str, float]:
    """Of seasons whose true mean is what the gate asks for: the share that passes at any look."""
    return {
        f"{asked:g}": float(np.mean([first_passed(*each, asked) > 0 for each in seasons(name, asked, SIMULATIONS)]))
        for asked in ASKED
    }


def power(name: str) -> dict[str, Any]:
    """Of seasons with a gain: the shares that have passed by 30, 60, … votes, by the looks with the judge and without,
    and by one look at so many at the usual level, which nobody can choose beforehand."""
    found = {}
    for gain in GAINS:
        played = seasons(name, gain, SIMULATIONS // 4)
        looked, alone = ([first_passed(*each, 0.0, alone=bare) for each in played] for bare in (False, True))
        found[f"{gain:g}"] = {
            str(votes_of_look(number)): {
                "looks": _by(looked, votes_of_look(number)), "people": _by(alone, votes_of_look(number)),
                "one_look": float(np.mean([
                    _passes(*each, votes_of_look(number), LEVEL, 0.0) for each in played
                ])),
            }
            for number in range(1, LOOKS + 1)
        }  # fmt: skip
    return found


def _by(passed: Sequence[int], votes: int) -> float:
    return float(np.mean([0 < each <= votes for each in passed]))


def often(name: str) -> float:
    """The share of seasons without a gain that passes with a look after every ten votes at the usual level."""
    steps = range(LEAST_VOTES, MOST + 1, OFTEN)
    return float(np.mean([
        any(_passes(*each, votes, LEVEL, 0.0) for votes in steps) for each in seasons(name, 0.0, OFTEN_SIMULATIONS)
    ]))  # fmt: skip


def errors() -> dict[str, Any]:
    """How often a version passes that nobody prefers, by all judges."""
    judges = {}
    for name in JUDGES:
        judges[name] = false_positives(name)
        print(name, judges[name], flush=True)
    return {
        "false_positives": max(max(each.values()) for each in judges.values()), "promised": (1 - LEVEL) / 2,
        "simulations": SIMULATIONS, "votes": MOST, "pool": POOL, "judges": judges,
        "every_ten_votes": {name: often(name) for name in ("good", "generous")},
    }  # fmt: skip


def main() -> None:
    """Measure all judges and keep what was found."""
    found = {**errors(), "power": {name: power(name) for name in ("good", "position", "generous")}}
    results.write({"looks": found}, FILE)
    print(found)


if __name__ == "__main__":
    main()
