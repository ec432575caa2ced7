"""The journal of runs and stages, requests for runs, and what is to become of a run that failed."""

from datetime import UTC, datetime, timedelta

import pytest

from adapterd.errors import StoreError
from adapterd.store import Store
from adapterd.store.runs import Run, RunState, StageState
from tests.support.hand_clock import HandClock


def start(store: Store, run_id: str, model: str = "m", *, last_feedback_id: int = 0) -> Run:
    return store.runs.start(run_id, model, reason="asked", fingerprint="ff", last_feedback_id=last_feedback_id)


def test_a_run_begins_running(store: Store, clock: HandClock) -> None:
    assert start(store, "r1", last_feedback_id=9) == Run(
        id="r1", model="m", state=RunState.RUNNING, reason="asked", fingerprint="ff", last_feedback_id=9,
        version=None, error=None, hint=None, created_at=clock.now, finished_at=None,
    )  # fmt: skip
    assert store.runs.get("r1") == store.runs.latest("m")


def test_a_run_that_is_not_there_is_a_key_error(store: Store) -> None:
    with pytest.raises(KeyError, match="r1"):
        store.runs.get("r1")


def test_an_id_is_given_once(store: Store) -> None:
    start(store, "r1")
    with pytest.raises(StoreError, match="UNIQUE"):
        start(store, "r1")


def test_a_model_without_runs_has_no_latest(store: Store) -> None:
    start(store, "r1", "n")
    assert store.runs.latest("m") is None


def test_the_latest_run_is_the_one_created_last(store: Store, clock: HandClock) -> None:
    for run_id in ("b", "c", "a"):
        start(store, run_id)
        clock.move_on()
    start(store, "z", "n")
    latest = store.runs.latest("m")
    assert latest is not None
    assert latest.id == "a"


@pytest.mark.parametrize("state", [state for state in RunState if state is not RunState.RUNNING])
def test_a_run_that_ends_notes_when(store: Store, clock: HandClock, state: RunState) -> None:
    start(store, "r1")
    ended = clock.move_on()
    store.runs.set_state("r1", state, error="e", hint="h")
    run = store.runs.get("r1")
    assert (run.state, run.error, run.hint, run.finished_at) == (state, "e", "h", ended)


def test_a_run_that_goes_on_forgets_how_it_ended(store: Store) -> None:
    start(store, "r1")
    store.runs.set_state("r1", RunState.FAILED, error="e", hint="h")
    store.runs.set_state("r1", RunState.RUNNING)
    run = store.runs.get("r1")
    assert (run.state, run.error, run.hint, run.finished_at) == (RunState.RUNNING, None, None, None)


def test_a_run_remembers_its_version(store: Store) -> None:
    start(store, "r1")
    store.runs.set_version("r1", "1.2.0")
    assert store.runs.get("r1").version == "1.2.0"


@pytest.mark.parametrize(
    ("state", "can_go_on"),
    [
        (RunState.RUNNING, True),
        (RunState.FAILED, True),
        (RunState.PROMOTED, False),
        (RunState.HELD, False),
        (RunState.ABANDONED, False),
    ],
)
def test_only_a_run_without_a_verdict_can_go_on(state: RunState, can_go_on: bool) -> None:
    assert state.open is can_go_on


@pytest.mark.parametrize(
    ("state", "learned"),
    [
        (RunState.RUNNING, 0),
        (RunState.FAILED, 0),
        (RunState.ABANDONED, 0),
        (RunState.PROMOTED, 5),
        (RunState.HELD, 5),
    ],
)
def test_feedback_is_learned_when_a_run_has_a_verdict(store: Store, state: RunState, learned: int) -> None:
    start(store, "r1", last_feedback_id=5)
    store.runs.set_state("r1", state)
    assert store.runs.last_learned_id("m") == learned
    assert store.runs.last_learned_id("n") == 0


def test_the_newest_feedback_of_all_runs_counts_as_learned(store: Store) -> None:
    for run_id, last in (("r1", 5), ("r2", 8), ("r3", 7)):
        start(store, run_id, last_feedback_id=last)
        store.runs.set_state(run_id, RunState.HELD)
    assert store.runs.last_learned_id("m") == 8


