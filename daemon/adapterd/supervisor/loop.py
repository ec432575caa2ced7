"""The daemon: watches the inboxes, keeps the schedule, and runs the pipeline. One foreground process.

Each tick of the main loop has feedback read and decides which run starts. Reading goes on in a thread of its own, and
so does the run, whose heavy stages are processes. Between two ticks the daemon sleeps until something happens: a file
event, a command that wakes it, a signal, the end of a reading or a run, or the next moment at which anything is due.
All of these only make a tick come earlier; what the tick finds is the truth, and LONGEST_REST_S bounds what a lost
event or a clock that was set can cost.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from adapterd import config
from adapterd.config import Settings
from adapterd.errors import (
    AdapterdError,
    CancelledError,
    ConfigError,
    DamagedStoreError,
    NewerStoreError,
    OtherReleaseError,
    WorkerLostError,
)
from adapterd.feedback.formats import ReadingOptions, reading_options
from adapterd.feedback.watch import FileWatch, FolderWatch
from adapterd.home import Home
from adapterd.housekeeping.reconcile import reconcile
from adapterd.removal.outliving import OF_ANOTHER, read_removed, take_up, write_removed
from adapterd.scheduling.schedule import next_times_by_child
from adapterd.serving.runtimes import runtime_for
from adapterd.store import Store
from adapterd.store.database import Clock, utc_now
from adapterd.supervisor.maintenance import collect_garbage, note_capture, remove_captures, remove_feedback, repair_tags
from adapterd.supervisor.planner import Planner
from adapterd.supervisor.reading import WALK_UNWATCHED_EVERY_S, Inbox, InboxReader
from adapterd.supervisor.runner import Runner
from adapterd.supervisor.timer import Timer
from adapterd.system.child.call import Stopped, never
from adapterd.system.host.wakeup import Wakeup
from adapterd.system.locks import LOCK_TIMEOUT_S, exclusive
from adapterd.system.permissions.home import look_at_inbox
from adapterd.system.release.installed import ReleaseWatch
from adapterd.system.release.running import write_running_release
from adapterd.web.server import FeedbackServer

LONGEST_REST_S = 60.0
RUN_ELSEWHERE_S = 1.0
"""How often it is looked whether the run of a command has ended: a killed one does not say so."""
UNREACHABLE_S = 1.0
"""How often requests are looked for where commands cannot wake the daemon."""
RELEASE_S = 1.0
"""How often the files of another release are looked at, until they have all been installed."""
REPAIR_S = 60.0
CAPTURE_S = 3600.0
"""How often it is looked whether captured answers have an alert, which is of days that are over."""
DEBOUNCE_S = 0.2
FAILED_TICK_WAIT_S = 10.0

log = logging.getLogger("adapterd")


@dataclass
class Daemon:
    """Runs until `stop` is set, by a signal or by somebody who wakes it then. `clock` is the time that schedules go
    by."""

    home: Home
    stop: threading.Event = field(default_factory=threading.Event)
    clock: Clock = utc_now
    release: ReleaseWatch = field(default_factory=ReleaseWatch)

    def run(self) -> None:
        """Work until told to stop. Raises BusyError if another daemon works on this home, OtherReleaseError when
        another release was installed meanwhile, NewerStoreError and DamagedStoreError when the store is of one, or
        damaged."""
        self.home.create()
        with (
            exclusive(
                self.home.daemon_lock, timeout_s=LOCK_TIMEOUT_S, busy=f"another adapterd works on {self.home.root}"
            ),
            Wakeup(self.home.wakeup) as wakeup,
        ):
            write_running_release(self.home)
            wakeup.by_signals()
            session = self._opened(wakeup.set)
            if session is None:
                return
            session.start()
            longest_s = LONGEST_REST_S if wakeup.is_reachable else UNREACHABLE_S
            try:
                while not self.stop.is_set():
                    rest_s = self._tick(session)
                    if wakeup.wait(min(rest_s, longest_s)) and session.hint.is_set():
                        self.stop.wait(DEBOUNCE_S)
            finally:
                session.end()

    def _opened(self, wake: Callable[[], object]) -> "Session | None":
        """What is worked with; None if told to stop before. A process that was lost meanwhile is tried again: nothing
        of the home is at fault."""
        while not self.stop.is_set():
            try:
                return Session(self.home, self.clock, wake=wake, stopped=self.stop.is_set)
            except WorkerLostError as exc:
                log.error("nothing can be begun yet: %s", exc)
                self.stop.wait(FAILED_TICK_WAIT_S)
            except CancelledError:
                break
        return None

    def _tick(self, session: "Session") -> float:
        """Do what is to be done now; returns the seconds until there may be more.

        A full disk or a locked database is transient: the daemon logs it and goes on. While the files of another
        release are being installed, nothing is begun.
        """
        if replaced := self.release.replaced():
            raise OtherReleaseError(replaced, hint="start it again, and it is the release on disk")
        if self.release.differs():
            return RELEASE_S
        try:
            session.tick()
            return session.rest_s()
        except (NewerStoreError, DamagedStoreError):
            raise
        except CancelledError:
            return 0
        except (AdapterdError, OSError) as exc:
            log.error("nothing could be done this time: %s", exc)
            self.stop.wait(FAILED_TICK_WAIT_S)
            return 0


class Session:
    """What the daemon has open while it runs: the store, the watched folders, the listener and the runner.

    `wake` makes the next tick come at once, from any thread; `seconds` never goes back, as in `time.monotonic`.
    `stopped` says that it is time to end. Raises WorkerLostError where no process finds the next times.
    """

    def __init__(
        self,
        home: Home,
        clock: Clock = utc_now,
        *,
        wake: Callable[[], object] = lambda: None,
        seconds: Callable[[], float] = time.monotonic,
        stopped: Stopped = never,
    ) -> None:
        self.home = home
        self._stopped = stopped
        self.store = Store(home.database, clock=clock)
        self.hint = threading.Event()
        self._wake = wake
        self.runner = Runner(home, ended=self._hint, clock=clock)
        self.reader = InboxReader(home, ended=wake, clock=clock)
        self._seen = self._stamp()
        self._config_watch = FileWatch(home.config_file, wake)
        self._repair = Timer(REPAIR_S, seconds)
        self._capture = Timer(CAPTURE_S, seconds)
        self._reported: list[str] = []
        try:
            self._take_up(config.load(home))
        except BaseException:
            self.store.close()
            raise

    def _hint(self) -> None:
        """There may be new feedback."""
        self.hint.set()
        self._wake()

    def _take_up(self, settings: Settings) -> None:
        """Work by these settings from now on; raises ConfigError, before anything changed, if they make no sense."""
        self.planner = Planner(
            self.store, self.home, settings, partial(next_times_by_child, stopped=self._stopped), self._stopped
        )
        self.settings = settings
        self._watch = FolderWatch([self._inbox(name) for name in settings.models], self._hint)
        self._web = (
            FeedbackServer(self.home, settings.http, settings.models.keys, self._options, tcp=settings.http.enabled)
            if settings.http.enabled or settings.http.unix_socket
            else None
        )

    def start(self) -> None:
        """Put right what an earlier process left, then begin to watch and to listen."""
        take_up(self.store, read_removed(self.home), OF_ANOTHER)
        write_removed(self.store, self.home)
        for sentence in reconcile(self.store, self.home, self.settings, runtime_for(self.settings, self.home)):
            log.warning("%s", sentence)
        note_capture(self.store, self.home, self.settings)
        self._config_watch.start()
        self._open()

    def _open(self) -> None:
        self._watch.start()
        for folder in self._watch.blind:
            log.info("%s cannot be watched; it is scanned every %.0f s", folder, WALK_UNWATCHED_EVERY_S)
        for finding in filter(None, map(look_at_inbox, map(self._inbox, self.settings.models))):
            log.warning("%s; %s", finding.text, finding.hint)
        if self._web is not None:
            self._listen(self._web)
        log.info("watching %s", ", ".join(sorted(self.settings.models)) or "nothing: no model is configured")

    def _listen(self, web: FeedbackServer) -> None:
        """Feedback over HTTP is one way of two; without it the daemon is still worth having."""
        try:
            web.start()
        except AdapterdError as exc:
            log.error("no feedback over HTTP: %s%s", exc, f" ({exc.hint})" if exc.hint else "")

    def _close(self) -> None:
        self._watch.stop()
        if self._web is not None:
            self._web.stop()

    def end(self) -> None:
        """Stop watching and listening; a run's worker ends with this process, and goes on with the next."""
        self._close()
        self._config_watch.stop()
        self.reader.stop()
        self._watch.join()
        self.store.close()

    def rest_s(self) -> float:
        """Seconds until there may be something to do of which no event tells."""
        soon = [self._repair.left_s()]
        if not self.reader.busy:  # else its end makes the next tick come
            soon += [self.planner.rest_s(), self.reader.due_in_s()]
        if self.runner.is_busy_elsewhere:
            soon.append(RUN_ELSEWHERE_S)
        return min(soon)

    def tick(self) -> None:
        """Have what is new read, then start what is due. What is due by the schedule waits until that was read."""
        if self.store.is_newer():
            raise self.store.newer()
        self._reload()
        if self.hint.is_set() or self.reader.due_in_s() <= 0:
            self.hint.clear()
            self._watch.refresh()
        is_reading = self.reader.begin({name: self._inbox_of(name) for name in self.settings.models}, self._watch)
        if not is_reading:
            self.planner.refresh(busy=self.runner.busy)
            self._reload()  # a base that was pinned anew is in the configuration now
        if self._repair.is_due():
            self._repair_tags()
            if self._capture.is_due():
                note_capture(self.store, self.home, self.settings)
                remove_captures(self.store, self.home, self.settings)
            if not self.runner.busy:
                remove_feedback(self.store, self.home, self.settings, self._stopped)
        if self.runner.finished():
            collect_garbage(self.store, self.home, self.settings)
        may_try = _nothing_due if is_reading else self.runner.may_try
        if not self.runner.busy and self.runner.may_begin() and (wanted := self.planner.next(may_try)):
            self.runner.begin(wanted, self.settings)

    def _repair_tags(self) -> None:
        """Repair tags; what cannot be repaired is logged once, not at every attempt."""
        said = repair_tags(self.store, self.home, self.settings)
        for sentence in said if said != self._reported else []:
            log.warning("%s", sentence)
        self._reported = said

    def _reload(self) -> None:
        """Take up a changed configuration or time zone; a broken one is reported, and the old one stays in force."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        old_watch, old_web = self._watch, self._web
        try:
            self._take_up(config.load(self.home))
        except ConfigError as exc:
            self._seen = stamp
            log.error("the changed configuration is not used: %s%s", exc, f" ({exc.hint})" if exc.hint else "")
            return
        self._seen = stamp
        log.info("configuration read again")
        old_watch.stop()
        if old_web is not None:
            old_web.stop()
        self._open()

    def _stamp(self) -> tuple[int, int]:
        """Changes when the configuration does, or when the machine's local time is another."""
        time.tzset()
        changed_ns = self.home.config_file.stat().st_mtime_ns if self.home.config_file.is_file() else 0
        return changed_ns, time.localtime().tm_gmtoff

    def _options(self, name: str) -> ReadingOptions:
        return reading_options(self.settings.models[name].feedback)

    def _inbox(self, name: str) -> Path:
        return self.settings.models[name].feedback.folder or self.home.inbox(name)

    def _inbox_of(self, name: str) -> Inbox:
        return Inbox(self._inbox(name), self._options(name), self.settings.models[name].feedback.withdraw_vanished)


def _nothing_due(_name: str, _now: datetime) -> bool:
    """Of what nobody has asked for nothing begins."""
    return False
