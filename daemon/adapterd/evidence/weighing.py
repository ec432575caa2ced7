"""What all nights of a comparison together say, and how far it is from a decision (decision 26).

Each thing that has to be proven is an e-process of the same cases (evaluation/e_process.py), so they may be looked at
every night.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from adapterd.evaluation.e_process import (
    SCORE,
    VOTE,
    ConfidenceSequence,
    EProcess,
    new_units,
    origin_weights,
)
from adapterd.evidence.standing import CONFIDENCE, GUARD_LIMIT, RailStanding, Standing
from adapterd.serving.tags import is_base
from adapterd.store.evidence.comparisons import CaseEvidence, Comparison, Counts, Look

LEAST_SHARE = 0.5
"""An origin's share can be kept by any two origins."""
WITHOUT_AN_ORIGIN = 0.05
"""The level at which all others have to prove the same without any one origin."""
MOST_VOTES = 1000


@dataclass(frozen=True)
class Differences:
    """What the cases that decide say by one metric, in the order of the nights: the difference, night, origin and kind
    of each unit (a source whole is one), and the weight of each, all of the shape (n,)."""

    values: Any
    looks: Any
    origins: tuple[str, ...]
    kinds: tuple[str, ...]
    weights: Any

    @classmethod
    def of(cls, metric: str, looks: Sequence[Look], share: float) -> "Differences":
        """Of a metric; votes count for the primary one, by whatever name they have it."""
        cases = [
            (look.number, case)
            for look in looks
            for case in look.cases
            if case.counts is Counts.DECIDES and metric in case.differences
        ]
        values, at, first = new_units(
            [case.differences[metric] for _, case in cases],
            [number for number, _ in cases],
            [case.source for _, case in cases],
        )
        origins = tuple(cases[index][1].origin for index in first)
        weights = origin_weights(origins, at.tolist(), max(LEAST_SHARE, share))
        return cls(values, at, origins, tuple(cases[index][1].kind for index in first), weights)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float:
        """The weighted mean; 0 without any."""
        return float((self.weights * self.values).sum() / max(self.weights.sum(), 1e-12))

    def processes(self, comparison: Comparison, null: float = 0.0) -> dict[int, EProcess]:
        """The capital after each night, by its number; before the first one, by 0."""
        process = EProcess(comparison.level, null, horizon=comparison.horizon)
        found = {0: process}
        for look in sorted(set(self.looks.tolist())):
            here = self.looks == look
            for kind in (SCORE, VOTE):
                of_kind = here & np.array([each == kind for each in self.kinds], dtype=bool)
                if of_kind.any():
                    process = _after(process, self.values[of_kind], self.weights[of_kind], kind)
            found[look] = process
        return found

    def without(self, origin: str, share: float) -> "Differences":
        """What all others sent, weighed among themselves."""
        rest = np.array([each != origin for each in self.origins], dtype=bool)
        kept = np.flatnonzero(rest).tolist()
        origins, kinds = (tuple(each[index] for index in kept) for each in (self.origins, self.kinds))
        looks = self.looks[rest]
        weights = origin_weights(origins, looks.tolist(), max(LEAST_SHARE, share))
        return Differences(self.values[rest], looks, origins, kinds, weights)


def _after(process: EProcess, values: Any, weights: Any, kind: str) -> EProcess:
    """After the differences of one kind in a look. Votes come one after the other, and each is bet on by those before
    it; scores come all at once."""
    if kind != VOTE:
        return process.after(values, weights, kind)
    for place in range(len(values)):
        process = process.after(values[place : place + 1], weights[place : place + 1], kind)
    return process


def standing_of(
    comparison: Comparison, looks: Sequence[Look], primary: str, rails: Sequence[str], share: float
) -> Standing:
    """By all nights of a comparison; an origin never has more than the `share` of the weight, where there are
    others. Against the untouched base guard rails need not be proven: it has nothing to lose but itself."""
    score = Differences.of(primary, looks, share)
    steps = score.processes(comparison)
    guards = {name: found for name in rails if len(found := Differences.of(name, looks, share))}
    of_guards = {name: found.processes(comparison, -GUARD_LIMIT) for name, found in guards.items()}
    needed = [steps] if is_base(comparison.theirs) else [steps, *of_guards.values()]
    ways = [min(_until(each, look.number).way for each in needed) for look in looks]
    bounds = ConfidenceSequence(score.values, score.looks, score.weights)
    beside = [
        case.differences[primary]
        for look in looks
        for case in look.cases
        if case.counts is Counts.SHOWN and primary in case.differences
    ]
    last = _until(steps)
    return Standing(
        primary=primary,
        cases=sum(_decides(case, SCORE) for look in looks for case in look.cases),
        votes=sum(_decides(case, VOTE) for look in looks for case in look.cases),
        shown=len(beside),
        shown_gain=_mean(beside),
        units=len(score),
        gain=score.mean,
        low=bounds.lower((1 - CONFIDENCE) / 2),
        high=bounds.upper((1 - CONFIDENCE) / 2),
        ways=tuple(map(float, ways)),
        rails=tuple(
            RailStanding(name, found.mean, float(_until(of_guards[name]).way)) for name, found in guards.items()
        ),
        log_capital=min(float(_until(each).log) for each in needed),
        against=_origin_against(comparison, score, share) if ways and ways[-1] >= 1 else None,
        nights_left=_nights_left([0.0, *map(float, ways)]),
        votes_left=_votes_left(last),
        log_capitals=tuple(min(float(_until(each, look.number).log) for each in needed) for look in looks),
    )


def _until(processes: Mapping[int, EProcess], look: int | None = None) -> EProcess:
    """The capital after a night, or after the last one."""
    return processes[max(number for number in processes if look is None or number <= look)]


def _decides(case: CaseEvidence, kind: str) -> bool:
    return case.kind == kind and case.counts is Counts.DECIDES


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _origin_against(comparison: Comparison, score: Differences, share: float) -> str | None:
    """An origin that decides alone: without its cases the others, if there are any, prove nothing at WITHOUT_AN_ORIGIN.
    None where an origin may have any share."""
    origins = sorted(set(score.origins))
    if share >= 1 or len(origins) < 2:
        return None
    at_that_level = replace(comparison, level=WITHOUT_AN_ORIGIN)
    others = ((origin, score.without(origin, share)) for origin in origins)
    return next((origin for origin, rest in others if not _until(rest.processes(at_that_level)).proven), None)


def _nights_left(ways: Sequence[float]) -> int | None:
    """How many nights more as those so far prove it; None where they do not come nearer."""
    pace = _mean([after - before for before, after in pairwise(ways)])
    if ways[-1] >= 1:
        return 0
    return math.ceil((1 - ways[-1]) / pace) if pace > 0 else None


def _votes_left(process: EProcess) -> int | None:
    """How many votes prove it if all are for it."""
    for count in range(MOST_VOTES):
        if process.proven:
            return count
        process = process.after(np.array([1.0]), kind=VOTE)
    return None
