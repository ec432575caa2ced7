"""The versions of a model side by side: what became of each, how it did, and what it takes of the disk."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from adapterd.config import ModelSettings
from adapterd.deployment.version_tags import MergedFile
from adapterd.evaluation.rules import primary_in
from adapterd.formats.evaluation import EVALUATION
from adapterd.formats.lineage import LINEAGE
from adapterd.home import Home
from adapterd.housekeeping.leftovers import size_of
from adapterd.store import Store
from adapterd.store.taken_back.removals import VersionMark
from adapterd.store.versions import Deployment, Version, VersionState

CANDIDATE = "candidate"
AGAINST = ("live", "base")
"""What a candidate was compared with, the first that there was."""


@dataclass(frozen=True)
class Gain:
    """The difference of a score from that of another model, and the interval in which the true one lies by `level`."""

    over: str
    difference: float
    low: float
    high: float
    level: float


@dataclass(frozen=True)
class PrimaryScore:
    """A version's value of its primary metric, and the gain over what was live then, or over the base.

    `gain` is None where nothing was kept of the comparison.
    """

    metric: str
    value: float
    gain: Gain | None


@dataclass(frozen=True)
class VersionRow:
    """One version. `role` is live, previous or None; `base` the base's tag or file, None where nothing readable was
    kept of it; `size_bytes` that of its folder, and of its file in the runtime unless it was collected; `removed` says
    how many removed records it knows, None if none."""

    version: str
    state: VersionState
    reason: str
    role: str | None
    created_at: datetime
    base: str | None
    base_digest: str
    primary: PrimaryScore | None
    size_bytes: int
    pinned: bool
    label: str | None
    removed: VersionMark | None = None


def list_versions(store: Store, home: Home, model: str, settings: ModelSettings) -> list[VersionRow]:
    """Every version of the model, newest first."""
    marks = store.removals.marks(model)
    row = partial(_row, store, home, settings, store.versions.deployment(model), marks)
    return [row(version) for version in reversed(store.versions.all(model))]


def _row(
    store: Store,
    home: Home,
    settings: ModelSettings,
    deployment: Deployment | None,
    marks: Mapping[str, VersionMark],
    version: Version,
) -> VersionRow:
    folder = home.version(version.model, version.version)
    lineage = _read(folder / LINEAGE.name)
    merged = None if version.state is VersionState.COLLECTED else MergedFile.of_run(store, version.run_id)
    return VersionRow(
        version=version.version,
        state=version.state,
        reason=version.reason,
        role=_role(version.version, deployment),
        created_at=version.created_at,
        base=_text(_at(lineage, "base", "tag")),
        base_digest=version.base_digest,
        primary=_primary(version, _read(folder / EVALUATION.name), _primary_metric(lineage, settings)),
        size_bytes=size_of([folder]) + (merged.size_bytes if merged else 0),
        pinned=version.pinned,
        label=version.label,
        removed=marks.get(version.version),
    )


def _role(version: str, deployment: Deployment | None) -> str | None:
    roles = {deployment.previous: "previous", deployment.live: "live"} if deployment else {}
    return roles.get(version)


def _primary_metric(lineage: Mapping[str, Any], settings: ModelSettings) -> str | None:
    """The one that the version was judged by, None where a newer release judged it by one that is not known here; that
    of the present settings where nothing was kept of it."""
    made_with = lineage.get("settings") or {
        "task": settings.task,
        "evaluation": {"primary": settings.evaluation.primary},
    }
    return primary_in(made_with) if isinstance(made_with, Mapping) else None


def _primary(version: Version, judged: Mapping[str, Any], metric: str | None) -> PrimaryScore | None:
    value = _at(version.metrics, "scores", CANDIDATE, "metrics", metric) if metric else None
    if metric is None or value is None:
        return None
    compared = ((name, _at(judged, "comparisons", metric, name)) for name in AGAINST)
    return PrimaryScore(metric, value, next((_gain(name, found) for name, found in compared if found), None))


def _gain(over: str, comparison: Any) -> Gain | None:
    paths = (("difference",), ("interval", "low"), ("interval", "high"), ("interval", "level"))
    numbers = [_at(comparison, *path) for path in paths]
    return Gain(over, *numbers) if all(isinstance(number, int | float) for number in numbers) else None


def _read(file: Path) -> Mapping[str, Any]:
    """What was kept, nothing where the file is gone or damaged: a table of versions is not the place to say so."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _at(values: Any, *path: str) -> Any:
    for part in path:
        values = values.get(part) if isinstance(values, Mapping) else None
    return values
