"""The daemon: watches the inboxes, keeps the schedule, and runs the pipeline. One foreground process.

Each tick of the main loop takes in feedback and decides which run starts; the run goes on in a second thread, whose
heavy stages are processes of their own. File events only make a tick come earlier; what the tick finds is the truth.
"""

import logging
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from adapterd import config
from adapterd.config import Settings
from adapterd.errors import AdapterdError, ConfigError
from adapterd.feedback.settling import SettleTracker
from adapterd.feedback.watch import FolderWatch
from adapterd.home import Home
from adapterd.housekeeping.reconcile import reconcile
from adapterd.intake.ingest import ingest
from adapterd.runs.pipeline import LOCK_TIMEOUT_S
from adapterd.serving.runtimes import runtime_for
from adapterd.store import Store
from adapterd.store.database import Clock, utc_now
from adapterd.supervisor.maintenance import collect_garbage, repair_tags
from adapterd.supervisor.planner import Planner
from adapterd.supervisor.runner import Runner
from adapterd.system.locks import exclusive
from adapterd.web.server import FeedbackServer

TICK_EVERY_S = 1.0
RESCAN_EVERY_TICKS = 30
RESCAN_WATCHED_EVERY_TICKS = 300
"""For folders whose changes are reported as events: a rescan finds those that got lost."""
REPAIR_EVERY_TICKS = 60
DEBOUNCE_S = 0.2
FAILED_TICK_WAIT_S = 10.0

log = logging.getLogger("adapterd")


@dataclass
class Daemon:
    """Runs until `stop` is set. `tick_every_s` is how often requests and settling files are checked, `clock` the
    time that schedules go by."""

    home: Home
    stop: threading.Event = field(default_factory=threading.Event)
    tick_every_s: float = TICK_EVERY_S
    clock: Clock = utc_now

    def run(self) -> None:
        """Work until told to stop; raises BusyError if another daemon works on this home."""
        self.home.create()
        with exclusive(
            self.home.daemon_lock, timeout_s=LOCK_TIMEOUT_S, busy=f"another adapterd works on {self.home.root}"
        ):
            session = Session(self.home, self.clock)
            session.start()
            try:
                while not self.stop.is_set():
                    self._tick(session)
                    if session.hint.wait(self.tick_every_s):
                        self.stop.wait(DEBOUNCE_S)
            finally:
                session.end()

    def _tick(self, session: "Session") -> None:
        """Do what is to be done now. A full disk or a locked database is transient: the daemon logs it and goes on."""
        try:
            session.tick()
        except (AdapterdError, OSError) as exc:
            log.error("nothing could be done this time: %s", exc)
            self.stop.wait(FAILED_TICK_WAIT_S)


class Session:
    """What the daemon has open while it runs: the store, the watched folders, the listener and the runner."""

    def __init__(self, home: Home, clock: Clock = utc_now) -> None:
        self.home = home
        self.store = Store(home.database, clock=clock)
        self.hint = threading.Event()
        self.runner = Runner(home, ended=self.hint.set, clock=clock)
        self.settle_tracker = SettleTracker()
        self._seen = self._stamp()
        self._take_up(config.load(home))
        self._ticks = 0
        self._reported: list[str] = []

    def _take_up(self, settings: Settings) -> None:
        """Work by these settings from now on; raises ConfigError, before anything changed, if they make no sense."""
        self.planner = Planner(self.store, self.home, settings)
        self.settings = settings
        self._watch = FolderWatch([self._inbox(name) for name in settings.models], self.hint.set)
        self._web = FeedbackServer(self.home, settings.http, settings.models.keys) if settings.http.enabled else None
        self._unsettled = True

    def start(self) -> None:
        """Put right what an earlier process left, then begin to watch and to listen."""
        for sentence in reconcile(self.store, self.home, self.settings, runtime_for(self.settings, self.home)):
            log.warning("%s", sentence)
        self._open()

    def _open(self) -> None:
        self._watch.start()
        for folder in self._watch.blind:
            log.info("%s cannot be watched; it is scanned every %.0f s", folder, RESCAN_EVERY_TICKS * TICK_EVERY_S)
        if self._web is not None:
            self._listen(self._web)
        log.info("watching %s", ", ".join(sorted(self.settings.models)) or "nothing: no model is configured")

    def _listen(self, web: FeedbackServer) -> None:
        """Feedback over HTTP is one way of two; without it the daemon is still worth having."""
        try:
            web.start()
            log.info("feedback over HTTP at port %d", web.port)
        except AdapterdError as exc:
            log.error("no feedback over HTTP: %s%s", exc, f" ({exc.hint})" if exc.hint else "")

    def _close(self) -> None:
        self._watch.stop()
        if self._web is not None:
            self._web.stop()

    def end(self) -> None:
        """Stop watching and listening; a run's worker ends with this process, and goes on with the next."""
        self._close()
        self._watch.join()
        self.store.close()

    def tick(self) -> None:
        """Take in what is new, then start what is due."""
        self._ticks += 1
        self._reload()
        rescan_every = RESCAN_EVERY_TICKS if self._watch.blind else RESCAN_WATCHED_EVERY_TICKS
        if self.hint.is_set() or self._unsettled or self._ticks % rescan_every == 0:
            self.hint.clear()
            self._watch.refresh()
            unsettled = [self._ingest(name) for name in self.settings.models]
            self._unsettled = any(unsettled)
        self.planner.refresh(busy=self.runner.busy)
        self._reload()  # a base that was pinned anew is in the configuration now
        if self._ticks % REPAIR_EVERY_TICKS == 0:
            self._repair_tags()
        if self.runner.finished():
            collect_garbage(self.store, self.home, self.settings)
        if not self.runner.busy and (wanted := self.planner.next(self.runner.may_try)):
            self.runner.begin(wanted, self.settings)

    def _repair_tags(self) -> None:
        """Repair tags; what cannot be repaired is logged once, not at every attempt."""
        said = repair_tags(self.store, self.home, self.settings)
        for sentence in said if said != self._reported else []:
            log.warning("%s", sentence)
        self._reported = said

    def _ingest(self, name: str) -> bool:
        """Take in one model's feedback; returns whether files are still being written."""
        try:
            report = ingest(self.store, self.home, name, self._inbox(name), tracker=self.settle_tracker)
        except AdapterdError as exc:
            log.warning("%s: %s", name, exc, extra={"model": name})
            return False
        if report.lines:
            log.info(
                "%s: %d records taken, %d quarantined", name, report.accepted, report.quarantined, extra={"model": name}
            )
        return bool(report.unsettled)

    def _reload(self) -> None:
        """Take up a changed configuration or time zone; a broken one is reported, and the old one stays in force."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        old_watch, old_web = self._watch, self._web
        try:
            self._take_up(config.load(self.home))
        except ConfigError as exc:
            log.error("the changed configuration is not used: %s", exc)
            return
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

    def _inbox(self, name: str) -> Path:
        return self.settings.models[name].feedback or self.home.inbox(name)
