"""When each model is due: cron expressions and intervals; the only owner of APScheduler.

Of APScheduler only the triggers are used, as functions from one moment to the next: the daemon looks anyway, and what
is a function of the clock can be tested with any clock. Times that passed while the machine slept or the daemon was
dead are made up for once, for the next time of each model is kept in the store.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Protocol

from adapterd.config import ScheduleSettings, Settings
from adapterd.errors import ConfigError
from adapterd.system.child.call import Stopped, call, never

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

MOMENT, HOUR = timedelta(microseconds=1), timedelta(hours=1)
TRUSTED = timedelta(days=1)
"""A time that came is not repeated when the clock is set back by less; after more, the clock was wrong before."""
CHILD_S = 30.0
"""A process that finds times takes less than one second; one that takes so long is stuck."""
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAY = f"[0-7]|{'|'.join(_DAYS)}"
_WEEKDAYS = re.compile(rf"(?:\*|(?P<first>{_DAY})(?:-(?P<last>{_DAY}))?)(?:/(?P<step>[1-9]))?", re.IGNORECASE)


@dataclass(frozen=True)
class Asked:
    """Whose times are asked for: intervals are counted from `anchor`; `after` is there where the time is to come after
    another moment than this one."""

    model: str
    schedule: ScheduleSettings
    anchor: datetime
    after: datetime | None = None


Find = Callable[[Sequence[Asked], datetime], list[datetime | None]]


def next_times(asked: Sequence[Asked], now: datetime) -> list[datetime | None]:
    """The first time of each after `now`; raises ConfigError for a cron expression that makes no sense."""
    return [times_of(each.model, each.schedule, each.anchor).after(each.after or now) for each in asked]


def next_times_by_child(
    asked: Sequence[Asked], now: datetime, *, stopped: Stopped = never, timeout_s: float = CHILD_S
) -> list[datetime | None]:
    """The same by a process of its own, for who asks rarely: APScheduler's triggers import asyncio, and both would stay
    in memory (2 MB). Raises WorkerLostError, too, and CancelledError when `stopped` says so."""
    return call(next_times, asked, now, timeout_s=timeout_s, stopped=stopped) if asked else []


class Schedule:
    """The next time of every model, in UTC. All moments are aware; `known` are next times that were noted earlier.

    Raises as `find` does, which is asked at the start, when a time came, and when the clock was set back.
    """

    def __init__(
        self, settings: Settings, now: datetime, known: Mapping[str, datetime | None], find: Find = next_times
    ) -> None:
        self._asked = {
            name: Asked(name, model.schedule, known.get(name) or now) for name, model in settings.models.items()
        }
        self._find = find
        self._came: dict[str, datetime] = {}
        self._last_asked = now
        self._next = dict(zip(self._asked, find(list(self._asked.values()), now), strict=True))
        missed = {name: at for name, at in known.items() if at and at <= now and name in self._asked}
        self._next |= missed  # a noted time that has passed is due at once

    def next(self, model: str) -> datetime | None:
        """When the model is due next; None for one that is not configured, or never."""
        return self._next.get(model)

    def take_due(self, now: datetime) -> list[str]:
        """The models whose time came since this was asked last, earliest first; each once, however often it came."""
        if now < self._last_asked:
            self._clock_was_set_back(now)
        came = [(at, name) for name, at in self._next.items() if at is not None and at <= now]
        due = [name for _, name in sorted(came)]
        found = self._find([self._asked[name] for name in due], now)
        self._last_asked = now
        self._came |= dict.fromkeys(due, now)
        self._next |= dict(zip(due, found, strict=True))
        return due

    def _clock_was_set_back(self, now: datetime) -> None:
        trusted = {name: at for name, at in self._came.items() if now < at < now + TRUSTED}
        asked = [replace(each, after=trusted.get(name)) for name, each in self._asked.items()]
        self._next |= dict(zip(self._asked, self._find(asked, now), strict=True))


def times_of(name: str, schedule: ScheduleSettings, anchor: datetime) -> "Times":
    """The times of a model's schedule; intervals are counted from `anchor`. Raises ConfigError as below."""
    cron = cron_times(name, schedule.cron)
    return cron if schedule.every_hours is None else IntervalTimes(timedelta(hours=schedule.every_hours), anchor)


