"""A year of nights under the rule of docs/decisions/0026-a-season.md, for many years at once.

Each night: the day's corrections are asked, before anything is trained on them, of live, of the version before and of
the challenger; then the watch and the challenger are decided; then a candidate is trained and asked the frozen set;
then, if none is waiting, a challenger is chosen. The e-processes and the budget are those of the product.
"""

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapterd.evaluation.e_process import SCORE, EProcess, Seen
from adapterd.evaluation.error_budget import ErrorBudget
from bench.season_worlds import GUARD, Array, Random, World, yes_or_no

NIGHTS = 365
FROZEN = 40
MARGIN, GUARD_LIMIT = 0.02, 0.05
TINY = 1e-12
LIKELY_FROZEN = 20_000
"""How many frozen sets are drawn in advance; a version's luck on the frozen set is that of one of them."""
Rows = NDArray[np.bool_]


@dataclass(frozen=True)
class Rule:
    """What can be chosen of the rule; each default is what was chosen."""

    yearly: float = 0.05
    fresh_per_night: int = 30
    min_new_records: int = 10
    newest: int = 5
    """A challenger is the best on the frozen set of so many newest candidates."""
    screen: float = -MARGIN
    """A candidate that is worse than live on the frozen set by more is no challenger."""
    least_cases: int = 50
    """Of fresh cases, before a challenger is dropped for what they say."""
    dropped_at: float = 0.5
    """A challenger whose capital is below this is dropped."""
    most_nights: int = 90
    replaced_by: float = np.inf
    """A challenger is replaced by a candidate that is better than it on the frozen set by more."""
    confirm: int = 0
    """Cases of a confirm set, on which the gain has to be above 0."""
    guard_limit: float = GUARD_LIMIT
    """A guard rail has to be proven to fall by less."""
    equal_parts: int | None = None
    """Parts of the budget, one for each challenger, of which none comes back; None: the budget of the product."""
    watch_yearly: float = 0.02
    watch_nights: int = 90


@dataclass
class Outcome:
    """What happened in each year, arrays (years,); `first_night` is the first on which a version as good as wanted was
    live, infinite where there was none, and `level` the first challenger's."""

    first_night: Array
    worse: Array
    not_better: Array
    promotions: Array
    rolled_back: Array
    challengers: Array
    quality: Array
    level: Array


@dataclass(frozen=True)
class Versions:
    """One version in each year: its true quality, its score on the frozen set, its guard rails, and its night."""

    quality: Array
    frozen: Array
    guards: Array
    made: Array

    def where(self, rows: Rows, other: "Versions") -> "Versions":
        """These versions, but for the rows of `other`."""
        return Versions(
            np.where(rows, other.quality, self.quality), np.where(rows, other.frozen, self.frozen),
            np.where(rows[:, None], other.guards, self.guards), np.where(rows, other.made, self.made),
        )  # fmt: skip


@dataclass(frozen=True)
class EqualParts(ErrorBudget):
    """The budget in equal parts, one for each challenger, of which nothing comes back (Bonferroni)."""

    parts: int = 1

    def after(self, _nights: float = 1.0) -> "EqualParts":
        return self

    def begun(self, _share: float = 0.0) -> "EqualParts":
        part = self.yearly / self.parts
        enough = self.left >= part * (1 - TINY)
        return replace(self, left=self.left - part * enough, staked=np.where(enough, part, TINY))

    def promoted(self) -> "EqualParts":
        return self

    def dropped(self, _log_capital: Any) -> "EqualParts":
        return self


