"""Ending a run before it is over."""

import pytest

from adapterd.errors import NotFoundError
from adapterd.home import Home
from adapterd.runs.by_hand.cancel import cancel
from adapterd.store import Store
from adapterd.store.runs import RunState
from adapterd.store.schedule_state import DueReason, ScheduleState
from adapterd.system.locks import exclusive


def begin(store: Store, run_id: str = "r1", model: str = "m", state: RunState = RunState.RUNNING) -> None:
    store.runs.start(run_id, model, reason="asked", fingerprint="f", last_feedback_id=0)
    if state is not RunState.RUNNING:
        store.runs.set_state(run_id, state, error="e")


def test_whoever_works_on_the_run_is_asked_to_end(store: Store, home: Home) -> None:
    begin(store)
    with exclusive(home.run_lock, timeout_s=0, busy=""):
        assert cancel(store, home, "m", "wrong settings") == "r1"
    run = store.runs.get("r1")
    assert (run.state, run.cancelled) == (RunState.RUNNING, "wrong settings")


def test_an_interrupted_run_is_given_up_at_once(store: Store, home: Home) -> None:
    begin(store)
    assert cancel(store, home, "m", "wrong settings") == "r1"
    run = store.runs.get("r1")
    assert (run.state, run.error, run.cancelled) == (RunState.ABANDONED, "wrong settings", "wrong settings")
    assert run.finished_at is not None


@pytest.mark.parametrize("another_goes_on", [False, True])
def test_so_is_one_that_failed_whatever_goes_on_meanwhile(store: Store, home: Home, another_goes_on: bool) -> None:
    begin(store, state=RunState.FAILED)
    store.runs.retry_later("r1", store.clock())
    if another_goes_on:
        begin(store, "r2", "n")
        with exclusive(home.run_lock, timeout_s=0, busy=""):
            cancel(store, home, "m", "enough")
        assert store.runs.get("r2").cancelled is None
    else:
        cancel(store, home, "m", "enough")
    run = store.runs.get("r1")
    assert (run.state, run.retry_at) == (RunState.ABANDONED, None)


@pytest.mark.parametrize("state", [RunState.PROMOTED, RunState.HELD, RunState.ABANDONED])
def test_a_run_that_is_over_is_not_found(store: Store, home: Home, state: RunState) -> None:
    begin(store, state=state)
    before = store.events.latest()
    with pytest.raises(NotFoundError, match="no run of m is going on or waits to be continued"):
        cancel(store, home, "m", "enough")
    assert store.runs.get("r1").state is state
    assert store.runs.get("r1").cancelled is None
    assert store.events.latest() == before


def test_a_model_without_runs_has_none_to_end(store: Store, home: Home) -> None:
    begin(store, model="n")
    with pytest.raises(NotFoundError):
        cancel(store, home, "m", "enough")
    assert store.runs.get("r1").state is RunState.RUNNING


def test_a_cancelled_run_is_not_due_any_more_and_status_says_why(store: Store, home: Home) -> None:
    begin(store, state=RunState.FAILED)
    said = ScheduleState(
        scheduled_at=store.clock(), due_reason=DueReason.RETRY, due_text="tried again", due_since=store.clock(),
        base_drift="d",
    )  # fmt: skip
    store.schedule_state.replace("m", said)
    store.schedule_state.replace("n", said)
    cancel(store, home, "m", "enough")
    assert store.schedule_state.get("m") == ScheduleState(said.scheduled_at, blocked_by="enough", base_drift="d")
    assert store.schedule_state.get("n") == said


def test_the_history_tells_of_it(store: Store, home: Home) -> None:
    begin(store)
    cancel(store, home, "m", "enough")
    event = store.events.latest()[0]
    assert (event.kind, event.model, event.text) == ("run.cancelled", "m", "run r1: enough")


def test_a_run_without_a_reason_ends_as_well(store: Store, home: Home) -> None:
    begin(store)
    with exclusive(home.run_lock, timeout_s=0, busy=""):
        cancel(store, home, "m", "")
    assert store.runs.cancel_reason("r1")
