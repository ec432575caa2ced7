"""Where a comparison stands (decision 26): plain values, which the daemon and `status` read without numpy.

The primary score has to be proven better, each guard rail to fall by less than GUARD_LIMIT.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

GUARD_LIMIT = 0.05
"""A guard rail has to be proven to fall by less."""
MARGIN = 0.02
"""And its mean may not fall by more."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class RailStanding:
    """A guard rail: its mean difference, and how far it is proven to fall by less than the limit (`way`, 0…1)."""

    metric: str
    mean: float
    way: float

    @property
    def is_within_margin(self) -> bool:
        """Whether its mean keeps within the margin."""
        return self.mean >= -MARGIN


@dataclass(frozen=True)
class Standing:
    """Where a comparison stands.

    `cases` and `votes` decide, `shown` are only shown, with a mean difference of `shown_gain`; `units` are the cases
    that count, a source whole as one. `gain` is the mean difference of the primary score, truly at least `low` and at
    most `high` with 95 % at any night. `ways` are, after each night, the share of the way to a proof of all that has to
    be proven, in 0…1. `log_capital` is the smallest of the logarithms of the capitals, `log_capitals` are those after
    each night. `against` names an origin that proves it alone, where others send, too. `nights_left` is None where it
    does not come nearer.
    """

    primary: str
    cases: int
    votes: int
    shown: int
    shown_gain: float
    units: int
    gain: float
    low: float
    high: float
    ways: tuple[float, ...]
    rails: tuple[RailStanding, ...]
    log_capital: float
    against: str | None
    nights_left: int | None
    votes_left: int | None
    log_capitals: tuple[float, ...] = ()

    @property
    def way(self) -> float:
        """The share of the way to a proof, in 0…1."""
        return self.ways[-1] if self.ways else 0.0

    @property
    def is_proven(self) -> bool:
        """Whether all that has to be proven is."""
        return self.way >= 1 and self.against is None and all(rail.is_within_margin for rail in self.rails)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Standing | None":
        """The reverse of `dataclasses.asdict`; None of an empty mapping, and of what another release has written
        otherwise: the next night computes it again."""
        try:
            known = {each.name: values[each.name] for each in fields(cls) if each.name in values}
            rails = tuple(RailStanding(**each) for each in known["rails"])
            lists = {name: tuple(map(float, known.get(name, ()))) for name in ("ways", "log_capitals")}
            found = cls(**{**known, **lists, "rails": rails})
            float(found.gain), float(found.low), float(found.high), float(found.log_capital)
        except (KeyError, TypeError, ValueError):
            return None
        return found
