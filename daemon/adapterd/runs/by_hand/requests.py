"""Runs that a person asks for: is there new feedback, who does the run, how far is it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adapterd.config import ModelSettings
from adapterd.errors import CancelledError, NotEnoughDataError, StageError
from adapterd.home import Home
from adapterd.intake.screening import held_records
from adapterd.runs.reuse import released_records, settings_changed
from adapterd.store import Store
from adapterd.store.runs import Run, RunState, StageState
from adapterd.system.host.wakeup import wake_up
from adapterd.system.locks import is_held
from adapterd.system.release.running import of_another_release

POLL_S = 0.3
ANSWERED_WITHIN_S = 120.0
"""How long a daemon that is free may take to begin what was asked for."""
GO_ON = "`adapterctl retrain` goes on where it stopped"
RESTART = "it ends by itself within a minute; `adapterctl service restart` starts the release that is installed"
ITS_LOG = "`adapterctl logs` shows what it does; the run stays asked for"


@dataclass(frozen=True)
class Asked:
    """What follows from asking the daemon: a request that waits for its run, or the run that is going on anyway."""

    request: int | None
    run: str | None


def require_something_new(store: Store, home: Home, model: str, settings: ModelSettings) -> None:
    """Raise NotEnoughDataError if since the last training no feedback came or was released, teachers made nothing that
    is kept and no setting that a run reads changed, and no run waits to be continued."""
    last = store.runs.latest(model)
    if last and last.state.open and last.adapter_source is None:
        return
    came = store.feedback.count(model, after_id=store.runs.last_learned_id(model))
    made = store.teaching.examples.newest_kept(model)
    came += bool(made and (last is None or made > last.created_at))
    held = held_records(store, model, settings.feedback)
    changed = settings_changed(store, home, model, settings) or released_records(store, home, model, held)
    if not came and not changed:
        raise NotEnoughDataError(
            f"{model} has no feedback that is new since its last version", hint="use --now to train anyway"
        )


def ask_daemon(store: Store, home: Home, model: str, *, afresh: bool) -> Asked:
    """Ask for a run; one that is going on and learns from everything there is will do, unless `afresh`."""
    run = store.runs.latest(model)
    at_it = run is not None and run.state is RunState.RUNNING and run.adapter_source is None and is_held(home.run_lock)
    if run and at_it and not afresh and run.last_feedback_id == store.feedback.last_id(model):
        return Asked(request=None, run=run.id)
    asked = Asked(request=store.runs.request(model, "asked for by hand"), run=None)
    wake_up(home.wakeup)
    return asked


def follow(
    store: Store,
    home: Home,
    asked: Asked,
    listen: Callable[[str, dict[str, Any]], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """Pass on to `listen` what the daemon's run writes into the journal until it ends; returns the finished run. One
    that is given up because the runtime makes other prompts by now, and begun anew, is followed as one.

    Raises StageError if the run fails, cannot begin, if the daemon ends, is of another release, or is free and does not
    begin the run.
    """
    free_since: float | None = None
    while True:
        run_id, error = (asked.run, None) if asked.request is None else store.runs.request_answer(asked.request)
        run = _newest_since(store, run_id) if run_id else None
        if run:
            _report_stages(store, run, listen)
            if run.state in (RunState.PROMOTED, RunState.HELD):
                return run
            if run.state is not RunState.RUNNING and (error or not _may_begin_anew(store, home)):
                if run.state is RunState.ABANDONED:
                    raise CancelledError(run.error or "the run was given up")
                error = run.error
        if error:
            raise StageError(error, hint=GO_ON)
        if not is_held(home.daemon_lock):
            raise StageError("the daemon ended", hint=GO_ON)
        if other := of_another_release(home):
            raise StageError(f"{other}, so it cannot be followed", hint=RESTART)
        free_since = None if run or is_held(home.run_lock) else free_since or clock()
        if free_since is not None and clock() - free_since > ANSWERED_WITHIN_S:
            raise StageError(f"the daemon has not begun the run for {ANSWERED_WITHIN_S:.0f} s", hint=ITS_LOG)
        sleep(POLL_S)


def _newest_since(store: Store, run_id: str) -> Run:
    """The run, or the one that its model has begun after it."""
    run = store.runs.get(run_id)
    return run if run.state in (RunState.PROMOTED, RunState.HELD) else store.runs.latest(run.model) or run


def _may_begin_anew(store: Store, home: Home) -> bool:
    """Whether whoever does the runs is still at it, and has not said at which one."""
    return is_held(home.run_lock) and not store.runs.any_running()


def _report_stages(store: Store, run: Run, listen: Callable[[str, dict[str, Any]], None]) -> None:
    for stage in store.runs.stages(run.id):
        done = {"share": 1.0} if stage.state is StageState.DONE else {}
        listen(stage.name, {**(stage.progress or {}), **done})
