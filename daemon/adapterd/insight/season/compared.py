"""One comparison as `status` and `evidence` tell of it; it loads nothing heavy."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adapterd.evidence import words
from adapterd.evidence.standing import Standing
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Comparison, ComparisonState, Counts, Look, Purpose
from adapterd.store.versions import Deployment, VersionState


@dataclass(frozen=True)
class OneNight:
    """What one look said: cases and votes that decide, those that are only shown, the mean difference of those that
    decide (None without any), and the share of the way to a proof after it, in 0…1. `evidence` is the logarithm of the
    smallest capital then, as a share of what a proof needs: 1 proves it, below 0 it speaks against it."""

    at: datetime
    cases: int
    shown: int
    difference: float | None
    way: float
    evidence: float


@dataclass(frozen=True)
class Compared:
    """Whether `version` is better than `against`: for a challenge these are the challenger and live, for the watch what
    was live before and live. `text` says where it stands, or how it ended; `level` is the probability of an error that
    was paid for it. `standing` is None before the first night."""

    purpose: Purpose
    version: str
    against: str
    state: ComparisonState
    since: datetime
    ended_at: datetime | None
    level: float
    text: str
    way: float
    standing: Standing | None
    nights: tuple[OneNight, ...] = ()

    @property
    def is_proven(self) -> bool:
        """Whether all that has to be proven is."""
        return self.standing is not None and self.standing.is_proven

    @property
    def only_mistakes(self) -> bool:
        """Whether cases come, and none of them decides."""
        return self.standing is not None and self.standing.shown > 0 and self.standing.units == 0

    @classmethod
    def of(cls, store: Store, comparison: Comparison, looks: Sequence[Look] = ()) -> "Compared":
        """A comparison, with its nights where these are wanted. One that is over by what is live now is told as over,
        which the next night will settle."""
        standing = Standing.from_plain(comparison.standing)
        live = store.versions.deployment(comparison.model) if comparison.is_open else None
        if live and (over := _over(comparison, standing, live) or _withdrawn(store, comparison)):
            comparison = replace(comparison, state=over[0], reason=over[1], ended_at=live.since)
        return cls(
            purpose=comparison.purpose,
            version=comparison.ours,
            against=comparison.theirs,
            state=comparison.state,
            since=comparison.began_at,
            ended_at=comparison.ended_at,
            level=comparison.level,
            text=_text(comparison, standing),
            way=standing.way if standing else 0.0,
            standing=standing,
            nights=tuple(_nights(comparison, looks, standing)) if standing else (),
        )


def open_of(store: Store, model: str, purpose: Purpose) -> Compared | None:
    """The comparison that collects evidence for this purpose, if there is one."""
    comparison = store.comparisons.open(model, purpose)
    found = Compared.of(store, comparison) if comparison else None
    return found if found and found.state is ComparisonState.OPEN else None


def _over(comparison: Comparison, standing: Standing | None, live: Deployment) -> tuple[ComparisonState, str] | None:
    """How and why a comparison is over: something else is live than what it compares with."""
    if (live.live, live.live_digest) == (comparison.theirs, comparison.theirs_digest):
        return None
    if live.live == comparison.ours and standing and standing.is_proven:
        return ComparisonState.PROVEN, "proven, and live"
    by_hand = live.live == comparison.ours and comparison.purpose is Purpose.CHALLENGE
    return ComparisonState.CLOSED, f"{live.live} {'was made live by hand' if by_hand else 'went live meanwhile'}"


def _withdrawn(store: Store, comparison: Comparison) -> tuple[ComparisonState, str] | None:
    """How and why a challenge is over: its version was taken back, or is not there any more."""
    version = store.versions.get(comparison.model, comparison.ours)
    if (
        comparison.purpose is Purpose.WATCH
        or version is None
        or version.state not in (VersionState.WITHDRAWN, VersionState.COLLECTED)
    ):
        return None
    return ComparisonState.CLOSED, f"it was {version.state}"


def _text(comparison: Comparison, standing: Standing | None) -> str:
    if not comparison.is_open:
        return comparison.reason
    if standing is None:
        return "no night has compared them yet"
    say = words.watched if comparison.purpose is Purpose.WATCH else words.stands
    return say(comparison, standing)


def _nights(comparison: Comparison, looks: Sequence[Look], standing: Standing) -> Iterator[OneNight]:
    """Looks beside what was computed of each; where a removal took looks away since, the last values stand."""
    ways = [*standing.ways, *[standing.way] * len(looks)]
    logs = [*standing.log_capitals, *[standing.log_capital] * len(looks)]
    for look, way, log in zip(looks, ways, logs, strict=False):
        said = [each for each in look.cases if standing.primary in each.differences]
        values = [each.differences[standing.primary] for each in said if each.counts is Counts.DECIDES]
        mean = sum(values) / len(values) if values else None
        share = log / math.log(1 / comparison.level)
        yield OneNight(look.at, len(values), len(said) - len(values), mean, way, share)
