"""Years of nights, of which the truth is known: `python -m bench.season [--years N] [--only WORLD …]`.

It measures how often a version that is worse goes live within a year, how soon one that is better does, how soon a bad
one is taken back, and how often a confidence sequence holds the truth; into bench/gates.json.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench import gates, results
from bench.season_peers import Exams, Proven, exams, first_rule, two_means
from bench.season_rule import NIGHTS, Outcome, Rule, Season
from bench.season_variants import GUARD_VARIANTS, VARIANTS, WITH_GUARDS, WORLDS
from bench.season_watch import false_rollbacks, sequential_coverage, watch
from bench.season_worlds import GAINS, World, mistakes_of_live, selected, worlds

YEARS = 1000
CHOSEN = Rule()
FIXED_SAMPLE = {"0.03": 155, "0.05": 56}
"""Cases that a one-sided z test at 5 % needs for a power of 80 %: ((1.645 + 0.842) · 0.15 / gain)²."""
MEASURED_NIGHTS = {f"{gain:g}": f"+{gain:g}, 10 a day" for gain in GAINS}
Measure = Callable[[World, int], dict[str, Any]]


@dataclass(frozen=True)
class Choice:
    """What was asked for on the command line."""

    years: int
    only: tuple[str, ...] = ()
    go_on: bool = False


def of_season(world: World, years: int, rule: Rule = CHOSEN) -> dict[str, Any]:
    """The figures of one world under the rule."""
    found = Season(world, rule, years, np.random.default_rng(1)).run()
    return {
        **_figures(world, found), "rolled_back": round(float(np.mean(found.rolled_back > 0)), 4),
        "challengers": round(float(found.challengers.mean()), 1), "level": float(found.level.mean()),
    }  # fmt: skip


def of_exams(proven: Proven, world: World, years: int) -> dict[str, Any]:
    """The figures of one world under a rule with one exam a run."""
    return _figures(world, exams(world, proven, years, np.random.default_rng(1)))


def _figures(world: World, found: Outcome | Exams) -> dict[str, Any]:
    return {
        "worse": round(float(np.mean(found.worse > 0)), 4),
        "not_better": round(float(np.mean(found.not_better > 0)), 4),
        "promotions": round(float(found.promotions.mean()), 2), "quality": round(float(found.quality.mean()), 4),
        "quality_5_percent": round(float(np.quantile(found.quality, 0.05)), 4),
        **({} if np.isinf(world.goal) else _nights(world, found.first_night)),
    }  # fmt: skip


def _nights(world: World, first: Any) -> dict[str, float | None]:
    """Since there is a better candidate: the median and the 90 % quantile; None where that is after the year's end."""
    since = np.where(np.isinf(first), np.inf, first - world.after)
    middle, late = (float(np.quantile(since, share, method="lower")) for share in (0.5, 0.9))
    return {"nights": None if np.isinf(middle) else middle, "nights_90_percent": None if np.isinf(late) else late}


def measure(name: str, chosen: Mapping[str, World], choice: Choice, figures: Measure) -> dict[str, Any]:
    """The figures of all worlds that were chosen, each said as soon as it is there, and the worst; all of it is kept
    after each world, unless only some were asked for."""
    kept = results.read(gates.FILE).get(name, {}) if choice.go_on else {}
    by_world = {each.pop("name"): each for each in kept.get("worlds", ()) if kept["years"] == choice.years}
    found: dict[str, Any] = {}
    for world in chosen.values():
        if world.name not in by_world:
            by_world[world.name] = figures(world, choice.years)
            print(name, world.name, by_world[world.name], flush=True)
        found = _all(by_world, choice.years)
        if not choice.only:
            results.write({name: found}, gates.FILE)
    return found


def _all(by_world: Mapping[str, dict[str, Any]], years: int) -> dict[str, Any]:
    worst = max(by_world, key=lambda each: by_world[each]["worse"])
    nights = {gain: by_world[each]["nights"] for gain, each in MEASURED_NIGHTS.items() if each in by_world}
    return {
        "worse_promoted": by_world[worst]["worse"], "worst": worst, "nights": nights, "years": years,
        "nights_a_year": NIGHTS, "worlds": [{"name": each, **found} for each, found in by_world.items()],
    }  # fmt: skip


def season(choice: Choice) -> dict[str, Any]:
    """The rule, in all worlds."""
    chosen = {name: world for name, world in worlds().items() if not choice.only or name in choice.only}
    found = measure("season", chosen, choice, of_season)
    level = round(found["worlds"][0]["level"], 6)
    return {**found, "alpha_per_challenger": level, "yearly": Rule.yearly, "fixed_sample_cases": FIXED_SAMPLE}


def _one_exam(name: str, proven: Proven, choice: Choice) -> dict[str, Any]:
    without_guards = {each: world for each, world in worlds().items() if not world.guards}
    chosen = {each: world for each, world in without_guards.items() if not choice.only or each in choice.only}
    return measure(name, chosen, choice, lambda world, years: of_exams(proven, world, years))


def variants(choice: Choice) -> dict[str, Any]:
    """Other rules, in some worlds."""
    found: dict[str, Any] = {"years": choice.years}
    for names, variants in ((WORLDS, VARIANTS), (WITH_GUARDS, GUARD_VARIANTS)):
        for name, change in variants.items():
            rule = replace(CHOSEN, **change)
            found[name] = {each: _short(of_season(worlds()[each], choice.years, rule)) for each in names}
            print(name, found[name], flush=True)
    return found


def selection(choice: Choice) -> dict[str, Any]:
    """What happens if corrections of live's mistakes are taken for a sample of all that is asked."""
    found = {name: _short(of_season(world, choice.years)) for name, world in selected().items()}
    return {"years": choice.years, "false_rollbacks": false_rollbacks(mistakes_of_live, choice.years), **found}


def _short(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: figures[name] for name in ("worse", "not_better", "promotions", "nights", "quality") if name in figures
    }


PARTS: dict[str, Callable[[Choice], dict[str, Any]]] = {
    "watch": lambda choice: watch(choice.years),
    "sequential_coverage": lambda choice: sequential_coverage(choice.years),
    "season": season,
    "season_first_rule": lambda choice: _one_exam("season_first_rule", first_rule, choice),
    "season_peers": lambda choice: _one_exam("season_peers", two_means, choice),
    "season_selection": selection,
    "season_variants": variants,
}


def main(arguments: Sequence[str]) -> int:
    """Measure what was asked for; only all worlds together are kept."""
    parser = argparse.ArgumentParser(prog="python -m bench.season", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; without one, all")
    parser.add_argument("--years", type=int, default=YEARS, help=f"of each world ({YEARS})")
    parser.add_argument("--only", nargs="+", default=(), metavar="WORLD", help="shown, but not kept")
    parser.add_argument("--go-on", action="store_true", help="keep the worlds that were measured in as many years")
    parser.add_argument("--worlds", action="store_true", help="list the worlds")
    given = parser.parse_args(arguments)
    if given.worlds:
        print("\n".join(worlds()))
        return 0
    if unknown := [each for each in (*given.parts, *given.only) if each not in {*PARTS, *worlds()}]:
        parser.error(f"there is no {', '.join(unknown)}; the worlds are listed by --worlds")
    for name in given.parts or PARTS:
        found = PARTS[name](Choice(given.years, tuple(given.only), given.go_on))
        print(name, found, flush=True)
        if not given.only:
            results.write({name: found}, gates.FILE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
