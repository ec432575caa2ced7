"""The daemon: watches the inboxes, keeps the schedule, and runs the pipeline. One foreground process.

The main loop only looks and takes in feedback; a run goes on in a second thread, whose heavy stages are processes of
their own. File events are hints that a look is worth while; the look itself is the truth.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from adapterd import config
from adapterd.config import Settings
from adapterd.errors import AdapterdError, BusyError, ConfigError
from adapterd.home import Home
from adapterd.lifecycle.deploy import Deployer
from adapterd.lifecycle.ingest import ingest
from adapterd.lifecycle.locks import exclusive, is_held
from adapterd.lifecycle.pipeline import LOCK_TIMEOUT_S, Pipeline
from adapterd.lifecycle.runtimes import runtime_for
from adapterd.lifecycle.schedule import Schedule
from adapterd.store import Store
from adapterd.store.runs import RunState

LOOK_EVERY_S = 1.0
RESCAN_EVERY_LOOKS = 30
DEBOUNCE_S = 0.2

log = logging.getLogger("adapterd")


@dataclass
class Daemon:
    """Runs until `stop` is set. `look_every_s` is how often requests and settling files are looked at."""

    home: Home
    stop: threading.Event = field(default_factory=threading.Event)
    look_every_s: float = LOOK_EVERY_S

    def run(self) -> None:
        """Work until told to stop; raises BusyError if another daemon works on this home."""
        self.home.create()
        with exclusive(
            self.home.daemon_lock, timeout_s=LOCK_TIMEOUT_S, busy=f"another adapterd works on {self.home.root}"
        ):
            session = _Session(self.home)
            session.start()
            log.info("watching %s", ", ".join(sorted(session.settings.models)) or "nothing: no model is configured")
            try:
                while not self.stop.is_set():
                    session.look()
                    if session.hint.wait(self.look_every_s):
                        self.stop.wait(DEBOUNCE_S)
            finally:
                session.end()


class _Session:
    """What the daemon holds open while it runs."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.settings = config.load(home)
        self.store = Store(home.database)
        self.hint = threading.Event()
        self.schedule = Schedule(self._on_due)
        self._due: set[str] = set()
        self._unsettled = True
        self._looks = 0
        self._config_seen = self._config_stamp()
        self._runner: threading.Thread | None = None

    def start(self) -> None:
        self._watch_inboxes()
        self.schedule.start(self.settings)
        self._reconcile()
        self._due |= {name for name in self.settings.models if self._was_interrupted(name)}

    def _watch_inboxes(self) -> None:
        from adapterd.feedback.watch import FolderWatch

        self._watch = FolderWatch([self._inbox(name) for name in self.settings.models], self._on_hint)
        self._watch.start()

    def _reconcile(self) -> None:
        """Finish changes of tags that an earlier process began."""
        deployer = Deployer(self.store, self.home, runtime_for(self.settings, self.home))
        for name in self.settings.models:
            try:
                deployer.reconcile(name)
            except AdapterdError as exc:
                log.warning("%s: an interrupted change of tags waits: %s", name, exc)

    def end(self) -> None:
        self._watch.stop()
        self.schedule.stop()
        self.store.close()

    def look(self) -> None:
        """Take in what is new, then start what is due."""
        self._looks += 1
        self._reload()
        if self.hint.is_set() or self._unsettled or self._looks % RESCAN_EVERY_LOOKS == 0:
            self.hint.clear()
            self._watch.refresh()
            unsettled = [self._ingest(name) for name in self.settings.models]
            self._unsettled = any(unsettled)
        for name in self.settings.models:
            if at := self.schedule.next(name):
                self._note_next(name, at)
        self._start_next()

    def _ingest(self, name: str) -> bool:
        """Take in one model's feedback; tells whether files are still being written."""
        try:
            report = ingest(self.store, self.home, name, self._inbox(name))
        except AdapterdError as exc:
            log.warning("%s: %s", name, exc)
            return False
        if report.lines:
            log.info("%s: %d records taken, %d quarantined", name, report.accepted, report.quarantined)
        return bool(report.unsettled)

    def _start_next(self) -> None:
        """Start one run if none goes on and one is asked for or due; while a command does one itself, these wait."""
        if self._runner is not None and self._runner.is_alive():
            return
        requests = self.store.runs.waiting_requests()
        if not (requests or self._due) or is_held(self.home.run_lock):
            return
        for request_id, name, reason in requests:
            if name in self.settings.models:
                self._launch(name, reason, request_id)
                return
            self.store.runs.answer_request(request_id, error=f"no model named {name!r} is configured")
        while self._due:
            name = self._due.pop()
            why = self._why_now(name) if name in self.settings.models else None
            if why:
                self._launch(name, why, None)
                return

    def _why_now(self, name: str) -> str | None:
        """The reason for a run at this moment, None if there is not enough to learn from."""
        if self._was_interrupted(name):
            return "continued after an interruption"
        new = self.store.feedback.count(name, after_id=self.store.runs.last_learned_id(name))
        needed = self.settings.models[name].schedule.min_new_records
        if new >= needed:
            return f"scheduled, {new} new records"
        log.info("%s: not now, %d of %d new records", name, new, needed)
        return None

    def _launch(self, name: str, reason: str, request_id: int | None) -> None:
        log.info("%s: run begins (%s)", name, reason)
        self._runner = threading.Thread(
            target=_run,
            args=(self.home, self.settings, name, reason, request_id, self._due.add),
            name=f"run-{name}",
            daemon=True,
        )
        self._runner.start()

    def _was_interrupted(self, name: str) -> bool:
        """Whether a training was; one that registers an adapter goes on when a person says so. To be asked while no
        run goes on."""
        last = self.store.runs.latest(name)
        return last is not None and last.state is RunState.RUNNING and last.given is None

    def _reload(self) -> None:
        """Take up a changed configuration; a broken one is reported, and the old one stays in force."""
        stamp = self._config_stamp()
        if stamp == self._config_seen:
            return
        self._config_seen = stamp
        schedule = Schedule(self._on_due)
        try:
            settings = config.load(self.home)
            schedule.start(settings)
        except ConfigError as exc:
            log.error("the changed configuration is not used: %s", exc)
            return
        log.info("configuration read again")
        self._watch.stop()
        self.schedule.stop()
        self.settings, self.schedule = settings, schedule
        self._watch_inboxes()
        self._unsettled = True

    def _note_next(self, name: str, at: datetime) -> None:
        if self.store.runs.next(name) != at:
            self.store.runs.set_next(name, at)

    def _config_stamp(self) -> int:
        return self.home.config_file.stat().st_mtime_ns if self.home.config_file.is_file() else 0

    def _inbox(self, name: str) -> Path:
        return self.settings.models[name].feedback or self.home.inbox(name)

    def _on_hint(self) -> None:
        self.hint.set()

    def _on_due(self, name: str) -> None:
        self._due.add(name)
        self.hint.set()


def _run(
    home: Home,
    settings: Settings,
    name: str,
    reason: str,
    request_id: int | None,
    later: Callable[[str], object],
) -> None:
    """One run in its own thread, with its own connection to the store; whoever asked for it is told its id.

    Where a command was quicker to begin a run, a request goes on waiting, and a run that was due is due `later`.
    """
    with Store(home.database) as store:

        def begun(run_id: str) -> None:
            if request_id is not None:
                store.runs.answer_request(request_id, run_id=run_id)

        try:
            outcome = Pipeline(store, home, settings, begun=begun).run(name, reason)
            log.info("%s %s: %s", name, outcome.version, outcome.reason)
        except BusyError as exc:
            log.info("%s: the run waits: %s", name, exc)
            if request_id is None:
                later(name)
        except Exception as exc:
            if request_id is not None:
                store.runs.answer_request(request_id, error=str(exc))
            hint = f" ({exc.hint})" if isinstance(exc, AdapterdError) and exc.hint else ""
            log.error("%s: the run stopped: %s%s", name, exc, hint, exc_info=not isinstance(exc, AdapterdError))
