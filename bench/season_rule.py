"""A year of nights under the rule of docs/decisions/0024-a-season.md, for many years at once.

Each night: the day's corrections are asked, before anything is trained on them, of live, of the version before and of the
challenger; then the watch and the challenger are decided; then a candidate is trained and asked the frozen set; then, if
none is waiting, a challenger is chosen.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from adapterd.evaluation.e_process import EProcess, Seen
from adapterd.evaluation.error_budget import ErrorBudget
from bench.season_worlds import GUARD, Array, World, yes_or_no

NIGHTS = 365
FROZEN = 40
MARGIN = 0.02


@dataclass(frozen=True)
class Rule:
    """What can be chosen."""

    yearly: float = 0.05
    fresh_per_night: int = 30
    min_new_records: int = 10
    newest: int = 1
    """A challenger is the best on the frozen set of so many newest candidates."""
    screen: float = -0.02
    """A candidate that is worse on the frozen set by more is no challenger."""
    least_cases: int = 50
    """Of fresh cases, before a challenger is dropped for what they say."""
    dropped_at: float = 0.5
    """A challenger whose stake is worth less than this share of what it was is dropped."""
    most_nights: int = 90
    replaced_by: float = np.inf
    """A challenger is replaced by a candidate that is better than it on the frozen set by more."""
    frozen_at_least: float = -np.inf
    """The gain on the frozen set that a promotion asks for besides."""
    confirm: int = 0
    """Cases of a confirm set, on which the gain has to be above 0."""
    guard_limit: float = 0.05
    guard_level: float | None = None
    """The level at which a guard rail is proven; None: at the challenger's stake."""
    watch_yearly: float = 0.02
    watch_nights: int = 90


@dataclass
class Outcome:
    """What happened: arrays (years,), and the first night on which a version better by so much was live."""

    worse: Array
    not_better: Array
    promotions: Array
    rolled_back: Array
    quality: Array
    challengers: Array
    first_night: Array
    stakes: Array
    asked: float = 0.0


@dataclass
class Versions:
    """One version in each year: its true quality, its score on the frozen set, its guard rails, and its night."""

    quality: Array
    frozen: Array
    guards: Array
    made: Array

    def where(self, rows: Any, other: "Versions") -> "Versions":
        return Versions(
            np.where(rows, other.quality, self.quality), np.where(rows, other.frozen, self.frozen),
            np.where(rows[:, None], other.guards, self.guards), np.where(rows, other.made, self.made),
        )  # fmt: skip


def fresh(process: EProcess, rows: Any, alpha: Any) -> EProcess:
    """The process begun anew in these years."""
    zero = np.zeros_like(process.log)
    seen = Seen(*(np.where(rows, zero, each) for each in (process.seen.count, process.seen.total, process.seen.squares)))
    return EProcess(
        np.where(rows, alpha, process.alpha), process.null, seen, np.where(rows, 0.0, process.log),
        np.where(rows, 0.0, process.highest),
    )  # fmt: skip


def process(years: int, null: float = 0.0) -> EProcess:
    zero = np.zeros(years)
    return EProcess(np.full(years, 0.5), null, Seen(zero, zero, zero), zero, zero)


