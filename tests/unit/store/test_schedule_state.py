"""What comes next: outlooks and pauses."""

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapterd.store import Store
from adapterd.store.schedule_state import Outlook, Pause
from tests.support.hand_clock import HandClock

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))])
TIMES = st.none() | st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=ZONES)  # noqa: DTZ001
TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
OUTLOOKS = st.builds(
    Outlook, scheduled_at=TIMES, due=TEXT, due_since=TIMES, why_not=TEXT, base_drift=TEXT
)  # fmt: skip
WAITING = Outlook(
    scheduled_at=datetime(2026, 1, 3, 3, tzinfo=UTC), due="scheduled, 60 new records",
    due_since=datetime(2026, 1, 2, 3, tzinfo=UTC), why_not="on battery", base_drift="sha256:aa",
)  # fmt: skip


def writes(store: Store) -> int:
    """How many rows were changed since the store was opened."""
    return store._connection.total_changes


def test_before_the_daemon_looked_there_is_nothing_to_say(store: Store) -> None:
    store.agenda.set_outlook("n", WAITING)
    assert store.agenda.outlook("m") == Outlook()


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OUTLOOKS)
def test_what_was_said_last_comes_back(store: Store, said: Outlook) -> None:
    store.agenda.set_outlook("m", said)
    assert store.agenda.outlook("m") == said


def test_it_is_there_for_other_processes_and_later(store: Store) -> None:
    store.agenda.set_outlook("m", WAITING)
    with Store(store.path) as other:
        assert other.agenda.outlook("m") == WAITING


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scheduled_at", datetime(2026, 5, 1, tzinfo=UTC)),
        ("due", "something else"),
        ("due_since", None),
        ("why_not", None),
        ("base_drift", None),
    ],
)
def test_an_update_changes_only_what_it_names(store: Store, name: str, value: object) -> None:
    store.agenda.set_outlook("m", WAITING)
    store.agenda.set_outlook("n", WAITING)
    store.agenda.update("m", **{name: value})
    assert store.agenda.outlook("m") == Outlook(**{**vars(WAITING), name: value})
    assert store.agenda.outlook("n") == WAITING


def test_an_update_may_be_the_first_word(store: Store) -> None:
    store.agenda.update("m", why_not="on battery")
    assert store.agenda.outlook("m") == Outlook(why_not="on battery")


def test_an_update_that_changes_nothing_writes_nothing(store: Store) -> None:
    store.agenda.set_outlook("m", WAITING)
    before = writes(store)
    store.agenda.update("m", **vars(WAITING))
    store.agenda.update("m", why_not="on battery")
    store.agenda.update("m")
    store.agenda.update("never seen", due=None)
    assert writes(store) == before
    store.agenda.update("m", why_not="quiet hours until 18:00")
    assert writes(store) == before + 1


def test_the_same_moment_in_another_zone_is_no_change(store: Store) -> None:
    store.agenda.set_outlook("m", WAITING)
    before = writes(store)
    assert WAITING.scheduled_at is not None
    store.agenda.update("m", scheduled_at=WAITING.scheduled_at.astimezone(timezone(timedelta(hours=2))))
    assert writes(store) == before


def test_an_update_of_what_there_is_not_is_refused(store: Store) -> None:
    with pytest.raises(TypeError, match="colour"):
        store.agenda.update("m", colour="red")
    assert store.agenda.outlook("m") == Outlook()


def test_an_update_that_is_part_of_more_happens_with_it_or_not_at_all(store: Store) -> None:
    with contextlib.suppress(InterruptedError), store.transaction():
        store.agenda.update("m", due="now")
        raise InterruptedError
    assert store.agenda.outlook("m") == Outlook()


def test_nothing_is_paused_at_first(store: Store) -> None:
    assert store.agenda.paused("m") is None


def test_a_pause_holds_for_its_model_only(store: Store, clock: HandClock) -> None:
    store.agenda.pause("m", "on holiday")
    assert store.agenda.paused("m") == Pause("m", "on holiday", clock.now)
    assert store.agenda.paused("n") is None


def test_a_pause_of_all_holds_for_every_model(store: Store, clock: HandClock) -> None:
    store.agenda.pause(None, "moving house")
    assert store.agenda.paused("m") == store.agenda.paused("n") == Pause(None, "moving house", clock.now)


@pytest.mark.parametrize("order", [("m", None), (None, "m")])
def test_a_models_own_pause_is_told_before_the_one_of_all(store: Store, order: tuple[str | None, ...]) -> None:
    for model in order:
        store.agenda.pause(model, f"for {model}")
    own, other = store.agenda.paused("m"), store.agenda.paused("n")
    assert own is not None
    assert other is not None
    assert (own.model, own.reason) == ("m", "for m")
    assert (other.model, other.reason) == (None, "for None")


def test_pausing_again_changes_the_reason_and_not_since_when(store: Store, clock: HandClock) -> None:
    since = clock.now
    store.agenda.pause("m", "one")
    clock.move_on()
    store.agenda.pause("m", "two")
    assert store.agenda.paused("m") == Pause("m", "two", since)


def test_resuming_tells_whether_there_was_a_pause(store: Store) -> None:
    store.agenda.pause("m", "")
    assert store.agenda.resume("m")
    assert store.agenda.paused("m") is None
    assert not store.agenda.resume("m")


def test_resuming_all_leaves_a_models_own_pause(store: Store) -> None:
    store.agenda.pause(None, "all")
    store.agenda.pause("m", "own")
    assert store.agenda.resume(None)
    own = store.agenda.paused("m")
    assert own is not None
    assert own.reason == "own"
    assert store.agenda.paused("n") is None


def test_resuming_a_model_leaves_the_pause_of_all(store: Store) -> None:
    store.agenda.pause(None, "all")
    assert not store.agenda.resume("m")
    assert store.agenda.paused("m") is not None


def test_a_pause_and_what_is_due_know_nothing_of_each_other(store: Store) -> None:
    store.agenda.set_outlook("m", WAITING)
    store.agenda.pause("m", "on holiday")
    store.agenda.resume("m")
    assert store.agenda.outlook("m") == WAITING
