"""Retention: which versions that no rollback needs are collected, and which are pinned."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from adapterd.deployment.history import require_version
from adapterd.errors import InputError
from adapterd.serving.tags import BASE
from adapterd.store import Store
from adapterd.store.versions import Version, VersionState


def collectable(versions: Sequence[Version], stay: Collection[str], keep: int) -> dict[str, str]:
    """Which of the versions (oldest first) may go, each with the reason: those of runs that were given up, and all but
    the newest of the rest. Those that `stay` anyway do not count."""
    rest = [version for version in reversed(versions) if version.version not in stay]
    reasons: dict[str, str] = {}
    judged = 0
    for version in rest:
        if version.state is VersionState.CANDIDATE:
            reasons[version.version] = "its run was given up before it was judged"
        elif version.state is VersionState.COLLECTED:  # and killed before its tag was removed
            reasons[version.version] = version.reason
        else:
            judged += 1
            if judged > keep:
                reasons[version.version] = f"{version.state}, and no longer one of the newest (versions.keep = {keep})"
    return reasons


def pin(store: Store, model: str, version: str, *, pinned: bool) -> Version:
    """Have a version kept whatever its age, or no longer; raises NotFoundError, or InputError if it is too late."""
    if version == BASE:
        raise InputError("the base is always kept")
    found = require_version(store, model, version)
    if pinned and found.state is VersionState.COLLECTED:
        raise InputError(f"{model} {version} was collected already: {found.reason}")
    with store.transaction():
        store.versions.pin(model, version, pinned=pinned)
        if pinned is not found.pinned:
            text = f"{model} {version} is {'kept whatever its age' if pinned else 'no longer pinned'}"
            store.events.add("version.pinned" if pinned else "version.unpinned", text, model=model)
    return replace(found, pinned=pinned)
