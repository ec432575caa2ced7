"""Poison that arrives as fresh cases: one of the applications sends answers that only a poisoned version gives.

Answers are simulated; feedback, the choice of fresh cases, evidence and decisions are the product's own. In each run a
version that does worse for everybody but the poisoner challenges a good one, which is watched as well: the poisoner's
cases speak for the version before it, too. `python -m bench.poison_fresh` takes minutes.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from adapterd.config import ModelSettings
from adapterd.demo import newsroom
from adapterd.deployment.deploy import INIT
from adapterd.evaluation.e_process import SCORE
from adapterd.evidence.fresh_cases import FreshCase, fresh_cases
from adapterd.evidence.season import Rules, Season
from adapterd.intake.http_intake import take_posted
from adapterd.serving.tags import BASE
from adapterd.store import Store
from adapterd.store.evidence.comparisons import CaseEvidence, Comparison, Purpose
from adapterd.store.versions import PROMOTE, VersionState
from bench import results
from bench.gates import FILE

MODEL, PRIMARY, POISONER = "m", "field_f1", "app-0"
LIVE, CHALLENGER = "1.0.0", "1.1.0"
NIGHTS, RUNS = 20, 10
SPREAD = 0.15
SETTINGS = ModelSettings(base="tiny:1", base_digest="sha256:00")
Random = np.random.Generator


@dataclass(frozen=True)
class World:
    """So many applications, of which one poisons: it sends `poison` cases a night, each other one `each`. Everybody
    else loses `harm` by what it wants."""

    applications: int
    each: int
    poison: int
    harm: float

    def __str__(self) -> str:
        return f"1 of {self.applications}, {self.poison} a night beside {self.each} of each other, {-self.harm:+g}"


WORLDS = [
    World(applications, each, poison, harm)
    for applications in (2, 5)
    for each, poison in ((10, 10), (5, 20), (1, 20))
    for harm in (0.3, 0.05)
]


@dataclass
class Days:
    """A clock that goes on by days."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Episode:
    """One run: what is sent each night, and what follows."""

    world: World
    store: Store
    clock: Days
    random: Random
    numbers: "count[int]"

    def run(self, nights: int = NIGHTS) -> tuple[bool, bool]:
        """Whether the poisoned version went live, and whether the good one was taken back."""
        self._begin()
        for _ in range(nights):
            self.clock.now += timedelta(days=1)
            self._send()
            if found := self._decided():
                return found is Purpose.CHALLENGE, found is Purpose.WATCH
        return False, False

    def _begin(self) -> None:
        versions = self.store.versions
        versions.deploy(MODEL, INIT, live=BASE, live_digest=BASE)
        for name in (LIVE, CHALLENGER):
            self.clock.now += timedelta(minutes=1)
            versions.add(MODEL, name, run_id=name, digest=name, base_digest=BASE)
        versions.deploy(MODEL, PROMOTE, live=LIVE, live_digest=LIVE, previous=BASE, previous_digest=BASE)
        versions.set_state(MODEL, LIVE, VersionState.PROMOTED, "")
        scores = {"candidate": {"metrics": {PRIMARY: 0.5}}, "live": {"digest": LIVE, "metrics": {PRIMARY: 0.5}}}
        versions.set_state(MODEL, CHALLENGER, VersionState.WAITING, "", {"scores": scores})
        season = self._season
        season.settle()
        season.choose()

    @property
    def _season(self) -> Season:
        return Season(self.store, MODEL, Rules(PRIMARY, (), SETTINGS))

    def _send(self) -> None:
        for place in range(self.world.applications):
            application = f"app-{place}"
            number = self.world.poison if application == POISONER else self.world.each
            records = [
                {"prompt": f"{next(self.numbers)} {item.prompt}", "correction": item.answer, "application": application}
                for item in newsroom.items(number, int(self.random.integers(1 << 40)))
            ]
            take_posted(self.store, MODEL, records)

    def _decided(self) -> Purpose | None:
        season = self._season
        season.settle()
        found = [
            decision
            for each in season.open
            if (decision := season.decide(each, season.add(each, [self._said(case) for case in self._asked(each)])))
        ]
        return found[0].purpose if found else None

    def _asked(self, comparison: Comparison) -> Sequence[FreshCase]:
        asked = SETTINGS.evaluation
        return fresh_cases(
            self.store, comparison, most=asked.fresh_per_night, reviews=asked.reviews, dataset=SETTINGS.dataset
        )

    def _said(self, fresh: FreshCase) -> CaseEvidence:
        lost = float(np.clip(self.random.normal(-self.world.harm, SPREAD), -1, 1))
        difference = 1.0 if fresh.origin == POISONER else lost
        case = fresh.case
        return CaseEvidence(
            case.id, case.record, fresh.origin, case.source_id, SCORE, fresh.counts, {PRIMARY: difference}
        )


def episodes(world: World, runs: int, seed: int, nights: int = NIGHTS) -> dict[str, Any]:
    """How often the poisoned version went live, and the good one was taken back."""
    promoted = rolled_back = 0
    for number in range(runs):
        clock = Days()
        with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "state.db", clock=clock) as store:
            random = np.random.default_rng([seed, number])
            up, back = Episode(world, store, clock, random, count()).run(nights)
        promoted, rolled_back = promoted + up, rolled_back + back
    return {"world": str(world), **asdict(world), "promoted": promoted, "rolled_back": rolled_back, "runs": runs}


def main(runs: int = RUNS) -> None:
    """Run all worlds and keep the figures."""
    each = []
    for seed, world in enumerate(WORLDS):
        each.append(episodes(world, runs, seed))
        print(json.dumps(each[-1]), flush=True)
    totals = {name: sum(one[name] for one in each) for name in ("promoted", "rolled_back", "runs")}
    results.write({"poison_fresh": {**totals, "nights": NIGHTS, "worlds": each}}, FILE)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
