"""The time of a training whose run should be over by a time of day."""

import time as clocks
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.config import ModelSettings, ScheduleSettings, Settings, TrainingSettings
from adapterd.home import Home
from adapterd.runs.plan import GivenAdapter, RunPlan, open_plan, write_plan
from adapterd.runs.planning.window import LEAST_HOURS, told, until, with_window
from adapterd.runs.version_numbers import Increment
from adapterd.store import Store
from adapterd.store.runs import RunState
from tests.support.hand_clock import HandClock

MODEL = "m"
NIGHT = datetime(2026, 12, 2, 3, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    clocks.tzset()
    yield
    monkeypatch.undo()
    clocks.tzset()


@pytest.fixture
def clock() -> HandClock:
    found = HandClock()
    found.now = NIGHT
    return found


@pytest.fixture
def store(home: Home, clock: HandClock) -> Iterator[Store]:
    with Store(home.database, clock=clock) as opened:
        yield opened


def plan(done_by: time | None, max_hours: float = 3.0) -> RunPlan:
    training, schedule = TrainingSettings(max_hours=max_hours), ScheduleSettings(done_by=done_by)
    settings = ModelSettings(base="tiny:1", base_digest="sha256:00", training=training, schedule=schedule)
    base = BaseModel("m:base", Path("/blobs/sha256-00"), "sha256:00", Modelfile())
    return RunPlan("r", MODEL, "1.0.0", base, settings, Settings(), "base")


def earlier_run(store: Store, clock: HandClock, **minutes: float) -> None:
    """One that is over, whose stages took so long."""
    store.runs.start("before", MODEL, reason="test", fingerprint="f", last_feedback_id=0)
    for name, took in minutes.items():
        store.runs.start_stage("before", name, "k")
        clock.move_on(took * 60)
        store.runs.finish_stage("before", name, result={})
    store.runs.set_state("before", RunState.HELD)
    clock.now = NIGHT


def test_without_a_time_of_day_the_settings_hold(store: Store) -> None:
    planned = with_window(store, plan(None))
    assert (planned.training_hours, planned.made_with, told(planned)) == (None, planned.settings, "")


def test_what_comes_after_the_training_has_its_time(store: Store, clock: HandClock) -> None:
    earlier_run(store, clock, dataset=7, training=500, merging=20, serving=1, evaluation=39)
    planned = with_window(store, plan(time(5)))
    assert planned.training_hours == 1.0
    assert planned.made_with.training.max_hours == 1.0
    assert planned.settings.training.max_hours == 3.0
    assert told(planned) == ("m: the training may take 1 hours, so that the run is over by 05:00 (schedule.done_by)")


def test_where_nothing_is_known_half_of_the_time_is_left(store: Store) -> None:
    assert with_window(store, plan(time(5))).training_hours == 1.0


def test_a_night_that_is_long_enough_changes_nothing(store: Store) -> None:
    planned = with_window(store, plan(time(12)))
    assert (planned.training_hours, told(planned)) == (None, "")


def test_a_time_that_is_over_is_that_of_tomorrow(store: Store) -> None:
    assert with_window(store, plan(time(2))).training_hours is None


def test_a_night_that_is_too_short_still_trains_a_little(store: Store, clock: HandClock) -> None:
    earlier_run(store, clock, merging=200, evaluation=60)
    assert with_window(store, plan(time(3, 5))).training_hours == LEAST_HOURS


def test_a_given_adapter_has_no_training(store: Store) -> None:
    given = replace(plan(time(3, 5)), given=GivenAdapter(Path("/a"), "sha256:2", Increment.PATCH))
    assert with_window(store, given).training_hours is None


def test_the_plan_keeps_its_time(store: Store, home: Home) -> None:
    planned = with_window(store, plan(time(5)))
    write_plan(home.run("r"), planned, store)
    run = store.runs.start("r", MODEL, reason="test", fingerprint="f", last_feedback_id=0)
    assert open_plan(home, run) == planned


@given(st.integers(0, 366 * 24 * 3600).map(lambda s: NIGHT + timedelta(seconds=s)), st.times())
def test_the_time_until_then_is_never_none_nor_more_than_a_day(now: datetime, at: time) -> None:
    at = at.replace(second=0, microsecond=0)
    found = until(now, at)
    assert timedelta(0) < found <= timedelta(days=1)
    assert (now + found).time() == at


@pytest.mark.parametrize(("day", "hours"), [(28, 3), (29, 2), (30, 3)])
def test_a_change_of_the_clocks_takes_its_hour(monkeypatch: pytest.MonkeyPatch, day: int, hours: int) -> None:
    monkeypatch.setenv("TZ", "Europe/Vienna")
    clocks.tzset()
    midnight_and_one = datetime(2026, 3, day, 1, 0).astimezone()
    assert until(midnight_and_one, time(4)) == timedelta(hours=hours)
