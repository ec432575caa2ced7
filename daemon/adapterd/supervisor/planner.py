"""Which run starts next, and what a run that is due waits for; every decision is in the store for all to see.

A run of a model becomes due when its time comes and there is enough new feedback, when an interrupted or failed run
can go on, or when its base changed. It stays due, over restarts too, until it starts; the one due longest goes first.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from adapterd.config import BaseChange, ModelSettings, RuntimeKind, Settings
from adapterd.deployment.base_drift import drifted_to, repin
from adapterd.deployment.live_tag import require_our_store
from adapterd.errors import AdapterdError, NotFoundError, RuntimeRefusedError, UnsupportedModelError
from adapterd.home import Home
from adapterd.intake.screening import held_records
from adapterd.providers.registry import training_provider
from adapterd.runs.reuse import released_records
from adapterd.scheduling.demand import NewRecords, waits_to_freeze
from adapterd.scheduling.evidence import fresh_cases_text
from adapterd.scheduling.schedule import Find, Schedule, next_times
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import base_file, runtime_for
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from adapterd.store.runs import RunState
from adapterd.store.schedule_state import DueReason, ScheduleState
from adapterd.supervisor.activity import Activity
from adapterd.supervisor.admission import as_needed, blockers, measure_machine
from adapterd.supervisor.runner import Wanted
from adapterd.system.child.call import Stopped, never
from adapterd.system.host.server_time import Spent, spent_by_server

ADMIT_EVERY = timedelta(seconds=20)
DRIFT_EVERY = timedelta(minutes=10)

log = logging.getLogger("adapterd")


def _spent_by_runtime(settings: Settings) -> Spent | None:
    """Processor time of the Ollama that serves the models; the embedded runtime answers in processes of ours."""
    return spent_by_server(settings.ollama.host, "ollama") if settings.runtime is RuntimeKind.OLLAMA else None


@dataclass
class Planner:
    """Decides which run starts; starts none itself. `settings` are those in force, `find` computes the next times;
    `stopped` says that it is time to end."""

    store: Store
    home: Home
    settings: Settings
    find: Find = next_times
    stopped: Stopped = never

    def __post_init__(self) -> None:
        now = self.store.clock()
        known = {name: self.store.schedule_state.get(name).scheduled_at for name in self.settings.models}
        self.schedule = Schedule(self.settings, now.astimezone(), known, self.find)
        self._activity = Activity(partial(_spent_by_runtime, self.settings))
        self._next_admission: dict[str, datetime] = {}
        self._next_drift = now

    def refresh(self, *, busy: bool) -> None:
        """Note which runs are due at this moment; `busy` while a run goes on."""
        now = self.store.clock()
        self._activity.note_sleep(now)
        for name in self.settings.models:
            if not busy and (due := self._resumable(name, now)):
                self._set_due(name, *due, now)
        for name in self.schedule.take_due(now):
            self._scheduled_time_came(name, now)
        if now >= self._next_drift or self._next_drift > now + DRIFT_EVERY:
            self._next_drift = now + DRIFT_EVERY
            self._check_base_drift(now)
        for name in self.settings.models:
            self.store.schedule_state.update(name, scheduled_at=self.schedule.next(name))

    def next(self, may_try: Callable[[str, datetime], bool] = lambda _name, _now: True) -> Wanted | None:
        """The run to start now: one that somebody asked for, else the one due longest that nothing blocks."""
        now = self.store.clock()
        for request_id, name, reason in self.store.runs.waiting_requests():
            if name in self.settings.models:
                return Wanted(name, reason, request_id)
            self.store.runs.answer_request(request_id, error=f"no model named {name!r} is configured")
        for name, state in self._due():
            if not self._still_due(name, state.due_reason, now):
                self.store.schedule_state.not_due(name)
            elif may_try(name, now) and self._admitted(name, now):
                only = state.due_reason is DueReason.FRESH_CASES
                return Wanted(name, state.due_text or "", evidence_only=only)
        return None

    def rest_s(self) -> float:
        """Seconds until one of these decisions may be another, if nobody asks for anything meanwhile."""
        now = self.store.clock()
        moments = [at for name in self.settings.models for at in self._moments(name, now)]
        return min((at - now).total_seconds() for at in (self._next_drift, *moments, now + DRIFT_EVERY) if at > now)

    def _moments(self, name: str, now: datetime) -> list[datetime]:
        """When the model's schedule comes next, a failed run is tried again, and one that is due may be admitted."""
        last = self.store.runs.latest(name)
        moments = [self.schedule.next(name), last.retry_at if last and last.state is RunState.FAILED else None]
        if self.store.schedule_state.get(name).due_reason and not self.store.schedule_state.paused(name):
            moments += [self._next_admission.get(name), now + ADMIT_EVERY]
        return [at for at in moments if at is not None]

    def _still_due(self, name: str, reason: DueReason | None, now: datetime) -> bool:
        """Whether the reason still holds: a command may have done the same meanwhile."""
        if reason is DueReason.NEW_FEEDBACK:
            return self._new_records(name).due_text(self.settings.models[name].schedule, now) is not None
        if reason is DueReason.FRESH_CASES:
            return fresh_cases_text(self.store, name) is not None
        if reason in (DueReason.INTERRUPTED, DueReason.RETRY):
            return self._resumable(name, now) is not None
        return True

    def find_blockers(self, name: str, now: datetime) -> list[str]:
        """What a run of the model that nobody asked for has to wait for at this moment."""
        if waits := waits_to_freeze(self.store, name, self.settings.models[name].dataset, now):
            return [waits]
        runtime = runtime_for(self.settings, self.home)
        if elsewhere := self._if_elsewhere(name, runtime):
            return elsewhere
        try:
            base = base_file(runtime.show(ModelTags(name).base), self.settings.models[name].base)
            idle_s = self._activity.idle_s(runtime, now)
            found = measure_machine(now.astimezone(), idle_s, base, base.stat().st_size, self.home.root)
            needs = training_provider(self.settings.models[name].training).needs
        except (NotFoundError, RuntimeRefusedError, UnsupportedModelError):
            return []  # the base is gone, damaged or not readable: a run puts it back first, or says what is missing
        except (AdapterdError, OSError) as exc:
            return [str(exc)]
        return blockers(*as_needed(needs, self.settings.models[name].schedule, found))

    def _if_elsewhere(self, name: str, runtime: Runtime) -> list[str]:
        """A store that has nothing of the model is waited for; a tag that is merely gone is put back by the run."""
        try:
            require_our_store(self.store, name, runtime)
        except NotFoundError as exc:
            return [str(exc)]
        except AdapterdError:
            return []  # what is wrong with the runtime is told by the next question
        return []

    def _due(self) -> list[tuple[str, ScheduleState]]:
        states = [(name, self.store.schedule_state.get(name)) for name in self.settings.models]
        waiting = [(name, state) for name, state in states if state.due_reason]
        return sorted(waiting, key=lambda each: (each[1].due_since or datetime.min.replace(tzinfo=UTC), each[0]))

    def _resumable(self, name: str, now: datetime) -> tuple[DueReason, str] | None:
        """Why an earlier run goes on by itself; one that registers an adapter does when a person says so."""
        last = self.store.runs.latest(name)
        if last is None or last.adapter_source is not None or last.cancelled:
            return None
        if last.state is RunState.RUNNING:
            return DueReason.INTERRUPTED, "continued after an interruption"
        if last.state is RunState.FAILED and last.retry_at is not None and last.retry_at <= now:
            return DueReason.RETRY, f"tried again after: {last.error}"
        return None

    def _scheduled_time_came(self, name: str, now: datetime) -> None:
        schedule, new_records = self.settings.models[name].schedule, self._new_records(name)
        if text := new_records.due_text(schedule, now):
            self._set_due(name, DueReason.NEW_FEEDBACK, text, now)
        elif text := fresh_cases_text(self.store, name):
            self._set_due(name, DueReason.FRESH_CASES, text, now)
        elif self.store.schedule_state.get(name).due_reason is None:
            log.info("%s: not now, %s", name, new_records.missing(schedule), extra={"model": name})
            self.store.schedule_state.update(name, blocked_by=new_records.missing(schedule))

    def _new_records(self, name: str) -> NewRecords:
        held = held_records(self.store, name, self.settings.models[name].feedback)
        released = released_records(self.store, self.home, name, held)
        return NewRecords.of(self.store, name, [each.id for each in held], released)

    def _set_due(self, name: str, reason: DueReason, text: str, now: datetime) -> None:
        """Note that a run is due; one that is due already keeps its reason and its place in the queue."""
        if self.store.schedule_state.get(name).due_reason is None:
            log.info("%s: a run is due (%s)", name, text, extra={"model": name})
            self.store.schedule_state.update(name, due_reason=reason, due_text=text, due_since=now, blocked_by=None)
            self._next_admission.pop(name, None)

    def _admitted(self, name: str, now: datetime) -> bool:
        """Whether a run that is due may begin; asked every few seconds at most, for asking is not free."""
        if pause := self.store.schedule_state.paused(name):
            text = f"paused: {pause.reason}" if pause.reason else "paused"
            self.store.schedule_state.update(name, blocked_by=text)
            return False
        next_time = self._next_admission.get(name)
        if next_time and next_time - ADMIT_EVERY <= now < next_time:
            return False
        self._next_admission[name] = now + ADMIT_EVERY
        found = self.find_blockers(name, now)
        self.store.schedule_state.update(name, blocked_by="; ".join(found) or None)
        return not found

    def _check_base_drift(self, now: datetime) -> None:
        runtime = runtime_for(self.settings, self.home)
        for name, model in self.settings.models.items():
            try:
                self._follow_base(name, model, runtime, drifted_to(runtime, name, model), now)
            except AdapterdError as exc:
                log.info("%s: whether the base changed is not known: %s", name, exc, extra={"model": name})

    def _follow_base(self, name: str, model: ModelSettings, runtime: Runtime, digest: str | None, at: datetime) -> None:
        """Report a base that was pulled anew, and train on it if the configuration says so."""
        if digest and digest != self.store.schedule_state.get(name).base_drift:
            text = f"{model.base} is not what {name} was pinned to any more ({digest[:12]})"
            self.store.events.add("base.changed", text, model=name)
            log.warning("%s", text, extra={"model": name})
        self.store.schedule_state.update(name, base_drift=digest)
        if digest and model.schedule.on_base_change is BaseChange.RETRAIN:
            repin(self.store, self.home, runtime, name, model, self.stopped)
            self.store.schedule_state.update(name, base_drift=None)
            self._set_due(name, DueReason.BASE_CHANGED, f"{model.base} changed", at)
