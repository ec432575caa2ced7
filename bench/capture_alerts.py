"""How capture's alerts do in worlds that are known: `python -m bench.capture_alerts [--years N]` prints two tables.

No change: how many alerts begin in a year of one fault. A change after 100 days: after how many days an alert begins.
Days differ by more than chance where the spread is above 0: each has a rate of its own (beta-distributed, with that
correlation of two answers of a day). Beside the rule stand a daily limit of three standard errors, and the same sum of
evidence with binomial days. Figures stand in docs/decisions/0039-alerts-by-sums-of-evidence.md.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf, isinf, log, log1p, sqrt
from statistics import median

import numpy as np

from adapterd.capture.alerts import APART_DAYS, ENOUGH, FEWEST, alarms, raised

YEAR, BEFORE, AFTER = 365, 100, 90
PER_DAY = (5, 50, 500)
Series = list[tuple[int, int]]
Rule = Callable[[Series], list[int]]


def world(rates: Sequence[float], per_day: int, spread: float, random: np.random.Generator) -> Series:
    """Days with these rates and so many answers each, on average."""
    answers = random.poisson(per_day, len(rates))
    found = np.asarray(rates, dtype=float)
    if spread:
        whole = 1 / spread - 1
        varied = random.beta(np.maximum(found * whole, 1e-9), (1 - found) * whole)
        found = np.where(found > 0, varied, 0.0)
    pairs = zip(random.binomial(answers, found).tolist(), answers.tolist(), strict=True)
    return [(count, of) for count, of in pairs if of]


def by_evidence(days: Series) -> list[int]:
    """The rule: on which days alerts begin."""
    return [alarm.began for alarm in alarms(days)]


def by_daily_limit(days: Series) -> list[int]:
    """Not chosen: a day whose rate is three standard errors above that of the 28 days before."""
    found, is_above = [], False
    for number, (count, of) in enumerate(days):
        faulty, answers = _sums(days[max(0, number - 28) : number])
        if answers < FEWEST:
            continue
        rate = (faulty + 0.5) / (answers + 1)
        was_above, is_above = is_above, count - of * rate > 3 * sqrt(of * rate * (1 - rate))
        if is_above and not was_above:
            found.append(number)
    return found


def by_binomial_evidence(days: Series) -> list[int]:
    """Not chosen: the sum of evidence where days differ by chance alone."""
    found, evidence, is_on = [], 0.0, False
    for number, (count, of) in enumerate(days):
        faulty, answers = _sums(days[max(0, number - APART_DAYS - 90) : max(0, number - APART_DAYS)])
        if answers < FEWEST:
            continue
        rate = (faulty + 0.5) / (answers + 1)
        more = raised(rate)
        likelier = count * log(more / rate) + (of - count) * (log1p(-more) - log1p(-rate))
        evidence = min(ENOUGH, max(0.0, evidence + likelier))
        if evidence >= ENOUGH and not is_on:
            found.append(number)
        is_on = evidence >= ENOUGH or (is_on and evidence > ENOUGH / 2)
    return found


RULES: Mapping[str, Rule] = {
    "the rule": by_evidence, "daily limit": by_daily_limit, "binomial evidence": by_binomial_evidence,
}  # fmt: skip


def _sums(days: Series) -> tuple[int, int]:
    return sum(count for count, _ in days), sum(of for _, of in days)


def unchanged(years: int, random: np.random.Generator) -> Iterator[tuple[str, ...]]:
    """Alerts that begin in a year of a fault, by rate, answers a day and spread."""
    for rate in (0.0, 0.005, 0.02, 0.1):
        for spread in (0.0, 0.01, 0.03) if rate else (0.0,):
            for per_day in PER_DAY:
                series = [world([rate] * YEAR, per_day, spread, random) for _ in range(years)]
                begun = (sum(len(rule(each)) for each in series) / years for rule in RULES.values())
                yield f"{rate:.1%}", f"{spread:g}", str(per_day), *(f"{each:.2f}" for each in begun)


def changed(years: int, random: np.random.Generator) -> Iterator[tuple[str, ...]]:
    """Days until an alert: their median, and the share of series without one in 90 days."""
    changes = {
        "a jump from 2 % to 10 %": [0.02] * BEFORE + [0.1] * AFTER,
        "a jump from 0 % to 5 %": [0.0] * BEFORE + [0.05] * AFTER,
        "a new version at 10 %, 40 % of the answers from its day on":
            [0.02] * BEFORE + [0.4 * 0.1 + 0.6 * 0.02] * AFTER,
        "a drift from 2 % to 10 % in 90 days": [0.02] * BEFORE + np.linspace(0.02, 0.1, AFTER).tolist(),
    }  # fmt: skip
    for name, rates in changes.items():
        for spread in (0.0, 0.03):
            for per_day in PER_DAY:
                series = [world(rates, per_day, spread, random) for _ in range(years)]
                waits = ([_waited(rule(each)) for each in series] for rule in RULES.values())
                yield name, f"{spread:g}", str(per_day), *(
                    f"{median(each):.0f} ({sum(map(isinf, each)) / years:.0%} without one)" for each in waits
                )  # fmt: skip


def _waited(begun: Sequence[int]) -> float:
    return next((day - BEFORE + 1 for day in begun if day >= BEFORE), inf)


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.capture_alerts", description=__doc__)
    parser.add_argument("--years", type=int, default=200, metavar="N", help="series of each world (200)")
    years, random = parser.parse_args(arguments).years, np.random.default_rng(1)
    for rows in (unchanged(years, random), changed(years, random)):
        for row in rows:
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
