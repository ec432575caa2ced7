"""When a model is due: cron as people know it, in local time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.config import ModelSettings, ScheduleSettings, Settings
from adapterd.errors import ConfigError, WorkerLostError
from adapterd.scheduling.schedule import Asked, Schedule, cron_times, next_times, next_times_by_child

BERLIN = ZoneInfo("Europe/Berlin")
NAMES = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapterd.scheduling.schedule.local_zone", lambda: BERLIN)


def due(cron: str, after: datetime, count: int = 1) -> list[datetime]:
    """The next times of an expression, on the clocks of Berlin."""
    times = cron_times("m", cron)
    found = [after]
    for _ in range(count):
        at = times.after(found[-1])
        assert at is not None
        found.append(at)
    return [at.astimezone(BERLIN) for at in found[1:]]


def weekdays(field: str) -> set[str]:
    """On which days of a week an expression with that weekday field is due."""
    monday = datetime(2026, 6, 1, tzinfo=UTC)
    days = [due(f"0 12 * * {field}", monday + timedelta(days=day))[0] for day in range(7)]
    return {day.strftime("%a").lower() for day in days}


def settings_of(**schedules: str | ScheduleSettings) -> Settings:
    chosen = {
        name: given if isinstance(given, ScheduleSettings) else ScheduleSettings(cron=given)
        for name, given in schedules.items()
    }
    return Settings(
        models={name: ModelSettings(base="b", base_digest="d", schedule=each) for name, each in chosen.items()}
    )


@pytest.mark.parametrize(
    "cron",
    ["", "nightly", "0 3 * *", "0 3 * * * *", "60 * * * *", "* 24 * * *", "0 3 0 * *", "0 3 * 13 *", "0 3 * * 8",
     "0 3 * * 1-9", "0 3 * * mon-xyz", "0 3 * * 1-", "*/0 * * * *", "0 3 * * */0", "@daily"],
)  # fmt: skip
def test_a_text_that_is_no_cron_expression_is_a_fault_with_its_path(cron: str) -> None:
    with pytest.raises(ConfigError) as caught:
        cron_times("newsbrief", cron)
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


EVENING = datetime(2026, 6, 1, 22, tzinfo=BERLIN)
NIGHT = datetime(2026, 6, 2, 3, tzinfo=BERLIN)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def nightly(*, known: datetime | None = None, now: datetime = EVENING) -> Schedule:
    return Schedule(settings_of(m="0 3 * * *"), now, {"m": known})


@pytest.mark.usefixtures("in_berlin")
def test_every_model_has_its_next_time() -> None:
    schedule = Schedule(settings_of(m="0 3 * * *", n="30 4 * * *"), EVENING, {})
    assert schedule.next("m") == NIGHT
    assert schedule.next("n") == NIGHT + 90 * MINUTE
    assert schedule.next("unknown") is None


def test_a_cron_expression_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^models\.n\.schedule\.cron: "):
        Schedule(settings_of(m="0 3 * * *", n="sometimes"), EVENING, {})


def test_so_it_is_where_an_interval_is_used_instead() -> None:
    with pytest.raises(ConfigError):
        Schedule(settings_of(m=ScheduleSettings(cron="sometimes", every_hours=1)), EVENING, {})


@pytest.mark.usefixtures("in_berlin")
def test_a_model_is_due_once_when_its_time_comes() -> None:
    schedule = nightly()
    assert schedule.take_due(NIGHT - timedelta(seconds=1)) == []
    assert schedule.take_due(NIGHT) == ["m"]
    assert schedule.take_due(NIGHT + timedelta(seconds=1)) == []
    assert schedule.next("m") == NIGHT + DAY


@pytest.mark.usefixtures("in_berlin")
def test_nights_that_were_slept_through_are_made_up_for_once() -> None:
    schedule = nightly()
    assert schedule.take_due(NIGHT + 5 * DAY + HOUR) == ["m"]
    assert schedule.take_due(NIGHT + 5 * DAY + HOUR + MINUTE) == []
    assert schedule.next("m") == NIGHT + 6 * DAY


@pytest.mark.usefixtures("in_berlin")
def test_a_time_that_passed_while_the_daemon_was_dead_is_due_at_once() -> None:
    schedule = nightly(known=NIGHT, now=NIGHT + 2 * DAY + HOUR)
    assert schedule.take_due(NIGHT + 2 * DAY + HOUR) == ["m"]
    assert schedule.next("m") == NIGHT + 3 * DAY


@pytest.mark.usefixtures("in_berlin")
def test_a_noted_time_in_the_future_gives_way_to_a_changed_expression() -> None:
    schedule = Schedule(settings_of(m="0 23 * * *"), EVENING, {"m": NIGHT})
    assert schedule.next("m") == EVENING + HOUR


def test_an_interval_is_counted_from_when_it_was_noted() -> None:
    every_six = ScheduleSettings(every_hours=6)
    first = Schedule(settings_of(m=every_six), EVENING, {})
    assert first.next("m") == EVENING + 6 * HOUR
    again = Schedule(settings_of(m=every_six), EVENING + 5 * HOUR, {"m": first.next("m")})
    assert again.next("m") == EVENING + 6 * HOUR
    assert again.take_due(EVENING + 40 * HOUR) == ["m"]
    assert again.next("m") == EVENING + 42 * HOUR


@pytest.mark.usefixtures("in_berlin")
def test_the_earlier_time_comes_first() -> None:
    schedule = Schedule(settings_of(a="30 3 * * *", b="0 3 * * *"), EVENING, {})
    assert schedule.take_due(NIGHT + HOUR) == ["b", "a"]


@pytest.mark.usefixtures("in_berlin")
def test_a_clock_that_is_set_back_a_little_does_not_repeat_the_night() -> None:
    schedule = nightly()
    assert schedule.take_due(NIGHT + MINUTE) == ["m"]
    assert schedule.take_due(NIGHT - HOUR) == []
    assert schedule.take_due(NIGHT + MINUTE) == []
    assert schedule.take_due(NIGHT + DAY) == ["m"]


@pytest.mark.usefixtures("in_berlin")
def test_a_clock_that_was_years_ahead_does_not_stop_the_nights() -> None:
    schedule = nightly()
    assert schedule.take_due(NIGHT + 3000 * DAY) == ["m"]
    assert schedule.take_due(EVENING) == []
    assert schedule.next("m") == NIGHT
    assert schedule.take_due(NIGHT) == ["m"]


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize("cron", ["0 3 * * *", "30 2 * * *", "30 1 * * *", "0 0 * * *"])
@pytest.mark.parametrize("eve", [datetime(2026, 3, 27, 12, tzinfo=UTC), datetime(2026, 10, 23, 12, tzinfo=UTC)])
def test_looking_every_minute_while_clocks_change_every_day_is_due_once(cron: str, eve: datetime) -> None:
    schedule = Schedule(settings_of(m=cron), eve, {})
    days = [
        (eve + minute * MINUTE).astimezone(BERLIN).date()
        for minute in range(4 * 24 * 60)
        if schedule.take_due(eve + minute * MINUTE)
    ]
    assert days == [(eve + day * DAY).astimezone(BERLIN).date() for day in range(1, 5)]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-20, 3000), min_size=1, max_size=60))
def test_however_the_clock_jumps_within_a_day_no_night_comes_twice(jumps_min: list[int]) -> None:
    schedule, now, came = nightly(), EVENING, []
    for jump in jumps_min:
        now += jump * MINUTE
        before = schedule.next("m")
        if schedule.take_due(now):
            came.append(before)
    assert len(came) == len(set(came))


@pytest.mark.usefixtures("in_berlin")
def test_every_minute_means_every_minute_while_clocks_change() -> None:
    for eve in (datetime(2026, 3, 29, 0, tzinfo=UTC), datetime(2026, 10, 25, 0, tzinfo=UTC)):
        times = due("* * * * *", eve, count=180)
        assert [at.astimezone(UTC) for at in times] == [eve + minute * MINUTE for minute in range(1, 181)]


def test_the_machines_own_zone_is_used() -> None:
    at = due("0 3 * * *", datetime(2026, 6, 1, 12, tzinfo=UTC))[0].astimezone()
    assert (at.hour, at.minute) == (3, 0)


def test_another_process_finds_the_same_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    asked = [
        Asked("m", ScheduleSettings(cron="0 3 * * *"), EVENING),
        Asked("n", ScheduleSettings(every_hours=6), EVENING - HOUR),
        Asked("never", ScheduleSettings(cron="0 3 30 2 *"), EVENING),
    ]
    assert next_times_by_child(asked, EVENING) == next_times(asked, EVENING) == [NIGHT, EVENING + 5 * HOUR, None]
    assert next_times_by_child([], EVENING) == []


def test_another_process_refuses_an_expression_that_makes_no_sense() -> None:
    with pytest.raises(ConfigError, match=r"^models\.m\.schedule\.cron: "):
        next_times_by_child([Asked("m", ScheduleSettings(cron="sometimes"), EVENING)], EVENING)


@pytest.mark.usefixtures("in_berlin")
def test_a_time_that_came_stays_due_where_the_next_cannot_be_found() -> None:
    lost = False

    def find(asked: Sequence[Asked], now: datetime) -> list[datetime | None]:
        if lost:
            raise WorkerLostError("killed")
        return next_times(asked, now)

    schedule = Schedule(settings_of(m="0 3 * * *"), EVENING, {}, find)
    lost = True
    with pytest.raises(WorkerLostError):
        schedule.take_due(NIGHT)
    lost = False
    assert schedule.take_due(NIGHT + MINUTE) == ["m"]
    assert schedule.next("m") == NIGHT + DAY


@pytest.mark.usefixtures("in_berlin")
def test_one_process_finds_the_times_of_all_models_when_the_clock_was_set_back() -> None:
    asked_for: list[list[str]] = []

    def find(asked: Sequence[Asked], now: datetime) -> list[datetime | None]:
        asked_for.append([each.model for each in asked])
        return next_times(asked, now)

    schedule = Schedule(settings_of(a="0 3 * * *", b="0 5 * * *", c="0 23 * * *"), EVENING, {}, find)
    assert schedule.take_due(NIGHT + MINUTE) == ["c", "a"]
    asked_for.clear()
    assert schedule.take_due(NIGHT - HOUR) == []
    assert [each for each in asked_for if each] == [["a", "b", "c"]]
    assert [schedule.next(name) for name in "abc"] == [NIGHT + DAY, NIGHT + 2 * HOUR, EVENING + HOUR + DAY]
