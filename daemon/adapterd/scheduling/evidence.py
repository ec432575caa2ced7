"""Whether there is anything to ask fresh cases for, and whether any came: what a night without training is due for."""

from adapterd.serving.tags import is_base
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Comparison, Purpose
from adapterd.store.versions import PROMOTE, Deployment, VersionState


def compared(store: Store, model: str) -> list[Comparison]:
    """The comparisons that collect evidence."""
    return [each for each in store.comparisons.all(model) if each.is_open]


def may_begin(store: Store, model: str) -> bool:
    """Whether a candidate waits, or what went live is not watched yet."""
    live = store.versions.deployment(model)
    if live is None:
        return False
    waits = any(each.state is VersionState.WAITING for each in store.versions.all(model))
    return waits or is_to_be_watched(store, live)


def is_to_be_watched(store: Store, live: Deployment) -> bool:
    """Whether a version was promoted, by whoever, and is not watched since."""
    watched = any(
        each.purpose is Purpose.WATCH and each.theirs == live.live and each.began_at >= live.since
        for each in store.comparisons.all(live.model)
    )
    return live.action == PROMOTE and live.previous not in (None, live.live) and not is_base(live.live) and not watched


def fresh_cases_text(store: Store, model: str) -> str | None:
    """The sentence why a night without training is due: feedback came that what is compared was not asked yet."""
    newest = store.feedback.last_id(model)
    seen = [each.seen_id for each in compared(store, model)]
    if not seen and may_begin(store, model) and (live := store.versions.deployment(model)):
        seen = [store.feedback.last_id_until(model, live.since)]
    new = store.feedback.count(model, after_id=min(seen)) if seen and newest > min(seen) else 0
    return f"scheduled, {new} records that live and what is compared with it were not asked" if new else None
