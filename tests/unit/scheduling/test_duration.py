"""How long the next run will take, by what the last ones took."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapterd.config import TrainingSettings
from adapterd.scheduling.duration import RunDuration
from adapterd.store import Store
from adapterd.store.new_feedback import NewFeedback
from adapterd.store.runs import RunState
from tests.support.hand_clock import HandClock

STAGES = {"dataset": 10.0, "training": 600.0, "merging": 100.0, "serving": 5.0, "evaluation": 200.0}
SETTINGS = TrainingSettings(max_hours=1)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(tmp_path: Path, clock: HandClock) -> Iterator[Store]:
    with Store(tmp_path / "state.db", clock=clock) as opened:
        yield opened


def arrive(store: Store, clock: HandClock, count: int) -> None:
    for _ in range(count):
        name = f"r{store.feedback.last_id('m')}"
        store.feedback.add("m", NewFeedback(name, name, "{}", clock.now, "f.jsonl", 1))


def run(
    store: Store,
    clock: HandClock,
    name: str,
    state: RunState = RunState.HELD,
    *,
    stages: dict[str, float] = STAGES,
    trained_s: float = 500.0,
    given: str | None = None,
) -> None:
    """A run whose stages took so many seconds, the steps of its training `trained_s`."""
    last = store.feedback.last_id("m")
    store.runs.start(name, "m", reason="", fingerprint="f", last_feedback_id=last, adapter_source=given)
    for stage, seconds in stages.items():
        store.runs.start_stage(name, stage, "key")
        clock.move_on(seconds)
        results: dict[str, dict[str, float]] = {
            "training": {"seconds": trained_s},
            "dataset": {"records": store.feedback.count("m")},
        }
        store.runs.finish_stage(name, stage, result=results.get(stage, {}))
    store.runs.set_state(name, state)


def test_nothing_is_known_before_a_run_has_trained(store: Store, clock: HandClock) -> None:
    arrive(store, clock, 10)
    run(store, clock, "failed", RunState.ABANDONED)
    run(store, clock, "registered", given="adapter", stages={"importing": 1.0, "merging": 100.0})
    assert RunDuration.expected(store, "m", SETTINGS) is None


def test_the_next_run_takes_as_long_as_the_last_one(store: Store, clock: HandClock) -> None:
    arrive(store, clock, 10)
    run(store, clock, "first")
    assert RunDuration.expected(store, "m", SETTINGS) == RunDuration(915.0, "first")


def test_more_feedback_takes_longer_up_to_the_end_of_a_night(store: Store, clock: HandClock) -> None:
    arrive(store, clock, 10)
    run(store, clock, "first", RunState.PROMOTED)
    arrive(store, clock, 10)
    assert RunDuration.expected(store, "m", SETTINGS) == RunDuration(2 * 610.0 + 305.0, "first")
    arrive(store, clock, 380)
    assert RunDuration.expected(store, "m", SETTINGS) == RunDuration(6 * 10.0 + 3600.0 + 305.0, "first")


def test_a_run_that_took_an_adapter_over_tells_nothing(store: Store, clock: HandClock) -> None:
    arrive(store, clock, 10)
    run(store, clock, "first")
    run(store, clock, "second", stages=STAGES | {"training": 1.0})
    assert RunDuration.expected(store, "m", SETTINGS) == RunDuration(915.0, "first")
