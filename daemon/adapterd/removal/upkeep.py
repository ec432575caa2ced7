"""What the daemon does for removals between runs: it finishes those that were begun, and removes feedback by age.

What came longer than `feedback.keep_days` ago goes, once a day at most. The work is done in a process of its own, for
it computes what versions scored (law 8).
"""

from datetime import datetime, timedelta

from adapterd.capture.captures import Captures
from adapterd.config import Settings
from adapterd.home import Home
from adapterd.store import Store
from adapterd.system.child import call as child
from adapterd.system.child.call import Stopped, never

KEEP_DAYS = "older than feedback.keep_days"
EVERY = timedelta(days=1)
GIGABYTE = 1_000_000_000
WAIT_S = 1.0
"""How long the daemon waits for a run that a command has begun meanwhile."""


def look_after(store: Store, home: Home, settings: Settings, stopped: Stopped = never) -> list[str]:
    """Do what is due; returns sentences on it. Raises BusyError where a run goes on, StoreError and OSError, and
    CancelledError when `stopped` says so: the rest is done the next time."""
    if not store.removals.unfinished() and not any(expired(store, settings)):
        return []
    return child.call(_look_after, home, settings, store.clock(), stopped=stopped)


def expired(store: Store, settings: Settings) -> dict[str, datetime]:
    """The models that have feedback or prompts which are too old and were not looked after today, with the arrival
    before which it goes."""
    found, now = {}, store.clock()
    for model, configured in sorted(settings.models.items()):
        if configured.feedback.keep_days is not None and not _was_looked_after(store, model, now):
            limit = now - timedelta(days=configured.feedback.keep_days)
            arrivals = (store.feedback.first_arrival(model), store.prompts.oldest(model))
            if any(first and first < limit for first in arrivals):
                found[model] = limit
    return found


def remove_expired(store: Store, home: Home, settings: Settings) -> list[str]:
    """Remove what is too old of every model that says so; returns sentences on it. Raises BusyError."""
    from adapterd.removal.remove import finish_removals, remove
    from adapterd.removal.selection import Criteria, select

    said = []
    for model, limit in expired(store, settings).items():
        found = select(store, home, model, Criteria(arrived_before=limit))
        if not found.is_empty:
            report = remove(store, home, settings, model, found, why=KEEP_DAYS, wait_s=WAIT_S)
            said.append(f"{model}: records removed: {report.records} ({KEEP_DAYS})")
        if prompts := _remove_prompts(store, model, limit):
            finish_removals(store, home, settings, wait_s=WAIT_S)
            said.append(f"{model}: prompts without answers removed: {prompts} ({KEEP_DAYS})")
    return said


def remove_old_captures(store: Store, home: Home, settings: Settings) -> None:
    """Remove recorded conversations that are too old or too many, for no recorder does where nothing is recorded any
    more; what waits to be chosen between, to prompts that are not recorded any more; and the journal of what teachers
    were asked at that time. Raises StoreError."""
    wanted, waiting, recorded = settings.capture, store.choices.prompts_to_choose(), set[str]()
    limit = store.clock() - timedelta(days=wanted.keep_days)
    store.teaching.requests.forget_older(limit)
    if home.captures.is_file():
        with Captures(home.captures) as captures:
            captures.remove_old(limit.timestamp(), round(wanted.keep_gb * GIGABYTE))
            recorded = captures.recorded_prompts(waiting)
    if gone := waiting - recorded:
        store.choices.forget_prompts(gone)


def _remove_prompts(store: Store, model: str, limit: datetime) -> int:
    """Remove prompts without answers that came before then, with what teachers made of them; free pages of the database
    have them until the removal that is noted here is finished. Returns how many these are."""
    with store.transaction():
        store.teaching.forget_prompts(store.prompts.hashes_older(model, limit), model)
        if count := store.prompts.remove_older(model, limit):
            store.removals.cleaned(store.removals.begin(model, KEEP_DAYS, going=(), hashes=(), versions={}))
    return count


def _look_after(home: Home, settings: Settings, now: datetime) -> list[str]:
    from adapterd.removal.remove import finish_removals

    with Store(home.database, clock=lambda: now) as store:
        finished = finish_removals(store, home, settings, wait_s=WAIT_S)
        said = [f"finished {len(finished)} removals of feedback"] if finished else []
        return said + remove_expired(store, home, settings)


def _was_looked_after(store: Store, model: str, now: datetime) -> bool:
    last = store.removals.last_begun(model, KEEP_DAYS)
    return last is not None and last <= now < last + EVERY