class Season:
    """The state of all years; `night` goes one further."""

    def __init__(self, world: World, rule: Rule, years: int, random: np.random.Generator, goal: float = np.inf) -> None:
        self.world, self.rule, self.years, self.random, self.goal = world, rule, years, random, goal
        zero, self.guards = np.zeros(years), len(world.guards)
        self.live = self._version(zero, np.zeros((years, self.guards)), 0)
        self.before = self.live
        self.challenger = self.live
        self.has = np.zeros(years, bool)
        self.age = np.zeros(years)
        self.primary = process(years)
        self.rails = [process(years, -rule.guard_limit) for _ in world.guards]
        self.watched = process(years)
        self.watching = np.full(years, -1)
        self.budget = ErrorBudget(rule.yearly, ErrorBudget.of(rule.yearly).left + zero, zero)
        self.watch_budget = ErrorBudget(rule.watch_yearly, ErrorBudget.of(rule.watch_yearly).left + zero, zero)
        self.pool: deque[tuple[Versions, Any]] = deque(maxlen=rule.newest)
        self.counts: deque[Array] = deque(maxlen=rule.newest)
        self.waiting = zero + rule.min_new_records
        self.found = Outcome(*(np.zeros(years) for _ in range(6)), np.full(years, np.inf), zero)
        self.at = 0

    def run(self, nights: int = NIGHTS) -> Outcome:
        for night in range(1, nights + 1):
            self.night(night)
        self.found.quality = self.live.quality
        return self.found

    def night(self, night: int) -> None:
        self.at = night
        arrived = self.random.poisson(self.world.corrections, self.years)
        asked = np.minimum(arrived, self.rule.fresh_per_night)
        self.waiting = self.waiting + arrived
        self.budget, self.watch_budget = self.budget.after(), self.watch_budget.after()
        self._watch(asked)
        self._look(asked)
        self._decide()
        self._train(asked)
        self._choose()
        reached = (self.live.quality >= self.goal - 1e-12) & np.isinf(self.found.first_night)
        self.found.first_night = np.where(reached, night, self.found.first_night)

    def _version(self, quality: Array, guards: Array, night: int) -> Versions:
        own = self.world.draw(self.random, 0.0, (self.years, FROZEN)).mean(axis=-1) / np.sqrt(2)
        return Versions(quality, quality + own, guards, np.full(self.years, night))

    def _drawn(self, gain: Array, counts: Array) -> tuple[Array, Array]:
        shape = (len(counts), max(1, int(counts.max(initial=0))))
        weights = (np.arange(shape[1]) < counts[:, None]).astype(float)
        return self.world.draw(self.random, gain[:, None], shape), weights

    def _watch(self, asked: Array) -> None:
        active = self.watching >= 0
        values, weights = self._drawn(self.before.quality - self.live.quality, asked * active)
        self.watched = self.watched.after(values, weights)
        back = active & self.watched.proven
        self.found.rolled_back = self.found.rolled_back + back
        over = active & ~back & (self.watching >= self.rule.watch_nights)
        self._unwatch(over, back)
        self.live = self.live.where(back, self.before)
        self._drop(back & self.has)
        self.watching = np.where(back | over, -1, np.where(active, self.watching + 1, self.watching))

    def _unwatch(self, over: Any, back: Any) -> None:
        settled, returned = self.watch_budget.dropped(self.watched.log), self.watch_budget.promoted()
        self.watch_budget = _where(back, returned, _where(over, settled, self.watch_budget))

    def _look(self, asked: Array, rows: Any = None) -> None:
        counts = asked * (self.has if rows is None else rows)
        values, weights = self._drawn(self.challenger.quality - self.live.quality, counts)
        self.primary = self.primary.after(values, weights)
        for index, rail in enumerate(self.rails):
            gain = (self.challenger.guards - self.live.guards)[:, index, None]
            self.rails[index] = rail.after(yes_or_no(self.random, gain, values.shape, share=GUARD), weights)

    def _decide(self) -> None:
        rule = self.rule
        self.age = self.age + self.has
        proven = self.has & self.primary.proven
        for rail in self.rails:
            proven &= rail.proven & (rail.seen.mean >= -np.maximum(MARGIN, 1 / np.maximum(1, rail.seen.count)))
        proven &= self.challenger.frozen - self.live.frozen >= rule.frozen_at_least
        refused = np.zeros_like(proven)
        if rule.confirm:
            gain = (self.challenger.quality - self.live.quality)[:, None]
            refused = proven & (self.world.draw(self.random, gain, (self.years, rule.confirm)).mean(axis=-1) <= 0)
        self._promote(proven & ~refused)
        least = np.min([self.primary.log, *(rail.log for rail in self.rails)], axis=0)
        futile = (self.primary.seen.count >= rule.least_cases) & (least < np.log(rule.dropped_at))
        self._drop(self.has & (futile | refused | (self.age >= rule.most_nights)))

    def _promote(self, rows: Any) -> None:
        found, gain = self.found, self.challenger.quality - self.live.quality
        broken = (self.challenger.guards - self.live.guards < -MARGIN).any(axis=-1)
        found.worse = found.worse + (rows & ((gain < -1e-12) | broken))
        found.not_better = found.not_better + (rows & ((gain <= 1e-12) | broken))
        found.promotions = found.promotions + rows
        self._unwatch(rows & (self.watching >= 0), np.zeros_like(rows))
        self.before = self.before.where(rows, self.live)
        self.live = self.live.where(rows, self.challenger)
        self.budget = _where(rows, self.budget.promoted(), self.budget)
        begun = self.watch_budget.begun()
        self.watch_budget = _where(rows, begun, self.watch_budget)
        self.watched = fresh(self.watched, rows, begun.staked)
        self.watching = np.where(rows, 0, self.watching)
        self.has = self.has & ~rows

    def _drop(self, rows: Any) -> None:
        least = np.min([self.primary.log, *(rail.log for rail in self.rails)], axis=0)
        self.budget = _where(rows, self.budget.dropped(least), self.budget)
        self.has = self.has & ~rows

    def _train(self, asked: Array) -> None:
        """Each year's candidate of the night; in years with too few new records, the last one stays the newest."""
        quality = self.world.candidate(self.random, self.at, self.live.quality)
        guards = np.broadcast_to(np.array(self.world.guards), (self.years, self.guards))
        made = self._version(quality, guards, self.at)
        trained = self.waiting >= self.rule.min_new_records
        self.waiting = np.where(trained, 0, self.waiting)
        self.pool.append((made, trained))
        self.counts.append(asked)

    def _choose(self) -> None:
        """A challenger where there is none: the best on the frozen set, of the newest; what came since it was made is
        asked at once."""
        best, backlog = np.full(self.years, -np.inf), np.zeros(self.years)
        chosen, since = self.challenger, np.zeros(self.years)
        for (version, trained), asked in zip(reversed(self.pool), reversed(self.counts), strict=True):
            fits = trained & (version.made > np.where(self.has, self.challenger.made, self.live.made))
            better = fits & (version.frozen > best)
            best = np.where(better, version.frozen, best)
            chosen, backlog = chosen.where(better, version), np.where(better, since, backlog)
            since = since + asked
        taken = (best - self.live.frozen >= self.rule.screen) & np.isfinite(best)
        taken &= ~self.has | (best > self.challenger.frozen + self.rule.replaced_by)
        self._drop(taken & self.has)
        begun = self.budget.begun()
        self.found.stakes = np.where(taken & (self.found.challengers == 0), begun.staked, self.found.stakes)
        self.budget = _where(taken, begun, self.budget)
        self.primary = fresh(self.primary, taken, begun.staked)
        level = begun.staked if self.rule.guard_level is None else self.rule.guard_level
        self.rails = [fresh(rail, taken, level) for rail in self.rails]
        self.challenger = self.challenger.where(taken, chosen)
        self.has, self.age = self.has | taken, np.where(taken, 0, self.age)
        self.found.challengers = self.found.challengers + taken
        if self.rule.newest > 1:
            self._look(np.minimum(backlog, 200).astype(int), taken)


def _where(rows: Any, one: ErrorBudget, other: ErrorBudget) -> ErrorBudget:
    return replace(other, left=np.where(rows, one.left, other.left), staked=np.where(rows, one.staked, other.staked))
