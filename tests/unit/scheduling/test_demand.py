"""Whether there is enough to learn for a run that nobody asked for."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.config import ScheduleSettings
from adapterd.scheduling.demand import NewRecords
from adapterd.store import Store
from adapterd.store.feedback import NewFeedback
from adapterd.store.runs import RunState
from tests.support.hand_clock import HandClock

NOW = datetime(2026, 1, 10, tzinfo=UTC)
DAY = timedelta(days=1)
FIFTY = ScheduleSettings(min_new_records=50)
WEEK = ScheduleSettings(min_new_records=50, max_age_days=7)
Arrive = Callable[..., None]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(tmp_path: Path, clock: HandClock) -> Iterator[Store]:
    with Store(tmp_path / "state.db", clock=clock) as opened:
        yield opened


@pytest.fixture
def arrive(store: Store) -> Arrive:
    def arrive(*names: str, model: str = "m", created_at: datetime = NOW) -> None:
        for name in names:
            store.feedback.add(model, NewFeedback(name, name, "{}", created_at, "f.jsonl", 1))

    return arrive


def learn(store: Store, state: RunState = RunState.HELD, *, given: str | None = None) -> None:
    """A run that takes in all there is."""
    run_id = f"r{store.feedback.last_id('m')}-{state}-{given}"
    store.runs.start(
        run_id, "m", reason="", fingerprint="f", last_feedback_id=store.feedback.last_id("m"), adapter_source=given
    )  # fmt: skip
    store.runs.set_state(run_id, state)


def test_without_feedback_there_is_nothing_new(store: Store, arrive: Arrive) -> None:
    arrive("a", model="n")
    assert NewRecords.of(store, "m") == NewRecords(0, None)


def test_all_feedback_is_new_before_the_first_run(store: Store, arrive: Arrive, clock: HandClock) -> None:
    first = clock.now
    arrive("a")
    clock.move_on()
    arrive("b", "c")
    assert NewRecords.of(store, "m") == NewRecords(3, first)


def test_records_that_a_run_learned_are_not_new(store: Store, arrive: Arrive, clock: HandClock) -> None:
    arrive("a", "b")
    learn(store)
    assert NewRecords.of(store, "m") == NewRecords(0, None)
    later = clock.move_on()
    arrive("c")
    assert NewRecords.of(store, "m") == NewRecords(1, later)


@pytest.mark.parametrize(
    ("state", "given"),
    [(RunState.FAILED, None), (RunState.ABANDONED, None), (RunState.RUNNING, None), (RunState.PROMOTED, "/adapter")],
)
def test_records_of_a_run_without_a_finished_training_stay_new(
    store: Store, arrive: Arrive, state: RunState, given: str | None
) -> None:
    arrive("a", "b")
    learn(store, state, given=given)
    assert NewRecords.of(store, "m").new == 2


def test_the_age_is_counted_from_when_it_came_and_not_from_what_it_says(
    store: Store, arrive: Arrive, clock: HandClock
) -> None:
    arrive("a", created_at=NOW - 1000 * DAY)
    assert NewRecords.of(store, "m").oldest == clock.now


@pytest.mark.parametrize(("new", "why"), [(0, None), (49, None), (50, "50"), (51, "51")])
def test_enough_new_records_are_a_reason(new: int, why: str | None) -> None:
    said = NewRecords(new, NOW if new else None).due_text(FIFTY, NOW)
    assert said == (why and f"scheduled, {why} new records")


@pytest.mark.parametrize(
    ("waited", "due"), [(timedelta(0), False), (7 * DAY - timedelta(seconds=1), False), (7 * DAY, True)]
)
def test_a_record_that_waited_long_enough_is_a_reason(waited: timedelta, due: bool) -> None:
    said = NewRecords(2, NOW - waited).due_text(WEEK, NOW)
    assert said == ("scheduled, 2 new records, the oldest 7.0 days old" if due else None)


def test_without_a_limit_a_record_may_wait_for_ever() -> None:
    assert NewRecords(49, NOW - 5000 * DAY).due_text(FIFTY, NOW) is None


def test_where_nothing_is_new_nothing_can_be_old() -> None:
    assert NewRecords(0, None).due_text(WEEK, NOW) is None


def test_a_clock_that_was_set_back_makes_nothing_old() -> None:
    assert NewRecords(2, NOW + 30 * DAY).due_text(WEEK, NOW) is None


def test_missing_records_are_given_in_numbers() -> None:
    assert NewRecords(12, NOW).missing(FIFTY) == "12 of 50 new records"


@given(
    st.integers(0, 200), st.timedeltas(timedelta(0), 100 * DAY), st.integers(1, 200),
    st.none() | st.floats(0.01, 100),
)  # fmt: skip
def test_a_reason_once_given_holds_as_time_passes_and_more_arrives(
    new: int, waited: timedelta, wanted: int, max_age_days: float | None
) -> None:
    schedule = ScheduleSettings(min_new_records=wanted, max_age_days=max_age_days)
    demand = NewRecords(new, NOW - waited if new else None)
    if demand.due_text(schedule, NOW) is not None:
        assert demand.due_text(schedule, NOW + DAY) is not None
        assert NewRecords(new + 1, demand.oldest or NOW).due_text(schedule, NOW) is not None
