"""The state of daemon, runtime and models, as plain values; it imports nothing heavy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapterd.config import ModelSettings, RuntimeKind, ScheduleSettings, Settings
from adapterd.config.addresses.ollama_host import HostSource, named_host
from adapterd.deployment.history import other_base
from adapterd.deployment.live_tag import LiveTag, look_at_live, place_of
from adapterd.errors import AdapterdError
from adapterd.home import Home
from adapterd.insight.capture.state import CaptureStatus, capture_status
from adapterd.insight.enough import Enough, enough
from adapterd.insight.http_status import HttpStatus, http_status
from adapterd.insight.season.compared import Compared, open_of
from adapterd.intake.screening import held_records
from adapterd.runs.reuse import released_records
from adapterd.scheduling.demand import NewRecords
from adapterd.scheduling.duration import RunDuration
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import base_file, runtime_for
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Purpose
from adapterd.store.prompt_pool.prompts import PoolCounts
from adapterd.store.runs import Run, RunState, StageRow
from adapterd.store.schedule_state import DueReason
from adapterd.store.taken_back.removals import VersionMark
from adapterd.store.unreadable import UnreadablePath
from adapterd.store.versions import Deployment, Version
from adapterd.system.locks import is_held
from adapterd.system.release.running import of_another_release, running_release
from adapterd.system.service import why_not_running
from adapterd.teachers.rounds import MadeByTeachers, made_by_teachers


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
    waits for, or why none became due when it was time. `held` records were found to have secrets or personal data.
    `live_fault` is a sentence on a live tag that is not as recorded, `live_hint` what to do about it;
    `base_fault` says why no run can read the base. `live_base` and `previous_base` name the bases that these are made
    of, where that is not `base`, of which the next version is made.
    `live_removed` says how many removed records what is live knows,
    None if none; a removal that was begun and whose text is not everywhere gone yet is `removing`. `unreadable` is what
    the daemon could not read of the inbox when it looked last. `challenger` is the version that collects evidence that
    it is better than live, `watch` the comparison of live with what was live before; None where there is none.
    `next_takes` says how long the next run will take; None before one has trained. `teaching` is what teachers
    made, None where they made nothing.
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
    enough: list[Enough]
    prompts: PoolCounts
    new_records: int
    min_new_records: int
    quarantined: int
    held: int
    oldest_new: datetime | None
    schedule: str
    next_run: datetime | None
    due_reason: DueReason | None
    due: str | None
    due_since: datetime | None
    blocked_by: str | None
    paused: str | None
    base_drift: str | None
    live_removed: VersionMark | None = None
    removing: bool = False
    live_fault: str | None = None
    live_hint: str | None = None
    unreadable: tuple[UnreadablePath, ...] = ()
    base_fault: str | None = None
    live_base: str | None = None
    previous_base: str | None = None
    challenger: Compared | None = None
    watch: Compared | None = None
    next_takes: RunDuration | None = None
    teaching: MadeByTeachers | None = None

    @property
    def faults(self) -> list[str]:
        """What is wrong with this model, a sentence each."""
        found = []
        if self.live_fault:
            found.append(self.live_fault)
        if self.base_fault:
            found.append(self.base_fault)
        if self.run and self.run.state == "failed" and self.run.retry_at is None:
            found.append(f"its last run failed: {self.run.error}")
        if self.watch and self.watch.is_proven:  # what the watch does not take back by itself
            found.append(f"{self.watch.text}; `adapterctl rollback {self.name}` goes back")
        found += [in_one_sentence(each) for each in self.unreadable]
        return found


@dataclass(frozen=True)
class RuntimeStatus:
    """The runtime, and what is wrong with it if it does not answer. `address` is where it is asked, without a
    password, and `address_from` what says so (`ollama.host`, `OLLAMA_HOST`, `default`); None for one in this process.
    `note` tells of an OLLAMA_HOST that is not used."""

    name: str
    version: str | None
    fault: str | None
    hint: str | None
    address: str | None = None
    address_from: HostSource | None = None
    note: str = ""


@dataclass(frozen=True)
class Status:
    """Everything on one screen. `daemon_release` is None where none runs; `other_release` says what is wrong if it is
    not that of this process; `daemon_why_not` is what the service manager knows of a daemon that does not run."""

    home: str
    daemon_running: bool
    runtime: RuntimeStatus
    models: list[ModelStatus]
    daemon_release: str | None = None
    other_release: str | None = None
    daemon_why_not: str = ""
    http: HttpStatus = field(default_factory=HttpStatus)
    capture: CaptureStatus = field(default_factory=CaptureStatus)

    @property
    def faults(self) -> list[str]:
        """What somebody should look at: a sentence each. Waiting and being held are no faults."""
        why = f": {self.daemon_why_not}" if self.daemon_why_not else ""
        found = [] if self.daemon_running else [f"the daemon is not running{why}"]
        if self.other_release:
            found.append(self.other_release)
        if self.runtime.fault:
            found.append(self.runtime.fault)
        found += [f"feedback over HTTP: {each.fault}" for each in self.http.faults]
        found += [said for said, _ in self.capture.faults]
        return found + [f"{model.name}: {fault}" for model in self.models for fault in model.faults]


def status(home: Home, settings: Settings, *, only: str | None = None) -> Status:
    """Read store, locks and runtime; a runtime that does not answer is part of the status, not an error."""
    runtime, view = _runtime(home, settings)
    names = [only] if only else sorted(settings.models)
    is_running = home.root.is_dir() and is_held(home.daemon_lock)
    models, http = [], HttpStatus()
    if names or home.database.exists():
        with Store(home.database) as store:
            models = [_model(store, home, name, settings.models[name], view) for name in names]
            http = http_status(store, settings, running=is_running)
    return Status(
        str(home.root), is_running, runtime, models, running_release(home), of_another_release(home),
        "" if is_running else why_not_running(home), http, capture_status(home, settings),
    )  # fmt: skip


@dataclass(frozen=True)
class _View:
    """A runtime that answers, and the tags that it has."""

    runtime: Runtime
    tags: Mapping[str, str]

    def live(self, store: Store, recorded: Deployment) -> LiveTag:
        return look_at_live(store, recorded, self.tags, lambda: place_of(self.runtime, recorded.model))

    def base_fault(self, name: str, settings: ModelSettings) -> str | None:
        """Why the base cannot be read, where its tag is there."""
        try:
            served = self.runtime.show(ModelTags(name).base)
        except AdapterdError:
            return None
        try:
            base_file(served, settings.base, name)
        except AdapterdError as exc:
            return f"{exc}; {exc.hint}" if exc.hint else str(exc)
        return None


def _runtime(home: Home, settings: Settings) -> tuple[RuntimeStatus, _View | None]:
    """The runtime, and a view of it if it answers."""
    name, version, fault, hint, view = str(settings.runtime), None, None, None, None
    try:
        runtime = runtime_for(settings, home)
        name, version = runtime.name, runtime.version()
        view = _View(runtime, runtime.tags())
    except AdapterdError as exc:
        version, fault, hint = None, str(exc), exc.hint
    if settings.runtime is not RuntimeKind.OLLAMA:
        return RuntimeStatus(name, version, fault, hint), view
    host = named_host(home, settings)
    return RuntimeStatus(name, version, fault, hint, host.shown, host.source, host.note), view


def _model(store: Store, home: Home, name: str, settings: ModelSettings, view: _View | None) -> ModelStatus:
    live = store.versions.deployment(name)
    found = view.live(store, live) if live and view else None
    versions = store.versions.all(name)
    newest: Version | None = versions[-1] if versions else None
    run = store.runs.latest(name)
    held = held_records(store, name, settings.feedback)
    released = released_records(store, home, name, held)
    new_records = NewRecords.of(store, name, [each.id for each in held], released)
    schedule = store.schedule_state.get(name)
    pause = store.schedule_state.paused(name)
    return ModelStatus(
        name=name,
        base=settings.base,
        live=live.live if live else None,
        live_since=live.since if live else None,
        previous=live.previous if live else None,
        served_as_recorded=found.is_as_recorded if found else None,
        newest=newest.version if newest else None,
        newest_state=str(newest.state) if newest else None,
        newest_reason=newest.reason if newest else None,
        run=_run(run, store.runs.stages(run.id), working=is_held(home.run_lock)) if run else None,
        records=store.feedback.count(name),
        enough=enough(store, name, settings, held),
        prompts=store.prompts.counts(name),
        new_records=new_records.new,
        min_new_records=settings.schedule.min_new_records,
        quarantined=store.feedback.quarantined_count(name),
        held=len(held),
        oldest_new=new_records.oldest,
        schedule=describe(settings.schedule),
        next_run=schedule.scheduled_at,
        due_reason=schedule.due_reason,
        due=schedule.due_text,
        due_since=schedule.due_since,
        blocked_by=schedule.blocked_by,
        paused=None if pause is None else pause.reason or "without a reason given",
        base_drift=schedule.base_drift,
        live_removed=store.removals.marks(name).get(live.live) if live else None,
        removing=any(each.model == name for each in store.removals.unfinished()),
        live_fault=found.said or None if found else None,
        live_hint=found.hint or None if found else None,
        base_fault=view.base_fault(name, settings) if view else None,
        unreadable=tuple(store.unreadable.all(name)),
        live_base=other_base(store, home, name, live.live, settings.base_digest) if live else None,
        previous_base=other_base(store, home, name, live.previous, settings.base_digest)
        if live and live.previous
        else None,
        challenger=open_of(store, name, Purpose.CHALLENGE),
        watch=open_of(store, name, Purpose.WATCH),
        next_takes=RunDuration.expected(store, name, settings.training),
        teaching=made_by_teachers(store, name),
    )


def in_one_sentence(unreadable: UnreadablePath) -> str:
    """What the daemon cannot read, and what to do."""
    return f"the daemon cannot read {unreadable.path}: {unreadable.reason}" + (
        f" ({unreadable.hint})" if unreadable.hint else ""
    )


def describe(schedule: ScheduleSettings) -> str:
    """When runs are due, in a few words."""
    return f"every {schedule.every_hours:g} h" if schedule.every_hours else f'at "{schedule.cron}" (cron)'


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
