"""The stack of promotions, and which versions it needs: what is needed to go back is never collected."""

from collections.abc import Sequence

from adapterd.errors import InputError, NotFoundError
from adapterd.formats.lineage import LINEAGE
from adapterd.home import Home
from adapterd.serving.tags import BASE, is_base
from adapterd.store import Store
from adapterd.store.versions import ROLLBACK, Deployment, Version, VersionState

WAYS_BACK = 2
"""Where a rollback leads, and where a second one would."""


def promotion_stack(history: Sequence[Deployment], rolled_back_to: str | None = None) -> list[str]:
    """What is live, below it what was before, and so on down to the base, which is first in the list.

    A promotion pushes a version, a rollback pops what lies above its target; so rollbacks end at the base. With
    `rolled_back_to` it is the stack after one more rollback.
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


def newest_base(history: Sequence[Deployment]) -> str:
    """The name of the base that a rollback to the base leads to: the one that was live last, on the way here."""
    return next(filter(is_base, reversed(promotion_stack(history))), BASE)


def require_version(store: Store, model: str, version: str) -> Version:
    """The version of that number; raises NotFoundError naming those that there are."""
    found = store.versions.get(model, version)
    if found is None:
        known = ", ".join(each.version for each in store.versions.all(model)) or "none yet"
        raise NotFoundError(f"{model} has no version {version}; there are: {known}")
    return found


def other_base(store: Store, home: Home, model: str, name: str, digest: str) -> str | None:
    """The base that a version is made of, where that is not the one whose file has this digest; None where it is, and
    for bases themselves."""
    version = None if is_base(name) else store.versions.get(model, name)
    if version is None or version.base_digest == digest:
        return None
    try:
        lineage = LINEAGE.read(home.version(model, name)) or {}
        return str(lineage["base"]["tag"])
    except (InputError, LookupError, TypeError):  # gone, or damaged
        return f"{version.base_digest[:19]}…"


def needed(store: Store, model: str) -> set[str]:
    """The versions that stay whatever their age, the base among them: live, previous, what a second rollback would lead
    to, pinned ones, those that are compared on fresh cases, and those that a run or a change of tags is busy with."""
    versions, history = store.versions.all(model), store.versions.deployments(model)
    busy = {version.version for version in versions if version.pinned or _is_open(store, version)}
    changing = {name for each in store.versions.begun_intents(model) for name in (each.target, each.withdrawn) if name}
    collected = {version.version for version in versions if version.state is VersionState.COLLECTED}
    ways_back = [name for name in promotion_stack(history)[:-1] if name not in collected][-WAYS_BACK:]
    served = {name for name in (history[-1].live, history[-1].previous) if name} if history else set()
    compared = {name for each in store.comparisons.all(model) if each.is_open for name in (each.ours, each.theirs)}
    return {BASE, *busy, *changing, *ways_back, *served, *compared}


def _is_open(store: Store, version: Version) -> bool:
    try:
        return store.runs.get(version.run_id).state.open
    except KeyError:
        return False
