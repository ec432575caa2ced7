"""One run at a time, in a thread of its own with its own connection to the store."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from adapterd import __version__
from adapterd.config import Settings
from adapterd.errors import AdapterdError, BusyError, OtherReleaseError, StoreError
from adapterd.home import Home
from adapterd.store import Store
from adapterd.store.database import Clock, utc_now
from adapterd.system.locks import is_held
from adapterd.system.notify import notify
from adapterd.system.release.installed import release_on_disk, sentence

if TYPE_CHECKING:
    from adapterd.evidence.decision import Decision
    from adapterd.runs.pipeline import RunOutcome

AGAIN_AFTER = timedelta(minutes=1)
"""When what could not even begin is tried again."""

log = logging.getLogger("adapterd")


def _warn(sentence: str) -> None:
    log.warning("%s", sentence)


@dataclass(frozen=True)
class Wanted:
    """A run that is to begin; `request` is the id of what somebody asked for, None if the daemon decided itself. With
    `evidence_only` nothing is trained: what is live and what is compared with it are asked fresh cases."""

    model: str
    reason: str
    request: int | None = None
    evidence_only: bool = False


@dataclass
class Runner:
    """Does the runs that are wanted; `ended` is called in the runner's thread after every run."""

    home: Home
    ended: Callable[[], object] = lambda: None
    clock: Clock = utc_now
    _thread: threading.Thread | None = None
    _is_over: threading.Event = field(default_factory=threading.Event)
    _not_before: dict[str, datetime] = field(default_factory=dict)
    _store_failed_at: datetime | None = None

    @property
    def busy(self) -> bool:
        """Whether a run goes on, here or in a command."""
        return self._thread is not None or is_held(self.home.run_lock)

    def may_begin(self) -> bool:
        """False for a while after the store could not be used: then not even a request can be answered."""
        failed, now = self._store_failed_at, self.clock()
        return failed is None or not failed <= now < failed + AGAIN_AFTER

    @property
    def is_busy_elsewhere(self) -> bool:
        """Whether a run goes on in a command, of whose end this process is not told."""
        return self._thread is None and is_held(self.home.run_lock)

    def may_try(self, model: str, now: datetime) -> bool:
        """False for a while after a run of the model could not even begin."""
        at = self._not_before.get(model)
        return at is None or not at - AGAIN_AFTER <= now < at  # a clock set back must not make it wait for longer

    def finished(self) -> bool:
        """Whether a run has ended since this was asked last."""
        if self._thread is None or not self._is_over.is_set():
            return False
        self._thread.join()
        self._thread = None
        return True

    def begin(self, wanted: Wanted, settings: Settings) -> None:
        """Start, and return at once."""
        log.info("%s: run begins (%s)", wanted.model, wanted.reason, extra={"model": wanted.model})
        self._is_over.clear()
        self._thread = threading.Thread(
            target=self._run, args=(wanted, settings), name=f"run-{wanted.model}", daemon=True
        )
        self._thread.start()

    def _run(self, wanted: Wanted, settings: Settings) -> None:
        try:
            with Store(self.home.database, clock=self.clock) as store:
                self._run_pipeline(_Attempt(store, wanted), settings)
        except StoreError as exc:  # the disk is full, say: the journal stands where it stood
            log.error("%s: how the run ended is not noted: %s", wanted.model, exc, extra={"model": wanted.model})
            self._store_failed_at = self.clock()
        finally:
            self._is_over.set()
            self.ended()

    def _run_pipeline(self, attempt: "_Attempt", settings: Settings) -> None:
        from adapterd.runs.pipeline import Pipeline  # with all that a run needs, which an idle daemon does not

        wanted = attempt.wanted
        try:
            pipeline = Pipeline(
                attempt.store, self.home, settings, begun=attempt.begun, notify=_warn,
                decided=partial(self._tell_decision, wanted, settings),
            )  # fmt: skip
            if wanted.evidence_only:
                pipeline.evidence(wanted.model)
                attempt.store.schedule_state.not_due(wanted.model)
            else:
                self._report(wanted, settings, pipeline.run(wanted.model, wanted.reason))
        except BusyError as exc:
            log.info("%s: the run waits: %s", wanted.model, exc, extra={"model": wanted.model})
        except Exception as exc:
            self._failed(attempt, _or_other_release(exc), settings)

    def _report(self, wanted: Wanted, settings: Settings, outcome: "RunOutcome") -> None:
        log.info("%s %s: %s", wanted.model, outcome.version, outcome.reason, extra={"model": wanted.model})
        if settings.notifications.desktop and not outcome.promoted:  # else it was told when it was decided
            notify(f"{wanted.model} {outcome.version} is not live", outcome.reason)

    def _tell_decision(self, wanted: Wanted, settings: Settings, decision: "Decision") -> None:
        log.info("%s %s: %s", wanted.model, decision.version, decision.reason, extra={"model": wanted.model})
        if settings.notifications.desktop:
            notify(f"{wanted.model} {decision.version} is live", decision.reason)

    def _failed(self, attempt: "_Attempt", exc: Exception, settings: Settings) -> None:
        name = attempt.wanted.model
        hint = f" ({exc.hint})" if isinstance(exc, AdapterdError) and exc.hint else ""
        known = isinstance(exc, AdapterdError | OSError)  # a full disk, say: its sentence is the whole story
        log.error("%s: the run stopped: %s%s", name, exc, hint, exc_info=not known, extra={"model": name})
        if not attempt.has_begun:
            self._not_before[name] = attempt.store.clock() + AGAIN_AFTER
        attempt.failed(exc)
        if settings.notifications.desktop:
            notify(f"{name}: the run stopped", f"{exc}{hint}")


def _or_other_release(exc: Exception) -> Exception:
    """What nobody thought of comes of an upgrade, where there was one: a module of another release was imported."""
    on_disk = release_on_disk()
    if isinstance(exc, AdapterdError | OSError) or on_disk == __version__:
        return exc
    return OtherReleaseError(sentence(on_disk), hint="the daemon starts anew, and the run goes on")


@dataclass
class _Attempt:
    """A run that was wanted, and what the store has to know: which run answers a request, and what is still due."""

    store: Store
    wanted: Wanted
    has_begun: bool = False

    def begun(self, run_id: str) -> None:
        self.has_begun = True
        if self.wanted.request is not None:
            self.store.runs.answer_request(self.wanted.request, run_id=run_id)
        self.store.schedule_state.not_due(self.wanted.model)

    def failed(self, exc: Exception) -> None:
        """What could not begin stays due if the fault may pass, and is let go if it will not."""
        if self.wanted.request is not None:
            self.store.runs.answer_request(self.wanted.request, error=str(exc))
        if self.has_begun:
            return
        text = f"{self.wanted.model}: a run could not begin: {exc}"
        self.store.events.add("run.refused", text, model=self.wanted.model)
        if isinstance(exc, AdapterdError) and exc.transient:
            self.store.schedule_state.update(self.wanted.model, blocked_by=str(exc))
        else:
            self.store.schedule_state.not_due(self.wanted.model, blocked_by=str(exc))
