"""A season as a test plays it: versions are made, cases come, and what is decided is done, with no model asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from adapterd.config import EvaluationSettings, ModelSettings
from adapterd.deployment.deploy import INIT
from adapterd.evaluation.e_process import SCORE
from adapterd.evidence.decision import Decision
from adapterd.evidence.season import Rules, Season
from adapterd.evidence.standing import Standing
from adapterd.serving.tags import BASE
from adapterd.store import Store
from adapterd.store.evidence.comparisons import CaseEvidence, Comparison, Counts, Purpose
from adapterd.store.versions import PROMOTE, ROLLBACK, Version, VersionState
from tests.support.hand_clock import HandClock

MODEL, PRIMARY, RAIL = "m", "field_f1", "json_valid"
FROZEN = "frozen"
DAY_S = 86_400.0
SETTINGS = ModelSettings(base="tiny:1", base_digest="sha256:00", evaluation=EvaluationSettings(error_budget=0.05))


@dataclass
class Played:
    """The season of a model whose versions are told here how they do."""

    store: Store
    clock: HandClock
    rails: tuple[str, ...] = ()
    numbers: "count[int]" = field(default_factory=count)

    @classmethod
    def begun(cls, store: Store, clock: HandClock, rails: tuple[str, ...] = ()) -> "Played":
        """With the base live."""
        store.versions.deploy(MODEL, INIT, live=BASE, live_digest=digest(BASE))
        return cls(store, clock, rails)

    @property
    def season(self) -> Season:
        """Opened anew each time, as each night's process does."""
        return Season(self.store, MODEL, Rules(PRIMARY, self.rails, SETTINGS))

    @property
    def live(self) -> str:
        deployment = self.store.versions.deployment(MODEL)
        assert deployment is not None
        return deployment.live

    def candidate(self, name: str, gain: float = 0.0) -> Version:
        """A version that waits, so much better than live on the frozen set."""
        scores = {
            "candidate": {"metrics": {PRIMARY: 0.5 + gain}},
            "live": {"digest": digest(self.live), "metrics": {PRIMARY: 0.5}},
        }
        metrics = {"scores": scores, "evaluation_hash": FROZEN}
        self.clock.move_on()
        self.store.versions.add(MODEL, name, run_id=f"run-{name}", digest=digest(name), base_digest="b")
        self.store.versions.set_state(MODEL, name, VersionState.WAITING, "not proven", metrics)
        return self.version(name)

    def challenger(self, name: str, gain: float = 0.0) -> Comparison:
        """A version that waits and begins."""
        self.candidate(name, gain)
        found = self.season.choose()
        assert found is not None
        assert found.ours == name
        return found

    def version(self, name: str) -> Version:
        found = self.store.versions.get(MODEL, name)
        assert found is not None
        return found

    def state(self, name: str) -> VersionState:
        return self.version(name).state

    def of(self, purpose: Purpose) -> list[Comparison]:
        """All comparisons of this purpose, oldest first."""
        return [each for each in self.store.comparisons.all(MODEL) if each.purpose is purpose]

    def night(
        self, challenge: Sequence[float] = (), watch: Sequence[float] = (), *, rail: float = 0.0
    ) -> Decision | None:
        """A day later these differences are found, each of a case of its own; what is decided is done."""
        decision = self.undone_night(challenge, watch, rail=rail)
        if decision:
            self.carry_out(decision)
        return decision

    def undone_night(
        self, challenge: Sequence[float] = (), watch: Sequence[float] = (), *, rail: float = 0.0
    ) -> Decision | None:
        """The same, killed before what is decided is done."""
        self.clock.move_on(DAY_S)
        season = self.season
        season.settle()
        given = {Purpose.CHALLENGE: challenge, Purpose.WATCH: watch}
        found = None
        for each in season.open:
            found = found or season.decide(each, season.add(each, self.cases(given[each.purpose], rail)))
        if found is None:
            season.choose()
        return found

    def carry_out(self, decision: Decision) -> None:
        if decision.purpose is Purpose.CHALLENGE:
            self.promote(decision.version)
        else:
            self.roll_back(decision.version)

    def promote(self, name: str) -> None:
        before = self.live
        self.store.versions.deploy(
            MODEL, PROMOTE, live=name, live_digest=digest(name), previous=before, previous_digest=digest(before)
        )
        self.store.versions.set_state(MODEL, name, VersionState.PROMOTED, "promoted")

    def roll_back(self, name: str) -> None:
        before = self.live
        self.store.versions.deploy(MODEL, ROLLBACK, live=name, live_digest=digest(name), previous=BASE)
        self.store.versions.set_state(MODEL, before, VersionState.WITHDRAWN, "taken back")

    def cases(self, differences: Sequence[float], rail: float = 0.0) -> list[CaseEvidence]:
        return [
            evidence(next(self.numbers), {PRIMARY: each, **dict.fromkeys(self.rails, rail)}) for each in differences
        ]

    def standing(self, comparison: Comparison) -> Standing:
        return self.season.standing(comparison)


def digest(name: str) -> str:
    """Of the tag of that name."""
    return f"sha256:{name}"


def evidence(
    number: int,
    differences: Mapping[str, float],
    *,
    origin: str = "app",
    source: str | None = None,
    kind: str = SCORE,
    counts: Counts = Counts.DECIDES,
) -> CaseEvidence:
    """What one case says."""
    return CaseEvidence(f"case-{number:04}", f"record-{number}", origin, source, kind, counts, differences)
