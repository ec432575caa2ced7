"""What is to run next, and why what is due does not run yet; everything it decides is in the store for all to see.

A model falls due when its time comes and there is enough to learn, when an interrupted or failed run can go on, or
when its base changed. What is due stays due, over restarts too, until a run begins; the longest waiting goes first.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from adapterd.config import BaseChange, ModelSettings, Settings
from adapterd.deployment.base_drift import drifted_to, repin
from adapterd.errors import AdapterdError, NotFoundError, RuntimeRefusedError
from adapterd.home import Home
from adapterd.providers.registry import training_provider
from adapterd.scheduling.demand import SCHEDULED, Need
from adapterd.scheduling.schedule import Schedule
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import runtime_for
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from adapterd.store.runs import RunState
from adapterd.store.schedule_state import Outlook
from adapterd.supervisor.activity import Activity
from adapterd.supervisor.admission import as_needed, survey, why_not
from adapterd.supervisor.runner import Wanted

ADMIT_EVERY = timedelta(seconds=20)
DRIFT_EVERY = timedelta(minutes=10)
GO_ON, AGAIN = "continued after an interruption", "tried again after"

log = logging.getLogger("adapterd")


@dataclass
class Planner:
    """Decides; does nothing itself. `settings` are those in force."""

    store: Store
    home: Home
    settings: Settings

    def __post_init__(self) -> None:
        now = self.store.clock()
        known = {name: self.store.agenda.outlook(name).scheduled_at for name in self.settings.models}
        self.schedule = Schedule(self.settings, now.astimezone(), known)
        self._activity = Activity()
        self._next_admission: dict[str, datetime] = {}
        self._next_drift = now

    def look(self, *, busy: bool) -> None:
        """Let fall due what is due at this moment; `busy` while a run goes on."""
        now = self.store.clock()
        for name in self.settings.models:
            if not busy and (reason := self._to_go_on(name, now)):
                self._falls_due(name, reason, now)
        for name in self.schedule.look(now):
            self._time_came(name, now)
        if now >= self._next_drift or self._next_drift > now + DRIFT_EVERY:
            self._next_drift = now + DRIFT_EVERY
            self._look_for_drift(now)
        for name in self.settings.models:
            self.store.agenda.update(name, scheduled_at=self.schedule.next(name))

    def next(self, may_try: Callable[[str, datetime], bool] = lambda _name, _now: True) -> Wanted | None:
        """What is to begin now: what somebody asked for first, then what has been due for longest and is admitted."""
        now = self.store.clock()
        for request_id, name, reason in self.store.runs.waiting_requests():
            if name in self.settings.models:
                return Wanted(name, reason, request_id)
            self.store.runs.answer_request(request_id, error=f"no model named {name!r} is configured")
        for name, outlook in self._due():
            if not self._still_due(name, outlook.due or "", now):
                self.store.agenda.update(name, due=None, due_since=None, why_not=None)
            elif may_try(name, now) and self._admitted(name, now):
                return Wanted(name, outlook.due or "")
        return None

    def _still_due(self, name: str, reason: str, now: datetime) -> bool:
        """Whether the reason still holds: a command may have done the same meanwhile."""
        if reason.startswith(SCHEDULED):
            return Need.of(self.store, name).why(self.settings.models[name].schedule, now) is not None
        if reason.startswith((GO_ON, AGAIN)):
            return self._to_go_on(name, now) is not None
        return True

    def look_around(self, name: str, now: datetime) -> list[str]:
        """Why a run of the model may not begin at this moment."""
        runtime = runtime_for(self.settings, self.home)
        try:
            base = runtime.show(ModelTags(name).base).gguf
            if base is None:
                return []  # of a runtime elsewhere nothing can be told; the run itself says what is missing
            idle_s = self._activity.idle_s(runtime, now)
            found = survey(now.astimezone(), idle_s, base, base.stat().st_size, self.home.root)
            needs = training_provider(self.settings.models[name].training).needs
        except (NotFoundError, RuntimeRefusedError):
            return []  # the base's tag is gone or damaged: a run puts it back first, or says what is missing
        except (AdapterdError, OSError) as exc:
            return [str(exc)]
        return why_not(*as_needed(needs, self.settings.models[name].schedule, found))

    def _due(self) -> list[tuple[str, Outlook]]:
        outlooks = [(name, self.store.agenda.outlook(name)) for name in self.settings.models]
        waiting = [(name, outlook) for name, outlook in outlooks if outlook.due]
        return sorted(waiting, key=lambda each: (each[1].due_since or datetime.min.replace(tzinfo=UTC), each[0]))

    def _to_go_on(self, name: str, now: datetime) -> str | None:
        """Why an earlier run goes on by itself; one that registers an adapter does when a person says so."""
        last = self.store.runs.latest(name)
        if last is None or last.given is not None or last.cancelled:
            return None
        if last.state is RunState.RUNNING:
            return GO_ON
        if last.state is RunState.FAILED and last.retry_at is not None and last.retry_at <= now:
            return f"{AGAIN}: {last.error}"
        return None

    def _time_came(self, name: str, now: datetime) -> None:
        schedule, need = self.settings.models[name].schedule, Need.of(self.store, name)
        if why := need.why(schedule, now):
            self._falls_due(name, why, now)
        elif self.store.agenda.outlook(name).due is None:
            log.info("%s: not now, %s", name, need.missing(schedule), extra={"model": name})
            self.store.agenda.update(name, why_not=need.missing(schedule))

    def _falls_due(self, name: str, reason: str, now: datetime) -> None:
        outlook = self.store.agenda.outlook(name)
        if outlook.due is None:
            log.info("%s: a run is due (%s)", name, reason, extra={"model": name})
            self.store.agenda.update(name, due=reason, due_since=now, why_not=None)
            self._next_admission.pop(name, None)

    def _admitted(self, name: str, now: datetime) -> bool:
        """Whether a run that is due may begin; asked every few seconds at most, for asking is not free."""
        if pause := self.store.agenda.paused(name):
            self.store.agenda.update(name, why_not=f"paused: {pause.reason}" if pause.reason else "paused")
            return False
        next_time = self._next_admission.get(name)
        if next_time and next_time - ADMIT_EVERY <= now < next_time:
            return False
        self._next_admission[name] = now + ADMIT_EVERY
        obstacles = self.look_around(name, now)
        self.store.agenda.update(name, why_not="; ".join(obstacles) or None)
        return not obstacles

    def _look_for_drift(self, now: datetime) -> None:
        runtime = runtime_for(self.settings, self.home)
        for name, model in self.settings.models.items():
            try:
                self._follow(name, model, runtime, drifted_to(runtime, name, model), now)
            except AdapterdError as exc:
                log.info("%s: whether the base changed is not known: %s", name, exc, extra={"model": name})

    def _follow(self, name: str, model: ModelSettings, runtime: Runtime, digest: str | None, now: datetime) -> None:
        """Tell of a base that was pulled anew, and train on it if that is wanted."""
        if digest and digest != self.store.agenda.outlook(name).base_drift:
            text = f"{model.base} is not what {name} was pinned to any more ({digest[:12]})"
            self.store.events.add("base.changed", text, model=name)
            log.warning("%s", text, extra={"model": name})
        self.store.agenda.update(name, base_drift=digest)
        if digest and model.schedule.on_base_change is BaseChange.RETRAIN:
            repin(self.home, runtime, name, model)
            self.store.events.add("base.pinned", f"{name} is trained on the new {model.base} from now on", model=name)
            self.store.agenda.update(name, base_drift=None)
            self._falls_due(name, f"{model.base} changed", now)
