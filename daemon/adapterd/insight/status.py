"""The state of daemon, runtime and models, as plain values; it imports nothing heavy."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapterd.config import ModelSettings, ScheduleSettings, Settings
from adapterd.errors import AdapterdError
from adapterd.home import Home
from adapterd.scheduling.demand import NewRecords
from adapterd.serving.runtimes import runtime_for
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from adapterd.store.runs import Run, RunState, StageRow
from adapterd.store.schedule_state import DueReason
from adapterd.store.versions import Deployment, Version
from adapterd.system.locks import is_held


@dataclass(frozen=True)
class RunStatus:
    """The newest run. `state` is `interrupted` when no process works on it any more."""

    id: str
    version: str | None
    state: str
    stage: str | None
    share: float | None
    progress: dict[str, Any]
    error: str | None
    hint: str | None
    since: datetime
    attempts: int
    retry_at: datetime | None


@dataclass(frozen=True)
class ModelStatus:
    """One model. `served_as_recorded` is None when the runtime does not answer.

    `due` says why a run is due and has not started, `due_reason` which kind of reason that is; `blocked_by` is what it
    waits for, or why none became due when it was time.
    """

    name: str
    base: str
    live: str | None
    live_since: datetime | None
    previous: str | None
    served_as_recorded: bool | None
    newest: str | None
    newest_state: str | None
    newest_reason: str | None
    run: RunStatus | None
    records: int
    new_records: int
    min_new_records: int
    quarantined: int
    oldest_new: datetime | None
    schedule: str
    next_run: datetime | None
    due_reason: DueReason | None
    due: str | None
    due_since: datetime | None
    blocked_by: str | None
    paused: str | None
    base_drift: str | None

    @property
    def faults(self) -> list[str]:
        """What is wrong with this model, a sentence each."""
        found = []
        if self.served_as_recorded is False:
            found.append(f"the runtime serves something else than {self.live} under its name")
        if self.run and self.run.state == "failed" and self.run.retry_at is None:
            found.append(f"its last run failed: {self.run.error}")
        return found


@dataclass(frozen=True)
class RuntimeStatus:
    """The runtime, and what is wrong with it if it does not answer."""

    name: str
    version: str | None
    fault: str | None
    hint: str | None


@dataclass(frozen=True)
class Status:
    """Everything on one screen."""

    home: str
    daemon_running: bool
    runtime: RuntimeStatus
    models: list[ModelStatus]

    @property
    def faults(self) -> list[str]:
        """What somebody should look at: a sentence each. Waiting and being held are no faults."""
        found = [] if self.daemon_running else ["the daemon is not running"]
        if self.runtime.fault:
            found.append(self.runtime.fault)
        return found + [f"{model.name}: {fault}" for model in self.models for fault in model.faults]


def status(home: Home, settings: Settings, *, only: str | None = None) -> Status:
    """Read store, locks and runtime; a runtime that does not answer is part of the status, not an error."""
    runtime, served = _runtime(home, settings)
    names = [only] if only else sorted(settings.models)
    models = []
    if names:
        with Store(home.database) as store:
            models = [_model(store, home, name, settings.models[name], served) for name in names]
    return Status(str(home.root), home.root.is_dir() and is_held(home.daemon_lock), runtime, models)


def _runtime(home: Home, settings: Settings) -> tuple[RuntimeStatus, Mapping[str, str] | None]:
    runtime = runtime_for(settings, home)
    try:
        return RuntimeStatus(runtime.name, runtime.version(), None, None), runtime.tags()
    except AdapterdError as exc:
        return RuntimeStatus(runtime.name, None, str(exc), exc.hint), None


def _model(
    store: Store, home: Home, name: str, settings: ModelSettings, served: Mapping[str, str] | None
) -> ModelStatus:
    live = store.versions.deployment(name)
    versions = store.versions.all(name)
    newest: Version | None = versions[-1] if versions else None
    run = store.runs.latest(name)
    new_records, schedule = NewRecords.of(store, name), store.schedule_state.get(name)
    pause = store.schedule_state.paused(name)
    return ModelStatus(
        name=name,
        base=settings.base,
        live=live.live if live else None,
        live_since=live.since if live else None,
        previous=live.previous if live else None,
        served_as_recorded=_as_recorded(live, served),
        newest=newest.version if newest else None,
        newest_state=str(newest.state) if newest else None,
        newest_reason=newest.reason if newest else None,
        run=_run(run, store.runs.stages(run.id), working=is_held(home.run_lock)) if run else None,
        records=store.feedback.count(name),
        new_records=new_records.new,
        min_new_records=settings.schedule.min_new_records,
        quarantined=len(store.feedback.quarantined(name)),
        oldest_new=new_records.oldest,
        schedule=describe(settings.schedule),
        next_run=schedule.scheduled_at,
        due_reason=schedule.due_reason,
        due=schedule.due_text,
        due_since=schedule.due_since,
        blocked_by=schedule.blocked_by,
        paused=None if pause is None else pause.reason or "without a reason given",
        base_drift=schedule.base_drift,
    )


def describe(schedule: ScheduleSettings) -> str:
    """When runs are due, in a few words."""
    return f"every {schedule.every_hours:g} h" if schedule.every_hours else f'at "{schedule.cron}" (cron)'


def _as_recorded(live: Deployment | None, served: Mapping[str, str] | None) -> bool | None:
    if live is None or served is None:
        return None
    return served.get(ModelTags(live.model).live) == live.live_digest


def _run(run: Run, stages: list[StageRow], *, working: bool) -> RunStatus:
    last = stages[-1] if stages else None
    progress = (last.progress if last else None) or {}
    interrupted = run.state is RunState.RUNNING and not working
    return RunStatus(
        id=run.id,
        version=run.version,
        state="interrupted" if interrupted else str(run.state),
        stage=last.name if last and run.state.open else None,
        share=progress.get("share") if run.state.open else None,
        progress=progress if run.state.open else {},
        error=run.error,
        hint=run.hint,
        since=run.created_at,
        attempts=run.attempts,
        retry_at=run.retry_at,
    )
