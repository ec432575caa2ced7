"""What the daemon does between runs: repair tags that were left half changed, remove what nobody needs any more."""

import logging
from collections.abc import Container

from adapterd.config import Settings
from adapterd.errors import AdapterdError, CancelledError
from adapterd.home import Home
from adapterd.housekeeping.collect import run_collection
from adapterd.housekeeping.reconcile import reconcile
from adapterd.insight.capture import noted as capture_noted
from adapterd.removal.upkeep import look_after, remove_old_captures
from adapterd.serving.runtimes import runtime_for
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from adapterd.system.child.call import Stopped, never

log = logging.getLogger("adapterd")


def collect_garbage(store: Store, home: Home, settings: Settings) -> None:
    """Remove what `adapterctl gc` would; a failure is logged."""
    try:
        collected = run_collection(store, home, settings, runtime_for(settings, home))
    except (AdapterdError, OSError) as exc:
        log.warning("nothing was collected: %s", exc)
        return
    for item in collected.items:
        log.info("removed %s: %s", item.what, item.why)


def remove_feedback(store: Store, home: Home, settings: Settings, stopped: Stopped = never) -> None:
    """Finish removals that were begun, and remove what is older than `feedback.keep_days`; a failure is logged, and the
    rest is done the next time, also where `stopped` said that it is time to end."""
    try:
        said = look_after(store, home, settings, stopped)
    except CancelledError:
        return
    except (AdapterdError, OSError) as exc:
        log.warning("feedback that is to be removed is not everywhere gone: %s", exc)
        return
    for sentence in said:
        log.info("%s", sentence)


def note_capture(store: Store, home: Home, settings: Settings) -> None:
    """Put alerts about captured answers, and damaged captures, into the history; a failure is logged."""
    try:
        said = capture_noted.note_capture(store, home, settings)
    except (AdapterdError, OSError) as exc:
        log.warning("what was captured cannot be looked at: %s", exc)
        return
    for sentence in said:
        log.warning("%s", sentence)


def remove_captures(store: Store, home: Home, settings: Settings) -> None:
    """Remove recorded conversations that are too old, and what was made of them; a failure is logged."""
    try:
        remove_old_captures(store, home, settings)
    except (AdapterdError, OSError) as exc:
        log.warning("recorded conversations that are too old are not gone: %s", exc)


def repair_tags(store: Store, home: Home, settings: Settings) -> list[str]:
    """Finish changes of tags that a killed command left unfinished, and put back live tags that a crash of the runtime
    removed.

    Returns sentences on what was repaired and what could not be; none while the runtime does not answer.
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
