"""What a night of evidence is for, and what follows from it: plain values, which load nothing heavy into the daemon."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from adapterd.config import Settings
from adapterd.store.evidence.comparisons import Purpose


@dataclass(frozen=True)
class Decision:
    """What is to be done: make a version live, or go back to one, and the sentence why."""

    purpose: Purpose
    version: str
    reason: str


@dataclass(frozen=True)
class Judged:
    """A version that a run has made, and what the cases of the frozen set, by its hash, said of it and of live: the
    differences of each case by metric."""

    version: str
    evaluation_hash: str
    differences: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Night:
    """What is to be found out: by the settings of the model, at that time. `held` are the content hashes of records
    that must not be used; `judged` is a version that was made just now."""

    home: Path
    settings: Settings
    model: str
    now: datetime
    held: Collection[str] = ()
    judged: Judged | None = None
