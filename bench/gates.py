"""How honest the gates are: `python -m bench.gates [NAME …]`, written to bench/gates.json.

Answers are simulated: every case has a difficulty of its own, both models meet it, and what is true of them is known.
Skewed worlds, in which most cases gain a little and a few are broken, are in gates_skewed.py.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adapterd.config import GateRule
from adapterd.evaluation.gates import LIVE, Measured, judge
from adapterd.evaluation.metrics.metric import Metric, mean_of, share_of
from adapterd.evaluation.statistics import LEVEL, Paired, compare
from adapterd.evaluation.verdict import Decision
from bench import gates_skewed, results
from bench.gates_skewed import paired

FILE = Path(__file__).parent / "gates.json"
COVERED, PAIRS, TRIES = 1000, 400, 200
SIZES = (50, 100, 200)
GAINS = (0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3)
WANTED_POWER = 0.8
PER_SOURCE = 4
VALID: Metric = share_of("json_valid", "", lambda *_: True)
FIELDS: Metric = mean_of("field_f1", "", lambda *_: 0.0)
RULES = {metric.name: GateRule(critical=True) for metric in (VALID, FIELDS)}
Simulate = Callable[[np.random.Generator, int], tuple[Paired, float]]


def yes_or_no(random: np.random.Generator, cases: int) -> tuple[Paired, float]:
    """Both models pass easy cases more often; ours passes 5 points more."""
    easy = random.beta(4, 2, cases)
    ours = random.random(cases) < np.minimum(1, easy * 1.075)
    theirs = random.random(cases) < easy
    truth = float(np.minimum(1, np.random.default_rng(0).beta(4, 2, 1_000_000) * 1.075).mean() - 4 / 6)
    return paired(VALID, ours.astype(float), theirs.astype(float)), truth


def scores(random: np.random.Generator, cases: int) -> tuple[Paired, float]:
    """Scores that mostly agree: four cases of ten differ."""
    theirs = random.beta(4, 2, cases)
    changed = np.where(random.random(cases) < 0.4, random.uniform(-0.3, 0.5, cases), 0.0)
    return paired(FIELDS, theirs + changed, theirs), 0.04


def clustered(random: np.random.Generator, cases: int) -> tuple[Paired, float]:
    """Four cases of each source, which are good or bad together."""
    sources = np.repeat(np.arange(cases // PER_SOURCE), PER_SOURCE)
    theirs = random.random(len(sources))
    together = random.normal(0, 0.1, sources.max() + 1)[sources]
    return paired(FIELDS, theirs + 0.03 + together + random.normal(0, 0.1, len(sources)), theirs, sources), 0.03


def coverage(cases: int = 100, simulations: int = COVERED) -> dict[str, Any]:
    """How often the interval holds what is true, over all kinds and for each."""
    kinds: dict[str, Simulate] = {"yes_or_no": yes_or_no, "scores": scores, "clustered": clustered}
    held = {name: _covered(kind, cases, simulations) for name, kind in kinds.items()}
    return {
        "nominal": LEVEL, "measured": round(float(np.mean(list(held.values()))), 4), "simulations": simulations,
        "cases": cases, **held,
    }  # fmt: skip


def _covered(kind: Simulate, cases: int, simulations: int) -> float:
    random, held = np.random.default_rng(1), 0
    for seed in range(simulations):
        simulated, truth = kind(random, cases)
        interval = compare(simulated, seed=seed).interval
        held += interval.low <= truth <= interval.high
    return round(held / simulations, 4)


def false_promotion(pairs: int = PAIRS, cases: int = 100) -> dict[str, Any]:
    """How often one of two models that are equally good is promoted over the other."""
    random = np.random.default_rng(2)
    promoted = sum(_verdict(random, cases, 0.0) is Decision.PROMOTE for _ in range(pairs))
    return {"rate": round(promoted / pairs, 4), "pairs": pairs, "cases": cases}


def power(tries: int = TRIES) -> dict[str, Any]:
    """The smallest real gain of both metrics, of those tried, that is promoted four times of five."""
    found: dict[str, Any] = {"power": WANTED_POWER, "tries": tries}
    for cases in SIZES:
        random = np.random.default_rng(3)
        shares = ((gain, np.mean(_promoted(random, cases, gain, tries))) for gain in GAINS)
        found[str(cases)] = next((gain for gain, share in shares if share >= WANTED_POWER), None)
    return found


def _promoted(random: np.random.Generator, cases: int, gain: float, tries: int) -> list[bool]:
    return [_verdict(random, cases, gain) is Decision.PROMOTE for _ in range(tries)]


def _verdict(random: np.random.Generator, cases: int, gain: float) -> Decision:
    """What the default gates of a JSON task say of a model that is better by `gain` in both metrics."""
    easy = random.beta(4, 2, cases) * (1 - gain)
    valid = [(random.random(cases) < share).astype(float) for share in (easy + gain, easy)]
    good = [np.clip(share + random.normal(0, 0.15, cases), 0, 1) * passed
            for share, passed in zip((easy + gain, easy), valid, strict=True)]  # fmt: skip
    measured = [
        Measured(metric, float(ours.mean()), {LIVE: compare(paired(metric, ours, theirs))})
        for metric, (ours, theirs) in ((VALID, valid), (FIELDS, good))
    ]
    return judge(measured, RULES, primary=FIELDS.name).decision


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "coverage": coverage, "false_promotion": false_promotion, "power": power, "skewed": gates_skewed.skewed,
    "skewed_drift": gates_skewed.skewed_drift, "needed": gates_skewed.needed,
}  # fmt: skip


def main(names: Sequence[str]) -> None:
    """Measure and keep what was asked for."""
    for name in names or PARTS:
        found = PARTS[name]()
        results.write({name: found}, FILE)
        print(name, found, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*PARTS, []], metavar="NAME", help=", ".join(PARTS))
    main(parser.parse_args().names)