def test_a_registration_learns_nothing(store: Store) -> None:
    store.runs.start("r1", "m", reason="by hand", fingerprint="ff", last_feedback_id=5, adapter_source="/adapters/m")
    store.runs.set_state("r1", RunState.PROMOTED)
    assert store.runs.get("r1").adapter_source == "/adapters/m"
    assert store.runs.last_learned_id("m") == 0


def test_a_stage_begins_running(store: Store, clock: HandClock) -> None:
    start(store, "r1")
    store.runs.start_stage("r1", "dataset", "k1")
    (stage,) = store.runs.stages("r1")
    assert (stage.name, stage.state, stage.key) == ("dataset", StageState.RUNNING, "k1")
    assert (stage.result, stage.progress, stage.error) == (None, None, None)
    assert (stage.started_at, stage.finished_at, stage.seconds) == (clock.now, None, 0.0)


def test_a_stage_keeps_only_its_newest_progress(store: Store) -> None:
    start(store, "r1")
    store.runs.start_stage("r1", "dataset", "k")
    store.runs.report_stage("r1", "dataset", {"share": 0.1})
    store.runs.report_stage("r1", "dataset", {"share": 0.5, "loss": 1.25})
    assert store.runs.stages("r1")[0].progress == {"share": 0.5, "loss": 1.25}


@pytest.mark.parametrize("result", [{"a": [1, {"ü": None}]}, {}])
def test_a_stage_with_a_result_is_done(store: Store, clock: HandClock, result: dict[str, object]) -> None:
    start(store, "r1")
    store.runs.start_stage("r1", "dataset", "k")
    clock.move_on(90)
    store.runs.finish_stage("r1", "dataset", result=result)
    (stage,) = store.runs.stages("r1")
    assert (stage.state, stage.result, stage.error, stage.seconds) == (StageState.DONE, result, None, 90.0)


def test_a_stage_without_a_result_has_failed(store: Store, clock: HandClock) -> None:
    start(store, "r1")
    store.runs.start_stage("r1", "dataset", "k")
    store.runs.finish_stage("r1", "dataset", error="too few")
    (stage,) = store.runs.stages("r1")
    assert (stage.state, stage.result, stage.error) == (StageState.FAILED, None, "too few")
    assert stage.finished_at == clock.now


def test_a_stage_that_begins_again_forgets_its_earlier_attempt(store: Store) -> None:
    start(store, "r1")
    store.runs.start_stage("r1", "dataset", "k1")
    store.runs.report_stage("r1", "dataset", {"share": 0.5})
    store.runs.finish_stage("r1", "dataset", error="e")
    store.runs.start_stage("r1", "dataset", "k2")
    (stage,) = store.runs.stages("r1")
    assert (stage.state, stage.key, stage.progress, stage.error) == (StageState.RUNNING, "k2", None, None)


def test_stages_come_in_the_order_in_which_they_began(store: Store, clock: HandClock) -> None:
    start(store, "r1")
    start(store, "r2")
    for name in ("training", "dataset", "merging"):
        store.runs.start_stage("r1", name, "k")
    clock.move_on()
    store.runs.start_stage("r1", "training", "k")
    store.runs.start_stage("r2", "serving", "k")
    assert [stage.name for stage in store.runs.stages("r1")] == ["dataset", "merging", "training"]


def test_a_stage_of_one_run_is_not_one_of_another(store: Store) -> None:
    start(store, "r1")
    start(store, "r2")
    store.runs.start_stage("r1", "dataset", "k")
    store.runs.start_stage("r2", "dataset", "k")
    store.runs.finish_stage("r1", "dataset", result={})
    assert store.runs.stages("r2")[0].state is StageState.RUNNING


def test_requests_wait_in_the_order_of_asking(store: Store) -> None:
    first, second = store.runs.request("m", "asked"), store.runs.request("n", "asked too")
    assert store.runs.waiting_requests() == [(first, "m", "asked"), (second, "n", "asked too")]


def test_a_request_that_still_waits_is_not_made_twice(store: Store) -> None:
    assert store.runs.request("m", "first") == store.runs.request("m", "second")
    assert [reason for _, _, reason in store.runs.waiting_requests()] == ["first"]


