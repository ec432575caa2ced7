"""Whether there is enough to learn for a run that nobody asked for."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.config import DatasetSettings, ScheduleSettings
from adapterd.scheduling.demand import NewRecords, waits_to_freeze
from adapterd.store import Store
from adapterd.store.new_feedback import NewFeedback
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


def test_records_that_are_held_are_not_new(store: Store, arrive: Arrive) -> None:
    arrive("a", "b", "c")
    newest = store.feedback.last_id("m")

    assert NewRecords.of(store, "m", [newest]).new == 2
    assert NewRecords.of(store, "m", [newest - 2, newest - 1, newest]) == NewRecords(0, None)


def test_a_released_record_waits_since_it_came(store: Store, arrive: Arrive, clock: HandClock) -> None:
    came = clock.now
    arrive("a")
    learn(store)
    clock.now += 8 * DAY
    alone = NewRecords.of(store, "m", released=[came])
    assert alone == NewRecords(1, came)
    assert alone.due_text(WEEK, clock.now) == "scheduled, 1 new records, the oldest 8.0 days old"
    later = clock.now
    arrive("b")
    assert NewRecords.of(store, "m", released=[came]) == NewRecords(2, came)
    assert NewRecords.of(store, "m", released=[clock.now + DAY]) == NewRecords(2, later)
    assert NewRecords.of(store, "m", [2], released=[clock.now + DAY]) == NewRecords(1, None)


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


FORTNIGHT = DatasetSettings(freeze_after_days=14)


def test_the_first_set_waits_until_feedback_of_so_many_days_is_there(
    store: Store, arrive: Arrive, clock: HandClock
) -> None:
    assert waits_to_freeze(store, "m", FORTNIGHT, clock.now) is None
    arrive("a", created_at=NOW - 1000 * DAY)
    assert "dataset.freeze_after_days = 14" in str(waits_to_freeze(store, "m", FORTNIGHT, clock.now + 13 * DAY))
    assert waits_to_freeze(store, "m", FORTNIGHT, clock.now + 14 * DAY) is None
    assert waits_to_freeze(store, "m", DatasetSettings(), clock.now) is None


def test_what_came_while_the_clock_was_ahead_neither_delays_nor_hastens_the_first_set(
    store: Store, arrive: Arrive, clock: HandClock
) -> None:
    right, clock.now = clock.now, clock.now + 70 * 365 * DAY
    arrive("a")
    clock.now = right
    assert "is frozen 14 days after the next comes" in str(waits_to_freeze(store, "m", FORTNIGHT, clock.now + 20 * DAY))
    assert waits_to_freeze(store, "m", DatasetSettings(), clock.now) is None
    arrive("b")
    assert waits_to_freeze(store, "m", FORTNIGHT, clock.now + 14 * DAY) is None
    clock.now += 8 * DAY
    assert "dataset.freeze_after_days = 14" in str(waits_to_freeze(store, "m", FORTNIGHT, clock.now))
    assert "8.0 days old" in str(NewRecords.of(store, "m").due_text(WEEK, clock.now))


def test_a_set_that_is_frozen_waits_for_nothing(store: Store, arrive: Arrive, clock: HandClock) -> None:
    arrive("a")
    store.evaluation_sets.freeze("m", "h", [])
    assert waits_to_freeze(store, "m", FORTNIGHT, clock.now) is None
