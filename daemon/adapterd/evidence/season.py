"""The season of a model: which version is challenger, what live is watched against, and when either is decided.

It keeps the rule of decision 26 in the store. It never changes what is live: what it decides is done by the caller, and
settled here the next time, by what is live then. So it may be killed at any moment, and goes on.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import takewhile
from typing import Any

from adapterd.config import ModelSettings
from adapterd.evaluation.e_process import HORIZON
from adapterd.evaluation.rules import guard_rails, primary_of
from adapterd.evidence import words
from adapterd.evidence.budgets import WATCH_YEARLY, Budgets
from adapterd.evidence.by_people import missing_by_people
from adapterd.evidence.decision import Decision
from adapterd.evidence.standing import MARGIN, Standing
from adapterd.evidence.weighing import standing_of
from adapterd.scheduling.evidence import is_to_be_watched
from adapterd.serving.tags import is_base
from adapterd.store import Store
from adapterd.store.evidence.comparisons import (
    TAKEN_BACK,
    CaseEvidence,
    Comparison,
    ComparisonState,
    NewComparison,
    Purpose,
)
from adapterd.store.versions import Deployment, Version, VersionState

NEWEST = 5
"""A challenger is the best on the frozen set of so many newest candidates."""
LEAST_CASES = 50
"""Cases before a challenger is dropped for what they say."""
DROPPED_AT = 0.5
"""A challenger whose capital is below this then is dropped."""
MOST_NIGHTS = 90
LEAST_LEVEL = 1e-5
"""With less left of the budget nothing begins."""
FIRST_LOOK = 5
"""The first exam is looked at by so many cases, in the order of their hashes."""
LEAST_HORIZON = 30


@dataclass(frozen=True)
class Rules:
    """What has to be proven: the primary metric, and the guard rails; a probability of an error within a year."""

    primary: str
    rails: tuple[str, ...]
    settings: ModelSettings

    @classmethod
    def of(cls, settings: ModelSettings) -> "Rules":
        """By the settings of a model."""
        return cls(primary_of(settings), guard_rails(settings), settings)

    @property
    def all(self) -> tuple[str, ...]:
        """The names of all these metrics."""
        return (self.primary, *self.rails)


class Season:
    """The season of one model."""

    def __init__(self, store: Store, model: str, rules: Rules) -> None:
        self._store, self._model, self._rules = store, model, rules
        yearly = {Purpose.CHALLENGE: rules.settings.evaluation.error_budget, Purpose.WATCH: WATCH_YEARLY}
        self._budgets = Budgets(store, model, yearly)

    @property
    def open(self) -> list[Comparison]:
        """The comparisons that collect evidence: the watch first."""
        found = (self._store.comparisons.open(self._model, purpose) for purpose in (Purpose.WATCH, Purpose.CHALLENGE))
        return [each for each in found if each]

    def settle(self) -> None:
        """Take up what became live since, by whoever: end what that ends, and begin the watch of it."""
        deployment = self._store.versions.deployment(self._model)
        if deployment is None:
            return
        with self._store.transaction():
            self._settle_taken_back()
            for comparison in self.open:
                self._settle(comparison, deployment)
            self._begin_watch(deployment)

    def add(self, comparison: Comparison, cases: Sequence[CaseEvidence]) -> Standing:
        """Add one night's cases, or none; returns where the comparison stands."""
        with self._store.transaction():
            if cases:
                self._store.comparisons.add_look(comparison.id, cases)
            standing = self.standing(comparison)
            self._store.comparisons.set_standing(comparison.id, asdict(standing))
        return standing

    def add_vote(self, comparison: Comparison, vote: CaseEvidence) -> Standing:
        """Add a vote to what came today; returns where the comparison stands."""
        with self._store.transaction():
            self._store.comparisons.add_look(comparison.id, [vote], to_today=True)
            return self.add(comparison, ())

    def standing(self, comparison: Comparison) -> Standing:
        """Where a comparison stands by all that was found. A watch is for the primary score alone: guard rails keep a
        version from going live, and what they leave open keeps none there."""
        looks = self._store.comparisons.looks(comparison.id)
        share = self._rules.settings.dataset.max_share_of_source
        rails = self._rules.rails if comparison.purpose is Purpose.CHALLENGE else ()
        return standing_of(comparison, looks, self._rules.primary, rails, share)

    def decide(self, comparison: Comparison, standing: Standing) -> Decision | None:
        """What follows from where it stands; a comparison that leads nowhere is ended. Nothing follows where a person
        ended it meanwhile."""
        if all(each.id != comparison.id for each in self.open):
            return None
        watches = comparison.purpose is Purpose.WATCH
        missing = "" if watches else self.missing_by_people(comparison)
        if standing.is_proven and not missing:
            reason = words.rolled_back(comparison, standing) if watches else words.proven(comparison, standing)
            return Decision(comparison.purpose, comparison.ours, reason)
        if why := self._leads_nowhere(comparison, standing):
            self.drop(comparison, why)
        elif not watches:
            reason = (
                words.waits_for_people(comparison, standing, missing)
                if standing.is_proven
                else words.waits(comparison, standing)
            )
            self._store.versions.set_state(self._model, comparison.ours, VersionState.CHALLENGER, reason)
        return None

    def drop(self, comparison: Comparison, why: str, state: ComparisonState = ComparisonState.DROPPED) -> None:
        """End a comparison without what it was to prove; its version is no challenger any more."""
        said = Standing.from_plain(comparison.standing)
        log_capital = min(self.standing(comparison).log_capital, said.log_capital if said else 0.0)
        with self._store.transaction():
            if not self._store.comparisons.end(comparison.id, state, why, log_capital):
                return
            self._budgets.ended(comparison.purpose, log_capital)
            if comparison.purpose is Purpose.CHALLENGE:
                self._let_go(comparison.ours, f"dropped: {why}")
                text = f"{self._model} {comparison.ours} is dropped as challenger: {why}"
                self._store.events.add("challenger.dropped", text, model=self._model)

    def begin_first_exam(self, version: Version, cases: Sequence[CaseEvidence]) -> Standing | None:
        """Have a candidate begin with cases of the frozen set as its first evidence: those that no other version was
        asked have chosen none, and where the untouched base is live, nothing better can be lost. None where it may not.
        """
        live = self._live()
        if live is None or not is_base(live.live) or not cases or self._challenger:
            return None
        comparison = self._begin(version, live, horizon=max(LEAST_HORIZON, len(cases)), all_of_it=True)
        if comparison is None:
            return None
        in_order = sorted(cases, key=lambda each: each.case)
        with self._store.transaction():
            for start in range(0, len(in_order), FIRST_LOOK):
                self._store.comparisons.add_look(comparison.id, in_order[start : start + FIRST_LOOK])
        return self.add(comparison, ())

    def choose(self) -> Comparison | None:
        """Have the best of the newest waiting candidates begin as challenger, if there is none; the others that are
        older do not begin any more."""
        live = self._live()
        if live is None or self._challenger:
            return None
        waiting = self._waiting(live)
        best = max(waiting, key=lambda each: each[1], default=None)
        if best is None or best[1] < -MARGIN:
            return None
        comparison = self._begin(best[0], live)
        if comparison is None:
            return None
        for each in takewhile(lambda each: each.version != best[0].version, self._store.versions.all(self._model)):
            if each.state is VersionState.WAITING:
                self._let_go(each.version, f"held: {best[0].version} does better on the frozen set, and is challenger")
        return comparison

    def missing_by_people(self, comparison: Comparison) -> str:
        """What is missing of what gates ask of people, in words; empty if nothing is."""
        return missing_by_people(self._store, comparison, self._rules.settings.gates)

    @property
    def _challenger(self) -> Comparison | None:
        return self._store.comparisons.open(self._model, Purpose.CHALLENGE)

    def _live(self) -> Deployment | None:
        return self._store.versions.deployment(self._model)

    def _begin(
        self, version: Version, live: Deployment, *, horizon: int = 0, all_of_it: bool = False
    ) -> Comparison | None:
        """None where too little is left of the budget."""
        if self._budgets.now(Purpose.CHALLENGE).left < LEAST_LEVEL:
            return None
        with self._store.transaction():
            comparison = self._store.comparisons.begin(
                NewComparison(
                    self._model, Purpose.CHALLENGE, version.version, version.digest, live.live, live.live_digest,
                    self._budgets.stake(Purpose.CHALLENGE, all_of_it=all_of_it), horizon or HORIZON,
                    self._store.feedback.last_id(self._model),
                )
            )  # fmt: skip
            standing = self.add(comparison, ())
            reason = words.waits(comparison, standing)
            self._store.versions.set_state(self._model, version.version, VersionState.CHALLENGER, reason)
            text = f"{self._model} {version.version} is challenger of {live.live}"
            self._store.events.add("challenger.began", text, model=self._model)
        return comparison

    def _waiting(self, live: Deployment) -> list[tuple[Version, float]]:
        """The candidates that may begin, the newest few, each with its gain on the frozen set."""
        in_order = self._store.versions.all(self._model)
        versions = {each.version: each for each in in_order}
        last = [each.ours for each in self._store.comparisons.all(self._model) if each.purpose is Purpose.CHALLENGE]
        older = {live.live, *last[-1:], *self._withdrawn()}
        after = max((place for place, each in enumerate(in_order, 1) if each.version in older), default=0)
        newer = (each for each in in_order[after:] if each.state is VersionState.WAITING)
        waiting = [each for each in newer if not self._cancelled(each)][-NEWEST:]
        gains = [(each, self._gain_on_frozen(each, versions.get(live.live), live)) for each in waiting]
        return [(each, gain) for each, gain in gains if gain is not None]

    def _withdrawn(self) -> list[str]:
        versions = self._store.versions.all(self._model)
        return [each.version for each in versions if each.state is VersionState.WITHDRAWN]

    def _gain_on_frozen(self, version: Version, live: Version | None, deployment: Deployment) -> float | None:
        """By how much it was better than live on the frozen set; None where both were not asked the same one."""
        ours = self._score(version.metrics, "candidate")
        beside = version.metrics.get("scores", {}).get("live") or {}
        if beside.get("digest") == deployment.live_digest:
            theirs = self._score(version.metrics, "live")
        elif live and live.metrics.get("evaluation_hash") == version.metrics.get("evaluation_hash"):
            theirs = self._score(live.metrics, "candidate")
        else:
            return None
        return None if ours is None or theirs is None else ours - theirs

    def _score(self, metrics: Mapping[str, Any], role: str) -> float | None:
        found: float | None = (metrics.get("scores", {}).get(role) or {}).get("metrics", {}).get(self._rules.primary)
        return found

    def _settle_taken_back(self) -> None:
        """A comparison whose evidence was taken back was closed then: its stake is lost, and its version let go."""
        for purpose in Purpose:
            if self._store.comparisons.open(self._model, purpose) is None and self._budgets.now(purpose).staked > 0:
                self._budgets.ended(purpose, -math.inf)
        for each in self._store.versions.all(self._model) if self._challenger is None else ():
            if each.state is VersionState.CHALLENGER:
                self._let_go(each.version, f"dropped: {TAKEN_BACK}")

    def _settle(self, comparison: Comparison, live: Deployment) -> None:
        if comparison.purpose is Purpose.WATCH:
            now = (live.live, live.live_digest, live.previous, live.previous_digest or "")
            if now != (comparison.theirs, comparison.theirs_digest, comparison.ours, comparison.ours_digest):
                self._settle_watch(comparison, live)
            return
        said = Standing.from_plain(comparison.standing)
        if said and said.primary != self._rules.primary:
            self.drop(comparison, f"evaluation.primary is {self._rules.primary} now", ComparisonState.CLOSED)
            return
        if live.live == comparison.ours:
            self._settle_promoted(comparison)
        elif live.live != comparison.theirs or live.live_digest != comparison.theirs_digest:
            self.drop(comparison, f"{live.live} went live meanwhile", ComparisonState.CLOSED)
        elif gone := self._gone(comparison.ours):
            self.drop(comparison, gone, ComparisonState.CLOSED)

    def _settle_promoted(self, comparison: Comparison) -> None:
        standing = Standing.from_plain(comparison.standing)
        if standing and standing.is_proven:
            self._store.comparisons.end(comparison.id, ComparisonState.PROVEN, "proven, and live", standing.log_capital)
            self._budgets.proven(Purpose.CHALLENGE)
        else:
            log_capital = standing.log_capital if standing else 0.0
            self._store.comparisons.end(comparison.id, ComparisonState.CLOSED, "promoted by hand", log_capital)
            self._budgets.ended(Purpose.CHALLENGE, log_capital)

    def _settle_watch(self, comparison: Comparison, live: Deployment) -> None:
        standing = Standing.from_plain(comparison.standing)
        log_capital = standing.log_capital if standing else 0.0
        if standing and standing.is_proven and live.live == comparison.ours:
            by_itself = self._rules.settings.watch.auto_rollback
            reason = words.rolled_back(comparison, standing) if by_itself else "proven, and taken back by hand"
            self._store.comparisons.end(comparison.id, ComparisonState.PROVEN, reason, log_capital)
            self._budgets.proven(Purpose.WATCH)
        else:
            same = (live.live, live.live_digest) == (comparison.theirs, comparison.theirs_digest)
            why = "what was live before has changed" if same else f"{live.live} went live meanwhile"
            self._store.comparisons.end(comparison.id, ComparisonState.CLOSED, why, log_capital)
            self._budgets.ended(Purpose.WATCH, log_capital)

    def _begin_watch(self, live: Deployment) -> None:
        """Of what was promoted, by whoever, against what was live before."""
        if not live.previous or not is_to_be_watched(self._store, live):
            return
        if self._budgets.now(Purpose.WATCH).left < LEAST_LEVEL or self._store.comparisons.open(
            self._model, Purpose.WATCH
        ):
            return
        self._store.comparisons.begin(
            NewComparison(
                self._model, Purpose.WATCH, live.previous, live.previous_digest or "", live.live, live.live_digest,
                self._budgets.stake(Purpose.WATCH), HORIZON, self._known_to(live),
            ),
            not_before=live.since,
        )  # fmt: skip

    def _known_to(self, live: Deployment) -> int:
        """The id of the newest feedback that is no fresh case of the two that are watched: it was there when live went
        live, or one of them learned from it, which a clock that was wrong does not hide."""
        versions = (self._store.versions.get(self._model, name) for name in (live.live, live.previous) if name)
        learned = self._store.runs.newest_feedback_of([each.run_id for each in versions if each])
        return max(self._store.feedback.last_id_until(self._model, live.since), learned)

    def _gone(self, name: str) -> str | None:
        version = self._store.versions.get(self._model, name)
        if version is None or version.state is VersionState.COLLECTED:
            return "it was collected"
        if version.state is VersionState.WITHDRAWN:
            return f"it was {version.state}"
        return self._cancelled(version)

    def _cancelled(self, version: Version) -> str | None:
        """Why somebody wanted its run to end, which was over but for what follows from it; None if nobody did."""
        reason = self._store.runs.cancel_reason(version.run_id)
        return f"its run was to end: {reason}" if reason else None

    def _leads_nowhere(self, comparison: Comparison, standing: Standing) -> str | None:
        age = self._store.clock() - comparison.began_at
        if age >= timedelta(days=MOST_NIGHTS):
            return f"{MOST_NIGHTS} nights did not prove it"
        if comparison.purpose is Purpose.WATCH:
            return None
        if standing.units >= LEAST_CASES and standing.log_capital < math.log(DROPPED_AT):
            return words.speaks_against(comparison, standing)
        return None

    def _let_go(self, version: str, reason: str) -> None:
        found = self._store.versions.get(self._model, version)
        if found and found.state in (VersionState.WAITING, VersionState.CHALLENGER):
            state = VersionState.HELD if reason.startswith("held") else VersionState.DROPPED
            self._store.versions.set_state(self._model, version, state, reason)
