"""When a model is due: cron as people know it, in local time."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.config import ModelSettings, ScheduleSettings, Settings
from adapterd.errors import ConfigError
from adapterd.lifecycle.schedule import MISSED_BY_S, Schedule, cron_trigger

BERLIN = ZoneInfo("Europe/Berlin")
NAMES = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
MAX_WAIT_S = 10


class Calls:
    """What was due, and a way to wait for it."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._come = threading.Semaphore(0)

    def __call__(self, name: str) -> None:
        self.names.append(name)
        self._come.release()

    def wait(self) -> None:
        assert self._come.acquire(timeout=MAX_WAIT_S), "nothing was due"


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def schedule(calls: Calls) -> Iterator[Schedule]:
    made = Schedule(calls)
    yield made
    made.stop()


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apscheduler.triggers.cron.get_localzone", lambda: BERLIN)


def due(cron: str, after: datetime, count: int = 1) -> list[datetime]:
    """The next times of an expression."""
    trigger = cron_trigger("m", cron)
    found: list[datetime] = []
    for _ in range(count):
        found.append(trigger.get_next_fire_time(found[-1] if found else None, found[-1] if found else after))
    return found


def weekdays(field: str) -> set[str]:
    """On which days of a week an expression with that weekday field is due."""
    monday = datetime(2026, 6, 1, tzinfo=UTC)
    trigger = cron_trigger("m", f"0 12 * * {field}")
    starts = [monday + timedelta(days=day) for day in range(7)]
    days = [trigger.get_next_fire_time(None, start.replace(tzinfo=trigger.timezone)) for start in starts]
    return {day.strftime("%a").lower() for day in days}


def settings_of(**crons: str) -> Settings:
    models = {
        name: ModelSettings(base="b", base_digest="d", schedule=ScheduleSettings(cron=cron))
        for name, cron in crons.items()
    }
    return Settings(models=models)


def was_due(schedule: Schedule, name: str, *, ago: timedelta) -> None:
    """As if the machine had slept through the time of the model."""
    schedule._scheduler.get_job(name).modify(next_run_time=datetime.now(UTC) - ago)


def let_finish(schedule: Schedule) -> None:
    """Wait for everything that was begun."""
    schedule._scheduler.shutdown(wait=True)


@pytest.mark.parametrize(
    "cron",
    ["", "nightly", "0 3 * *", "0 3 * * * *", "60 * * * *", "* 24 * * *", "0 3 0 * *", "0 3 * 13 *", "0 3 * * 8",
     "0 3 * * 1-9", "0 3 * * mon-xyz", "0 3 * * 1-", "*/0 * * * *", "0 3 * * */0", "@daily"],
)  # fmt: skip
def test_what_is_no_cron_expression_is_a_fault_with_its_path(cron: str) -> None:
    with pytest.raises(ConfigError) as caught:
        cron_trigger("newsbrief", cron)
    assert str(caught.value).startswith(f"models.newsbrief.schedule.cron: {cron!r} is not a cron expression: ")


@pytest.mark.usefixtures("in_berlin")
def test_the_time_is_local() -> None:
    assert due("0 3 * * *", datetime(2026, 6, 1, 12, tzinfo=UTC)) == [datetime(2026, 6, 2, 1, tzinfo=UTC)]


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize("eve", [datetime(2026, 3, 27, 12, tzinfo=UTC), datetime(2026, 10, 23, 12, tzinfo=UTC)])
def test_the_default_time_comes_once_a_night_when_clocks_change(eve: datetime) -> None:
    nights = due(ScheduleSettings().cron, eve, count=5)
    assert [(night.hour, night.minute) for night in nights] == [(3, 0)] * 5
    assert [night.date() for night in nights] == [eve.date() + timedelta(days=day) for day in range(1, 6)]
    assert len({night.utcoffset() for night in nights}) == 2


