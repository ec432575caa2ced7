"""The inboxes are read in a thread of its own, so that the daemon answers meanwhile, and ends when it is told to.

What changed is known from events; a walk through everything finds what they missed. The longer a walk takes, the more
seldom it is.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from adapterd.errors import AdapterdError, InputError
from adapterd.feedback.formats import ReadingOptions
from adapterd.feedback.settling import SettleTracker
from adapterd.feedback.watch import FolderWatch
from adapterd.home import Home
from adapterd.intake.file_reading import BatchLimit
from adapterd.intake.ingest import IngestReport, ingest
from adapterd.store import Store
from adapterd.store.database import Clock, utc_now
from adapterd.supervisor.unreadable import UnreadableInboxes
from adapterd.system.host.freed_memory import give_freed_memory_back

WALK_EVERY_S = 300.0
WALK_UNWATCHED_EVERY_S = 30.0
"""Where changes are not reported as events, or something could not be read: that it may be read again is no event."""
WALKS_TAKE_A_SHARE_OF = 2000
WALKS_UNWATCHED_TAKE_A_SHARE_OF = 100
LIMIT = BatchLimit(pieces=500, size_bytes=1 << 20)
"""Of one transaction: meanwhile nobody else writes."""
CHECKPOINT_PAGES = 1000
"""The write-ahead log is emptied after 4 MB, so that neither a transaction nor the end has to wait for much of it."""
STOP_WITHIN_S = 0.3
SETTLING_S = 1.0
"""How often files that are still being written are looked at."""

log = logging.getLogger("adapterd")


class _StoppedError(Exception):
    """The daemon ends; what is not read yet is read at its next start."""


@dataclass(frozen=True)
class Inbox:
    """One model's feedback folder, and how it is read."""

    folder: Path
    options: ReadingOptions
    withdraw_vanished: bool


@dataclass
class _State:
    """What is known of a model's inbox: paths that have not settled, when they are looked at, and when all of it is
    walked through."""

    folder: Path
    tracker: SettleTracker = field(default_factory=SettleTracker)
    unsettled: frozenset[str] = frozenset()
    look_at_s: float = 0.0
    walk_at_s: float = 0.0


class InboxReader:
    """Reads what is new in the inboxes; `ended` is called after every reading, in its thread, which may end later."""

    def __init__(self, home: Home, ended: Callable[[], object] = lambda: None, clock: Clock = utc_now) -> None:
        self._home = home
        self._ended = ended
        self._clock = clock
        self._unreadable = UnreadableInboxes()
        self._states: dict[str, _State] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.busy = False
        """Whether a reading goes on."""

    def due_in_s(self) -> float:
        """Seconds until there is something to look at, if no event comes earlier."""
        moments = [state.walk_at_s for state in self._states.values()]
        moments += [state.look_at_s for state in self._states.values() if state.unsettled]
        return max(0.0, min(moments, default=math.inf) - time.monotonic())

    def begin(self, inboxes: Mapping[str, Inbox], watch: FolderWatch) -> bool:
        """Begin to read what has changed, unless a reading goes on; returns whether one goes on now."""
        if self.busy or self._stopping.is_set():
            return self.busy
        self._states = {name: self._state(name, inbox.folder) for name, inbox in inboxes.items()}
        changed = {folder: watch.changes.take(folder) for folder in {inbox.folder for inbox in inboxes.values()}}
        looked_at = {name: self._paths(state, changed[state.folder]) for name, state in self._states.items()}
        due = {name: paths for name, paths in looked_at.items() if paths is None or paths}
        if due:
            blind = frozenset(watch.blind)
            self._thread = threading.Thread(
                target=self._read, args=(inboxes, due, blind), name="read-inboxes", daemon=True
            )
            self.busy = True
            self._thread.start()
        return self.busy

    def stop(self, within_s: float = STOP_WITHIN_S) -> None:
        """End a reading at its next look; one that does not come to that in time ends with the process, and loses
        nothing."""
        self._stopping.set()
        self.join(within_s)

    def join(self, timeout_s: float | None = None) -> None:
        """Wait until no reading goes on."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _state(self, name: str, folder: Path) -> _State:
        """What is known of the model's inbox; nothing of a folder that it has not had before."""
        known = self._states.get(name)
        return known if known is not None and known.folder == folder else _State(folder)

    def _paths(self, state: _State, changed: frozenset[str] | None) -> frozenset[str] | None:
        """The paths to be looked at, None for all."""
        now_s = time.monotonic()
        if changed is None or now_s >= state.walk_at_s:
            return None
        return changed | state.unsettled if changed or now_s >= state.look_at_s else frozenset()

    def _read(
        self, inboxes: Mapping[str, Inbox], due: Mapping[str, frozenset[str] | None], blind: frozenset[Path]
    ) -> None:
        try:
            with Store(self._home.database, clock=self._clock) as store:
                store.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
                for name, paths in due.items():
                    try:
                        self._read_one(store, name, inboxes[name], paths, is_blind=inboxes[name].folder in blind)
                    except _StoppedError:
                        raise
                    except Exception as exc:
                        self._failed([name], f"{name}: feedback could not be read this time", exc)
        except _StoppedError:
            log.info("the reading of feedback was broken off, and goes on at the next start")
        except Exception as exc:
            self._failed(due, "no feedback could be read this time", exc)
        finally:
            if None in due.values():
                give_freed_memory_back()
            self.busy = False
            self._ended()

    def _read_one(self, store: Store, name: str, inbox: Inbox, paths: frozenset[str] | None, *, is_blind: bool) -> None:
        began_s, state = time.monotonic(), self._states[name]
        try:
            report = ingest(
                store, self._home, name, inbox.folder, options=inbox.options, tracker=state.tracker,
                withdraw_vanished=inbox.withdraw_vanished, paths=paths, look=self._look, limit=LIMIT,
            )  # fmt: skip
        except InputError as exc:
            self._unreadable.note(store, name, {str(inbox.folder): str(exc)})
            self._walk_later([name])
            return
        self._unreadable.note(store, name, store.feedback.refusals(name))
        state.unsettled, state.look_at_s = frozenset(map(str, report.unsettled)), time.monotonic() + SETTLING_S
        if paths is None:
            every_s, share = (
                (WALK_UNWATCHED_EVERY_S, WALKS_UNWATCHED_TAKE_A_SHARE_OF)
                if is_blind or name in self._unreadable
                else (WALK_EVERY_S, WALKS_TAKE_A_SHARE_OF)
            )
            now_s = time.monotonic()
            state.walk_at_s = now_s + max(every_s, share * (now_s - began_s if not report.lines else 0.0))
        _tell(name, report)

    def _failed(self, names: Iterable[str], what: str, exc: Exception) -> None:
        """Say that something could not be read, and try it again later: at once it would fail as well."""
        known = isinstance(exc, AdapterdError | OSError)  # a full disk, say: its sentence is the whole story
        log.error("%s: %s", what, exc, exc_info=not known)
        self._walk_later(names)

    def _walk_later(self, names: Iterable[str]) -> None:
        for name in names:
            state = self._states[name]
            state.unsettled, state.walk_at_s = frozenset(), time.monotonic() + WALK_UNWATCHED_EVERY_S

    def _look(self) -> None:
        if self._stopping.is_set():
            raise _StoppedError


def _tell(name: str, report: IngestReport) -> None:
    if report.lines:
        log.info(
            "%s: %d records taken, %d quarantined", name, report.accepted, report.quarantined, extra={"model": name}
        )
