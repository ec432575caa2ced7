"""Which versions stay. What is needed to go back is never collected; of the others, the newest stay."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from adapterd.errors import InputError, NotFoundError
from adapterd.serving.tags import BASE
from adapterd.store import Store
from adapterd.store.versions import Deployment, Version, VersionState

ROLLBACK = "rollback"
WAYS_BACK = 2
"""Where a rollback leads, and where a second one would."""


def pile(history: Sequence[Deployment], rolled_back_to: str | None = None) -> list[str]:
    """What is live, below it what was before, and so on down to the base, which is first in the list.

    Promotions put a version on the pile, rollbacks take off what lies above their target; so they end at the base.
    With `rolled_back_to` it is the pile after one more rollback.
    """
    actions = [(past.action, past.live) for past in history]
    found: list[str] = []
    for action, live in [*actions, (ROLLBACK, rolled_back_to)] if rolled_back_to else actions:
        if action == ROLLBACK and live in found:
            while found[-1] != live:
                found.pop()
        else:
            found.append(live)
    return found


def needed(store: Store, model: str) -> set[str]:
    """The versions that stay whatever their age, the base among them: live, previous, what a second rollback would lead
    to, pinned ones, and those that a run or a change of tags is busy with."""
    versions, history = store.versions.all(model), store.versions.deployments(model)
    busy = {version.version for version in versions if version.pinned or _is_open(store, version)}
    changing = {name for each in store.versions.begun_intents(model) for name in (each.target, each.withdrawn) if name}
    collected = {version.version for version in versions if version.state is VersionState.COLLECTED}
    ways_back = [name for name in pile(history)[:-1] if name not in collected][-WAYS_BACK:]
    served = {name for name in (history[-1].live, history[-1].previous) if name} if history else set()
    return {BASE, *busy, *changing, *ways_back, *served}


def spare(versions: Sequence[Version], stay: Collection[str], keep: int) -> dict[str, str]:
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
    found = store.versions.get(model, version)
    if version == BASE:
        raise InputError("the base is always kept")
    if found is None:
        known = ", ".join(each.version for each in store.versions.all(model)) or "none yet"
        raise NotFoundError(f"{model} has no version {version}; there are: {known}")
    if pinned and found.state is VersionState.COLLECTED:
        raise InputError(f"{model} {version} was collected already: {found.reason}")
    with store.transaction():
        store.versions.pin(model, version, pinned=pinned)
        if pinned is not found.pinned:
            text = f"{model} {version} is {'kept whatever its age' if pinned else 'no longer pinned'}"
            store.events.add("version.pinned" if pinned else "version.unpinned", text, model=model)
    return replace(found, pinned=pinned)


def _is_open(store: Store, version: Version) -> bool:
    try:
        return store.runs.get(version.run_id).state.open
    except KeyError:
        return False