@pytest.mark.usefixtures("in_berlin")
def test_a_time_that_the_clock_skips_is_made_up_for() -> None:
    nights = due("30 2 * * *", datetime(2026, 3, 27, 12, tzinfo=UTC), count=4)
    assert [night.date().day for night in nights] == [28, 29, 30, 31]


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("*", "sun mon tue wed thu fri sat"),
        ("0", "sun"),
        ("7", "sun"),
        ("1", "mon"),
        ("6", "sat"),
        ("sun", "sun"),
        ("FRI", "fri"),
        ("1-5", "mon tue wed thu fri"),
        ("5-7", "fri sat sun"),
        ("0-2", "sun mon tue"),
        ("0-7", "sun mon tue wed thu fri sat"),
        ("fri-mon", "fri sat sun mon"),
        ("0,3,sat", "sun wed sat"),
        ("*/2", "sun tue thu sat"),
        ("1-5/2", "mon wed fri"),
        ("2/2", "tue thu sat"),
        ("mon-wed,6", "mon tue wed sat"),
    ],
)
def test_weekdays_count_from_sunday_as_in_cron(field: str, days: str) -> None:
    assert weekdays(field) == set(days.split())


@settings(deadline=None)
@given(st.integers(0, 6), st.integers(0, 6), st.integers(1, 7))
def test_a_range_of_weekdays_goes_round_the_week(first: int, last: int, step: int) -> None:
    length = (last - first) % 7 + 1
    expected = {NAMES[(first + day) % 7] for day in range(0, length, step)}
    assert weekdays(f"{first}-{last}/{step}") == expected
    assert weekdays(f"{NAMES[first]}-{NAMES[last]}/{step}") == expected


def test_every_model_has_its_next_time(schedule: Schedule) -> None:
    schedule.start(settings_of(m="0 3 * * *", n="30 4 * * *"))
    for name, hour, minute in (("m", 3, 0), ("n", 4, 30)):
        at = schedule.next(name)
        assert at is not None
        assert (at.hour, at.minute) == (hour, minute)
        assert timedelta() < at - datetime.now(UTC) <= timedelta(days=1, hours=1)


def test_a_model_that_is_not_scheduled_has_no_next_time(schedule: Schedule) -> None:
    assert schedule.next("m") is None
    schedule.start(settings_of(n="0 3 * * *"))
    assert schedule.next("m") is None


def test_a_cron_expression_that_makes_no_sense_starts_nothing(schedule: Schedule) -> None:
    with pytest.raises(ConfigError, match=r"^models\.n\.schedule\.cron: "):
        schedule.start(settings_of(m="0 3 * * *", n="sometimes"))
    assert not schedule._scheduler.running


def test_a_model_that_is_due_is_called_by_its_name(schedule: Schedule, calls: Calls) -> None:
    schedule.start(settings_of(m="0 3 * * *", n="0 3 * * *"))
    was_due(schedule, "m", ago=timedelta())
    calls.wait()
    let_finish(schedule)
    assert calls.names == ["m"]


def test_times_that_were_slept_through_are_made_up_for_once(schedule: Schedule, calls: Calls) -> None:
    schedule.start(settings_of(m="*/5 * * * *"))
    was_due(schedule, "m", ago=timedelta(seconds=MISSED_BY_S) - timedelta(hours=1))
    calls.wait()
    let_finish(schedule)
    assert calls.names == ["m"]


def test_a_time_that_was_missed_long_ago_is_let_go(schedule: Schedule, calls: Calls) -> None:
    another_day = datetime.now(UTC) + timedelta(days=100)
    once_a_year = f"0 3 {another_day.day} {another_day.month} *"
    schedule.start(settings_of(m=once_a_year, n=once_a_year))
    was_due(schedule, "m", ago=timedelta(seconds=MISSED_BY_S) + timedelta(minutes=1))
    was_due(schedule, "n", ago=timedelta())
    calls.wait()
    let_finish(schedule)
    assert calls.names == ["n"]


def test_a_schedule_can_be_stopped_twice_and_before_it_began(calls: Calls) -> None:
    schedule = Schedule(calls)
    schedule.stop()
    schedule.start(settings_of(m="0 3 * * *"))
    schedule.stop()
    schedule.stop()