class Processes:
    """An e-process in each year, of which some begin anew and some see differences."""

    def __init__(self, years: int, null: float = 0.0) -> None:
        self.null, self.alpha = null, np.full(years, 0.5)
        self.count, self.total, self.squares, self.log, self.highest = np.zeros((5, years))

    def begin(self, rows: Rows, alpha: Array) -> None:
        for each in (self.count, self.total, self.squares, self.log, self.highest):
            each[rows] = 0.0
        self.alpha[rows] = alpha[rows]

    def see(self, rows: Rows, values: Array) -> None:
        """Differences (rows, n) of the years that are chosen."""
        seen = {SCORE: Seen(self.count[rows], self.total[rows], self.squares[rows])}
        after = EProcess(self.alpha[rows], self.null, seen, self.log[rows], self.highest[rows]).after(values)
        sums = after.seen[SCORE]
        self.count[rows], self.total[rows], self.squares[rows] = sums.count, sums.total, sums.squares
        self.log[rows], self.highest[rows] = after.log, after.highest

    @property
    def proven(self) -> Rows:
        return np.asarray(self.highest >= np.log(1 / self.alpha))

    @property
    def mean(self) -> Array:
        return np.asarray(self.total / np.maximum(self.count, TINY))


class Season:
    """The state of all years of a world."""

    def __init__(self, world: World, rule: Rule, years: int, random: Random) -> None:
        self.world, self.rule, self.years, self.random = world, rule, years, random
        zero, self.guards = np.zeros(years), np.array(world.guards)
        self.frozen_luck = world.draw(random, 0.0, (LIKELY_FROZEN, FROZEN)).mean(axis=-1) / np.sqrt(2)
        self.live = self._version(zero, np.zeros((years, len(world.guards))), 0)
        self.before = self.challenger = self.live
        self.has, self.watching = np.zeros((2, years), bool)
        self.age, self.watched_nights = np.zeros((2, years))
        self.primary, self.watched = Processes(years), Processes(years)
        self.rails = [Processes(years, -rule.guard_limit) for _ in world.guards]
        self.budget = self._budget(rule.yearly)
        if rule.equal_parts:
            self.budget = EqualParts(rule.yearly, np.full(years, rule.yearly), zero, rule.equal_parts)
        self.watch_budget = self._budget(rule.watch_yearly)
        self.pool: deque[tuple[Versions, bool]] = deque(maxlen=rule.newest)
        self.waiting = rule.min_new_records
        self.found = Outcome(np.full(years, np.inf), *np.zeros((7, years)))

    def _budget(self, yearly: float) -> ErrorBudget:
        zero = np.zeros(self.years)
        return ErrorBudget(yearly, ErrorBudget.of(yearly).left + zero, zero)

    def run(self, nights: int = NIGHTS) -> Outcome:
        """All nights; what happened."""
        for night in range(1, nights + 1):
            self._night(night)
            reached = (self.live.quality >= self.world.goal - TINY) & np.isinf(self.found.first_night)
            self.found.first_night[reached] = night
        self.found.quality = self.live.quality
        return self.found

    def _night(self, night: int) -> None:
        arrived = self.world.corrections
        asked = min(arrived, self.rule.fresh_per_night)
        self.budget, self.watch_budget = self.budget.after(), self.watch_budget.after()
        if asked:
            self._watch(asked)
            self._look(self.has, asked)
        self.age += self.has
        self._decide()
        self._train(night, arrived)
        self._choose()

    def _version(self, quality: Array, guards: Array, night: int) -> Versions:
        luck = self.random.choice(self.frozen_luck, self.years)
        return Versions(quality, quality + luck, guards, np.full(self.years, night))

    def _watch(self, asked: int) -> None:
        """The version before against live; live is taken back where that is proven to be better."""
        rows = self.watching
        if not rows.any():
            return
        gain = (self.before.quality - self.live.quality)[rows, None]
        self.watched.see(rows, self.world.draw(self.random, gain, (int(rows.sum()), asked)))
        back = rows & self.watched.proven
        self.watched_nights += rows
        self._unwatch(rows & ~back & (self.watched_nights >= self.rule.watch_nights))
        self.watch_budget = _where(back, self.watch_budget.promoted(), self.watch_budget)
        self.watching = self.watching & ~back
        self.found.rolled_back += back
        self._drop(back & self.has)
        withdrawn = self.live.made
        self.live = replace(self.live.where(back, self.before), made=withdrawn)  # it is not chosen again

    def _unwatch(self, rows: Rows) -> None:
        self.watch_budget = _where(rows, self.watch_budget.dropped(self.watched.log), self.watch_budget)
        self.watching = self.watching & ~rows

    def _look(self, rows: Rows, asked: int) -> None:
        """The challenger against live on fresh cases."""
        shape = (int(rows.sum()), asked)
        gain = (self.challenger.quality - self.live.quality)[rows, None]
        self.primary.see(rows, self.world.draw(self.random, gain, shape))
        for index, rail in enumerate(self.rails):
            lost = (self.challenger.guards - self.live.guards)[rows, index, None]
            rail.see(rows, yes_or_no(self.random, lost, shape, share=GUARD))

    def _decide(self) -> None:
        rule, proven = self.rule, self.has & self.primary.proven
        for rail in self.rails:
            proven &= rail.proven & (rail.mean >= -MARGIN)
        refused = np.zeros_like(proven)
        if rule.confirm:
            gain = (self.challenger.quality - self.live.quality)[:, None]
            refused = proven & (self.world.draw(self.random, gain, (self.years, rule.confirm)).mean(axis=-1) <= 0)
        self._promote(proven & ~refused)
        futile = (self.primary.count >= rule.least_cases) & (self._least < np.log(rule.dropped_at))
        self._drop(self.has & (futile | refused | (self.age >= rule.most_nights)))

    @property
    def _least(self) -> Array:
        """The smallest logarithm of what has to be proven."""
        return np.asarray(np.min([self.primary.log, *(rail.log for rail in self.rails)], axis=0))

    def _promote(self, rows: Rows) -> None:
        if not rows.any():
            return
        found, gain = self.found, self.challenger.quality - self.live.quality
        broken = (self.challenger.guards - self.live.guards <= TINY - GUARD_LIMIT).any(axis=-1)
        found.worse += rows & ((gain < -TINY) | broken)
        found.not_better += rows & ((gain <= TINY) | broken)
        found.promotions += rows
        self.before, self.live = self.before.where(rows, self.live), self.live.where(rows, self.challenger)
        self.budget = _where(rows, self.budget.promoted(), self.budget)
        self.has = self.has & ~rows
        self._unwatch(rows & self.watching)
        self.watch_budget = _where(rows, self.watch_budget.begun(), self.watch_budget)
        self.watched.begin(rows, self.watch_budget.staked)
        self.watching, self.watched_nights[rows] = self.watching | rows, 0

    def _drop(self, rows: Rows) -> None:
        self.budget = _where(rows, self.budget.dropped(self._least), self.budget)
        self.has = self.has & ~rows

    def _train(self, night: int, arrived: int) -> None:
        """The night's candidates; on a night with too few new records there is none."""
        quality = self.world.candidate(self.random, night, self.live.quality)
        guards = np.broadcast_to(self.guards, (self.years, len(self.guards)))
        self.waiting += arrived
        trained = self.waiting >= self.rule.min_new_records
        self.waiting *= not trained
        self.pool.append((self._version(quality, guards, night), trained))

    def _choose(self) -> None:
        """A challenger where there is none: the best on the frozen set, of the newest candidates since the last one."""
        best, chosen = np.full(self.years, -np.inf), self.challenger
        newer_than = np.maximum(self.challenger.made, self.live.made)
        for version, trained in self.pool:
            better = trained & (version.made > newer_than) & (version.frozen > best)
            best, chosen = np.where(better, version.frozen, best), chosen.where(better, version)
        taken = np.isfinite(best) & (best - self.live.frozen >= self.rule.screen)
        taken &= ~self.has | (best > self.challenger.frozen + self.rule.replaced_by)
        self._drop(taken & self.has)
        self.challenger = self.challenger.where(taken, chosen)
        self._begin(taken)

    def _begin(self, rows: Rows) -> None:
        self.budget = _where(rows, self.budget.begun(), self.budget)
        first = rows & (self.found.challengers == 0)
        self.found.level[first] = self.budget.staked[first]
        for each in (self.primary, *self.rails):
            each.begin(rows, self.budget.staked)
        self.has, self.age[rows] = self.has | rows, 0
        self.found.challengers += rows


def _where(rows: Any, one: ErrorBudget, other: ErrorBudget) -> ErrorBudget:
    return replace(other, left=np.where(rows, one.left, other.left), staked=np.where(rows, one.staked, other.staked))
