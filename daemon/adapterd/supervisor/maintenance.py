"""What the daemon puts in order by itself: tags that others left half changed, and after a run what is not needed."""

import logging
from collections.abc import Container

from adapterd.config import Settings
from adapterd.errors import AdapterdError
from adapterd.home import Home
from adapterd.housekeeping.collect import carry_out
from adapterd.housekeeping.reconcile import reconcile
from adapterd.serving.runtimes import runtime_for
from adapterd.serving.tags import ModelTags
from adapterd.store import Store

log = logging.getLogger("adapterd")


def keep_house(store: Store, home: Home, settings: Settings) -> None:
    """Collect what `adapterctl gc` would; that it cannot be done now is no reason to stop."""
    try:
        collected = carry_out(store, home, settings, runtime_for(settings, home))
    except (AdapterdError, OSError) as exc:
        log.warning("nothing was collected: %s", exc)
        return
    for item in collected.items:
        log.info("%s was removed: %s", item.what, item.why)


def mend(store: Store, home: Home, settings: Settings) -> list[str]:
    """Put right what a killed command or a crash of the runtime left since the last time: a change of tags that was
    begun and not finished, a live tag that is gone.

    Returns sentences on what was done, or could not be. While the runtime does not answer nothing is said: that is no
    fault of the tags.
    """
    runtime = runtime_for(settings, home)
    try:
        present = runtime.tags()
    except AdapterdError:
        return []
    broken = [name for name in sorted(settings.models) if _is_broken(store, name, present)]
    return [said for name in broken for said in reconcile(store, home, settings, runtime, only=name)]


def _is_broken(store: Store, name: str, present: Container[str]) -> bool:
    was_live = store.versions.deployment(name) is not None
    return was_live and (ModelTags(name).live not in present or bool(store.versions.begun_intents(name)))