@pytest.mark.parametrize(("run_id", "error"), [("r1", None), (None, "busy")])
def test_a_request_that_was_answered_waits_no_more(store: Store, run_id: str | None, error: str | None) -> None:
    request = store.runs.request("m", "asked")
    assert store.runs.request_answer(request) == (None, None)
    store.runs.answer_request(request, run_id=run_id, error=error)
    assert store.runs.request_answer(request) == (run_id, error)
    assert store.runs.waiting_requests() == []
    assert store.runs.request("m", "again") != request


def test_a_request_keeps_its_run_when_that_fails_later(store: Store) -> None:
    request = store.runs.request("m", "asked")
    store.runs.answer_request(request, run_id="r1")
    store.runs.answer_request(request, error="died")
    assert store.runs.request_answer(request) == ("r1", "died")


def test_a_request_that_is_not_there_has_no_answer(store: Store) -> None:
    assert store.runs.request_answer(99) == (None, None)


LATER = datetime(2026, 1, 2, 3, 5, 15, tzinfo=UTC)


def failed(store: Store, *, times: int = 1, run_id: str = "r1") -> Run:
    """A run that failed so often for a reason that may pass."""
    start(store, run_id)
    for _ in range(times):
        store.runs.set_state(run_id, RunState.FAILED, error="e")
        store.runs.retry_later(run_id, LATER)
    return store.runs.get(run_id)


def test_a_new_run_has_not_failed_and_is_not_to_end(store: Store) -> None:
    run = start(store, "r1")
    assert (run.attempts, run.retry_at, run.cancelled) == (0, None, None)


def test_failures_are_counted_and_the_newest_says_when_to_try_again(store: Store) -> None:
    run = failed(store, times=3)
    assert (run.state, run.attempts, run.retry_at) == (RunState.FAILED, 3, LATER)
    store.runs.retry_later("r1", LATER + timedelta(minutes=1))
    assert store.runs.get("r1").retry_at == LATER + timedelta(minutes=1)


@pytest.mark.parametrize("state", list(RunState))
def test_whatever_a_run_becomes_there_is_no_time_to_try_again(store: Store, state: RunState) -> None:
    failed(store)
    store.runs.set_state("r1", state)
    run = store.runs.get("r1")
    assert (run.retry_at, run.attempts) == (None, 1)


def test_attempts_are_counted_from_zero_again_after_a_success(store: Store) -> None:
    failed(store, times=2)
    failed(store, run_id="r2")
    store.runs.reset_attempts("r1")
    assert store.runs.get("r1").attempts == 0
    assert store.runs.get("r2").attempts == 1


def test_where_nothing_is_to_be_forgotten_nothing_is_written(store: Store) -> None:
    start(store, "r1")
    before = store._connection.total_changes
    store.runs.reset_attempts("r1")
    assert store._connection.total_changes == before


def test_a_run_that_somebody_wants_to_end_hears_why(store: Store) -> None:
    start(store, "r1")
    start(store, "r2")
    assert store.runs.cancel_reason("r1") is None
    store.runs.request_cancel("r1", "wrong settings")
    assert store.runs.cancel_reason("r1") == store.runs.get("r1").cancelled == "wrong settings"
    assert store.runs.cancel_reason("r2") is None


def test_another_process_hears_it_at_once(store: Store) -> None:
    start(store, "r1")
    with Store(store.path) as other:
        other.runs.request_cancel("r1", "enough")
    assert store.runs.cancel_reason("r1") == "enough"


def test_a_cancel_reason_is_still_known_when_the_run_has_ended(store: Store) -> None:
    start(store, "r1")
    store.runs.request_cancel("r1", "enough")
    store.runs.set_state("r1", RunState.ABANDONED, error="enough")
    assert store.runs.get("r1").cancelled == "enough"


def test_a_run_that_is_not_there_is_not_to_end(store: Store) -> None:
    assert store.runs.cancel_reason("r1") is None


def test_a_run_remembers_its_training_job_until_it_has_none(store: Store) -> None:
    run = start(store, "r1")
    assert (run.training_provider, run.training_job) == (None, None)
    store.runs.set_training_job("r1", "mlx-hosts", "j1")
    run = store.runs.get("r1")
    assert (run.training_provider, run.training_job) == ("mlx-hosts", "j1")
    store.runs.end_training_job("r1")
    run = store.runs.get("r1")
    assert (run.training_provider, run.training_job, run.training_jobs_ended) == (None, None, 1)
