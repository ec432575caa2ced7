"""Schedule states and pauses."""

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapterd.store import Store
from adapterd.store.schedule_state import DueReason, Pause, ScheduleState
from tests.support.hand_clock import HandClock

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))])
TIMES = st.none() | st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=ZONES)  # noqa: DTZ001
TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
STATES = st.builds(
    ScheduleState, scheduled_at=TIMES, due_reason=st.none() | st.sampled_from(DueReason), due_text=TEXT,
    due_since=TIMES, blocked_by=TEXT, base_drift=TEXT,
)  # fmt: skip
WAITING = ScheduleState(
    scheduled_at=datetime(2026, 1, 3, 3, tzinfo=UTC), due_reason=DueReason.NEW_FEEDBACK,
    due_text="scheduled, 60 new records",
    due_since=datetime(2026, 1, 2, 3, tzinfo=UTC), blocked_by="on battery", base_drift="sha256:aa",
)  # fmt: skip


def writes(store: Store) -> int:
    """How many rows were changed since the store was opened."""
    return store._connection.total_changes


def test_a_model_that_the_daemon_decided_nothing_about_has_an_empty_state(store: Store) -> None:
    store.schedule_state.replace("n", WAITING)
    assert store.schedule_state.get("m") == ScheduleState()


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STATES)
def test_a_state_comes_back_as_it_was_written(store: Store, said: ScheduleState) -> None:
    store.schedule_state.replace("m", said)
    assert store.schedule_state.get("m") == said


def test_a_state_is_there_for_other_processes_and_later(store: Store) -> None:
    store.schedule_state.replace("m", WAITING)
    with Store(store.path) as other:
        assert other.schedule_state.get("m") == WAITING


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scheduled_at", datetime(2026, 5, 1, tzinfo=UTC)),
        ("due_reason", DueReason.RETRY),
        ("due_text", "something else"),
        ("due_since", None),
        ("blocked_by", None),
        ("base_drift", None),
    ],
)
def test_an_update_changes_only_what_it_names(store: Store, name: str, value: object) -> None:
    store.schedule_state.replace("m", WAITING)
    store.schedule_state.replace("n", WAITING)
    store.schedule_state.update("m", **{name: value})
    assert store.schedule_state.get("m") == ScheduleState(**{**vars(WAITING), name: value})
    assert store.schedule_state.get("n") == WAITING


def test_an_update_may_come_before_any_state(store: Store) -> None:
    store.schedule_state.update("m", blocked_by="on battery")
    assert store.schedule_state.get("m") == ScheduleState(blocked_by="on battery")


def test_an_update_that_changes_nothing_writes_nothing(store: Store) -> None:
    store.schedule_state.replace("m", WAITING)
    before = writes(store)
    store.schedule_state.update("m", **vars(WAITING))
    store.schedule_state.update("m", blocked_by="on battery")
    store.schedule_state.update("m")
    store.schedule_state.update("never seen", due_text=None)
    assert writes(store) == before
    store.schedule_state.update("m", blocked_by="quiet hours until 18:00")
    assert writes(store) == before + 1


def test_the_same_moment_in_another_zone_is_no_change(store: Store) -> None:
    store.schedule_state.replace("m", WAITING)
    before = writes(store)
    assert WAITING.scheduled_at is not None
    store.schedule_state.update("m", scheduled_at=WAITING.scheduled_at.astimezone(timezone(timedelta(hours=2))))
    assert writes(store) == before


def test_an_update_of_what_there_is_not_is_refused(store: Store) -> None:
    with pytest.raises(TypeError, match="colour"):
        store.schedule_state.update("m", colour="red")
    assert store.schedule_state.get("m") == ScheduleState()


def test_an_update_that_is_part_of_more_happens_with_it_or_not_at_all(store: Store) -> None:
    with contextlib.suppress(InterruptedError), store.transaction():
        store.schedule_state.update("m", due_text="now")
        raise InterruptedError
    assert store.schedule_state.get("m") == ScheduleState()


def test_nothing_is_paused_at_first(store: Store) -> None:
    assert store.schedule_state.paused("m") is None


def test_a_pause_holds_for_its_model_only(store: Store, clock: HandClock) -> None:
    store.schedule_state.pause("m", "on holiday")
    assert store.schedule_state.paused("m") == Pause("m", "on holiday", clock.now)
    assert store.schedule_state.paused("n") is None


def test_a_pause_of_all_holds_for_every_model(store: Store, clock: HandClock) -> None:
    store.schedule_state.pause(None, "moving house")
    assert (
        store.schedule_state.paused("m") == store.schedule_state.paused("n") == Pause(None, "moving house", clock.now)
    )


@pytest.mark.parametrize("order", [("m", None), (None, "m")])
def test_a_models_own_pause_is_told_before_the_one_of_all(store: Store, order: tuple[str | None, ...]) -> None:
    for model in order:
        store.schedule_state.pause(model, f"for {model}")
    own, other = store.schedule_state.paused("m"), store.schedule_state.paused("n")
    assert own is not None
    assert other is not None
    assert (own.model, own.reason) == ("m", "for m")
    assert (other.model, other.reason) == (None, "for None")


def test_pausing_again_changes_the_reason_and_not_since_when(store: Store, clock: HandClock) -> None:
    since = clock.now
    store.schedule_state.pause("m", "one")
    clock.move_on()
    store.schedule_state.pause("m", "two")
    assert store.schedule_state.paused("m") == Pause("m", "two", since)


def test_resuming_tells_whether_there_was_a_pause(store: Store) -> None:
    store.schedule_state.pause("m", "")
    assert store.schedule_state.resume("m")
    assert store.schedule_state.paused("m") is None
    assert not store.schedule_state.resume("m")


def test_resuming_all_leaves_a_models_own_pause(store: Store) -> None:
    store.schedule_state.pause(None, "all")
    store.schedule_state.pause("m", "own")
    assert store.schedule_state.resume(None)
    own = store.schedule_state.paused("m")
    assert own is not None
    assert own.reason == "own"
    assert store.schedule_state.paused("n") is None


def test_resuming_a_model_leaves_the_pause_of_all(store: Store) -> None:
    store.schedule_state.pause(None, "all")
    assert not store.schedule_state.resume("m")
    assert store.schedule_state.paused("m") is not None


def test_a_pause_and_what_is_due_know_nothing_of_each_other(store: Store) -> None:
    store.schedule_state.replace("m", WAITING)
    store.schedule_state.pause("m", "on holiday")
    store.schedule_state.resume("m")
    assert store.schedule_state.get("m") == WAITING