class Times(Protocol):
    """Moments in a row."""

    def after(self, now: datetime) -> datetime | None:
        """The first after `now`, None if there is none any more."""


@dataclass(frozen=True)
class IntervalTimes:
    """Every so often, counted from `anchor`."""

    interval: timedelta
    anchor: datetime

    def after(self, now: datetime) -> datetime | None:
        from apscheduler.triggers.interval import IntervalTrigger

        seconds = self.interval.total_seconds()
        trigger = IntervalTrigger(seconds=seconds, start_date=self.anchor, timezone=self.anchor.tzinfo)
        at: datetime | None = trigger.get_next_fire_time(None, now + MOMENT)
        return at.astimezone(UTC) if at else None


@dataclass(frozen=True)
class CronTimes:
    """The times of a cron expression on the clocks of `zone`.

    APScheduler 3.11 computes with the zone's own offsets and loses the midnight after clocks went forward; so it is
    given wall-clock times as if they were UTC, and what it finds is put into the zone here. A time that clocks skip
    comes as much later; one that comes twice is due the first time, but for expressions that hold for any hour.
    """

    trigger: "CronTrigger"
    zone: tzinfo
    any_hour: bool

    def after(self, now: datetime) -> datetime | None:
        now = now.astimezone(UTC)  # moments of one zone are compared by their clocks, which go back in autumn
        wall = now.astimezone(self.zone).replace(tzinfo=UTC, fold=0)
        found = [self._first(wall, now, fold=0)]
        if self.any_hour:
            found.append(self._first(wall - HOUR, now, fold=1))
        return min((at for at in found if at is not None), default=None)

    def _first(self, wall: datetime, now: datetime, *, fold: int) -> datetime | None:
        """The first time from `wall` on that is after `now`, read on the second round of an hour that comes twice."""
        at = self.trigger.get_next_fire_time(None, wall + MOMENT)
        while at is not None:
            first, second = (at.replace(tzinfo=self.zone, fold=each) for each in (0, 1))
            comes_twice = second.astimezone(UTC) > first.astimezone(UTC)
            moment: datetime = (second if fold and comes_twice else first).astimezone(UTC)
            if moment > now:
                return moment
            at = self.trigger.get_next_fire_time(None, at + MOMENT)
        return None


def local_zone() -> tzinfo:
    """The zone of this machine as it is now, a traveller's laptop included."""
    from tzlocal import reload_localzone

    zone: tzinfo = reload_localzone()
    return zone


def cron_times(name: str, cron: str) -> CronTimes:
    """The times of a cron expression (minute hour day month weekday) in local time; raises ConfigError.

    Weekdays count from Sunday (0 or 7), as in cron. Unlike there, a day has to match both day and weekday.
    """
    from apscheduler.triggers.cron import CronTrigger

    try:
        trigger = CronTrigger.from_crontab(_with_named_weekdays(cron), timezone=UTC)
    except ValueError as exc:
        raise ConfigError(f"models.{name}.schedule.cron: {cron!r} is not a cron expression: {exc}") from exc
    return CronTimes(trigger, local_zone(), any_hour=cron.split()[1].startswith("*"))


def _with_named_weekdays(cron: str) -> str:
    """The expression with its weekdays by name: to APScheduler 3, 0 is Monday (its issue 286)."""
    *others, weekdays = cron.split() or [""]
    return " ".join([*others, ",".join(_named(part) for part in weekdays.split(","))])


def _named(weekdays: str) -> str:
    """`1-5`, `5-7`, `fri-mon` or `*/2` as a list of names; what is no weekday stays as it is, and is refused then."""
    found = _WEEKDAYS.fullmatch(weekdays)
    if weekdays == "*" or not found:
        return weekdays
    is_one_day = found["first"] and not found["step"]
    first, step = _number(found["first"] or "sun"), int(found["step"] or 1)
    last = _number(found["last"] or (found["first"] if is_one_day else "sat"))
    days = range(first, last + (7 if last < first else 0) + 1, step)
    return ",".join(dict.fromkeys(_DAYS[day % 7] for day in days))


def _number(weekday: str) -> int:
    return int(weekday) if weekday.isdecimal() else _DAYS.index(weekday.lower())
