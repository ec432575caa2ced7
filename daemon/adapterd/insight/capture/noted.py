"""What the history has of capture: each alert, and each damaged database that was kept aside, once."""

import time
from collections.abc import Callable

from adapterd.capture.alerts import alerts
from adapterd.capture.captures import Captures
from adapterd.capture.rates import COUNTED_DAYS, SHOWN_DAYS, day_of, first_day
from adapterd.capture.set_aside import those_aside
from adapterd.config import Settings
from adapterd.home import Home
from adapterd.housekeeping.backup.contents import CAPTURES_ASIDE
from adapterd.store import Store

ALERT = "capture.alert"


def note_capture(
    store: Store, home: Home, settings: Settings, clock: Callable[[], float] = time.time
) -> list[str]:  # fmt: skip
    """Put into the history what it does not have yet; returns sentences on it. Raises StoreError."""
    return [*note_set_aside(store, home), *_note_alerts(store, home, settings, clock())]


def note_set_aside(store: Store, home: Home) -> list[str]:
    """The damaged databases alone: removals name the copies that the history knows."""
    known = {detail.get("aside") for detail in store.events.details(CAPTURES_ASIDE)}
    said = []
    for path in those_aside(home.captures):
        if str(path) not in known:
            said.append(f"{home.captures.name} was damaged; it is kept aside as {path}")
            store.events.add(CAPTURES_ASIDE, said[-1], detail={"aside": str(path)})
    return said


def _note_alerts(store: Store, home: Home, settings: Settings, now: float) -> list[str]:
    """Those of the last days: of older ones the counts that made them may be gone in part."""
    if not home.captures.is_file():
        return []
    with Captures(home.captures) as captures:
        counted = captures.counted(first_day(now, COUNTED_DAYS))
    known = {(each.get("model"), each.get("fault"), each.get("day")) for each in store.events.details(ALERT)}
    said = []
    for alert in alerts(counted, day_of(now)):
        if alert.day >= first_day(now, SHOWN_DAYS) and (alert.model, alert.fault, alert.day) not in known:
            name = alert.model.partition(":")[0]
            detail = {"model": alert.model, "fault": alert.fault, "day": alert.day, "digests": list(alert.digests)}
            store.events.add(ALERT, alert.text, model=name if name in settings.models else None, detail=detail)
            said.append(alert.text)
    return said
