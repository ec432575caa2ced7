"""What all nights of a comparison together say, and how far it is from a decision (decision 26).

Each thing that has to be proven is an e-process of the same cases (evaluation/e_process.py), so they may be looked at
every night.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
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
MOST_VOTES = 200
"""So many votes are thought of at most when it is told how many are left."""


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
        units = zip(values, at, (cases[index][1] for index in first), strict=True)
        in_order = sorted(units, key=lambda unit: (unit[1], unit[2].kind == VOTE))
        return cls.weighed(
            [value for value, _, _ in in_order], [look for _, look, _ in in_order],
            [case.origin for *_, case in in_order], [case.kind for *_, case in in_order], share,
        )  # fmt: skip

    @classmethod
    def weighed(
        cls, values: Sequence[float], looks: Sequence[int], origins: Sequence[str], kinds: Sequence[str], share: float
    ) -> "Differences":
        """With a weight for each: no origin has more than its share where others are. Scores of a look are weighed
        together, votes one after the other, as they are bet on."""
        steps = list(accumulate(_is_next(each, before) for before, each in _with_before(looks, kinds)))
        weights = origin_weights(origins, steps, max(LEAST_SHARE, share))
        return cls(
            np.array(values, dtype=np.float64), np.array(looks, dtype=np.int64), tuple(origins), tuple(kinds), weights
        )

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
        kept = [index for index, each in enumerate(self.origins) if each != origin]
        origins, kinds = ([each[index] for index in kept] for each in (self.origins, self.kinds))
        return Differences.weighed(self.values[kept], self.looks[kept].tolist(), origins, kinds, share)

    def with_votes(self, count: int, origin: str, share: float) -> "Differences":
        """With so many more votes for it, in a night to come."""
        night = int(self.looks.max(initial=0)) + 1
        return Differences.weighed(
            [*self.values, *[1.0] * count], [*self.looks.tolist(), *[night] * count],
            [*self.origins, *[origin] * count], [*self.kinds, *[VOTE] * count], share,
        )  # fmt: skip


def _with_before(looks: Sequence[int], kinds: Sequence[str]) -> Iterator[tuple[tuple[int, str], tuple[int, str]]]:
    """Look and kind of each unit, behind those of the one before it."""
    return pairwise([(-1, SCORE), *zip(looks, kinds, strict=True)])


def _is_next(unit: tuple[int, str], before: tuple[int, str]) -> bool:
    """Whether a unit is weighed after the one before it, and not together with it."""
    return unit[1] == VOTE or unit != before


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
        votes_left=_votes_left(comparison, score, needed[1:], share),
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


def _votes_left(
    comparison: Comparison, score: Differences, others: Sequence[Mapping[int, EProcess]], share: float
) -> int | None:
    """How many votes more prove it if all are for it; None where no number of them does, because a guard rail has to be
    proven, or as many are not enough."""
    if any(not _until(each).proven for each in others):
        return None
    voters = [origin for origin, kind in zip(score.origins, score.kinds, strict=True) if kind == VOTE]

    def prove(count: int) -> bool:
        found = score.with_votes(count, voters[-1] if voters else "", share)
        proven = bool(_until(found.processes(comparison)).proven)
        return proven and _origin_against(comparison, found, share) is None

    return bisect_left(range(MOST_VOTES + 1), True, key=prove) if prove(MOST_VOTES) else None
