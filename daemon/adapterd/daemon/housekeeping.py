"""After a run: versions beyond the number to be kept go, and what the run left behind."""

import logging

from adapterd.config import Settings
from adapterd.errors import AdapterdError
from adapterd.home import Home
from adapterd.lifecycle.collect import carry_out
from adapterd.lifecycle.runtimes import runtime_for
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
