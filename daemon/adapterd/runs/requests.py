"""Runs that a person asks for: is there new feedback, who does the run, how far is it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adapterd.config import ModelSettings
from adapterd.errors import CancelledError, NotEnoughDataError, StageError
from adapterd.home import Home
from adapterd.runs.reuse import settings_changed
from adapterd.store import Store
from adapterd.store.runs import Run, RunState, StageState
from adapterd.system.locks import is_held

POLL_S = 0.3
GO_ON = "`adapterctl retrain` goes on where it stopped"


@dataclass(frozen=True)
class Asked:
    """What follows from asking the daemon: a request that waits for its run, or the run that is going on anyway."""

    request: int | None
    run: str | None


def require_something_new(store: Store, home: Home, model: str, settings: ModelSettings) -> None:
    """Raise NotEnoughDataError if since the last training no feedback came and no setting that a run reads changed, and
    no run waits to be continued."""
    last = store.runs.latest(model)
    if last and last.state.open and last.adapter_source is None:
        return
    came = store.feedback.count(model, after_id=store.runs.last_learned_id(model))
    if not came and not settings_changed(store, home, model, settings):
        raise NotEnoughDataError(
            f"{model} has no feedback that is new since its last version", hint="use --now to train anyway"
        )


def ask_daemon(store: Store, home: Home, model: str, *, afresh: bool) -> Asked:
    """Ask for a run; one that is going on and learns from everything there is will do, unless `afresh`."""
    run = store.runs.latest(model)
    at_it = run is not None and run.state is RunState.RUNNING and run.adapter_source is None and is_held(home.run_lock)
    if run and at_it and not afresh and run.last_feedback_id == store.feedback.last_id(model):
        return Asked(request=None, run=run.id)
    return Asked(request=store.runs.request(model, "asked for by hand"), run=None)


def follow(
    store: Store,
    home: Home,
    asked: Asked,
    listen: Callable[[str, dict[str, Any]], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Run:
    """Pass on to `listen` what the daemon's run writes into the journal until it ends; returns the finished run.

    Raises StageError if the run fails, cannot begin, or if the daemon ends.
    """
    while True:
        run_id, error = (asked.run, None) if asked.request is None else store.runs.request_answer(asked.request)
        run = store.runs.get(run_id) if run_id else None
        if run:
            _report_stages(store, run, listen)
            if run.state is RunState.ABANDONED:
                raise CancelledError(run.error or "the run was given up")
            if not run.state.open:
                return run
            error = run.error if run.state is not RunState.RUNNING else error
        if error:
            raise StageError(error, hint=GO_ON)
        if not is_held(home.daemon_lock):
            raise StageError("the daemon ended", hint=GO_ON)
        sleep(POLL_S)


def _report_stages(store: Store, run: Run, listen: Callable[[str, dict[str, Any]], None]) -> None:
    for stage in store.runs.stages(run.id):
        done = {"share": 1.0} if stage.state is StageState.DONE else {}
        listen(stage.name, {**(stage.progress or {}), **done})
