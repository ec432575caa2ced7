"""When each model is due, by its cron expression; the only owner of APScheduler."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from adapterd.config import Settings
from adapterd.errors import ConfigError

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

MISSED_BY_S = 12 * 3600
"""A time that passed while the machine slept is made up for on waking, once, if it is not older than this."""
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAY = f"[0-7]|{'|'.join(_DAYS)}"
_WEEKDAYS = re.compile(rf"(?:\*|(?P<first>{_DAY})(?:-(?P<last>{_DAY}))?)(?:/(?P<step>[1-9]))?", re.IGNORECASE)


class Schedule:
    """Calls `on_due(model)` at the model's cron times, in a thread of its own."""

    def __init__(self, on_due: Callable[[str], None]) -> None:
        from apscheduler.schedulers.background import BackgroundScheduler

        self._on_due = on_due
        self._scheduler = BackgroundScheduler(
            job_defaults={"coalesce": True, "misfire_grace_time": MISSED_BY_S, "max_instances": 1}
        )

    def start(self, settings: Settings) -> None:
        """Begin; raises ConfigError for a cron expression that makes no sense."""
        for name, model in settings.models.items():
            self._scheduler.add_job(self._on_due, cron_trigger(name, model.schedule.cron), args=[name], id=name)
        self._scheduler.start()

    def stop(self) -> None:
        """End at once."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def next(self, model: str) -> datetime | None:
        """When the model is due next."""
        job = self._scheduler.get_job(model)
        return job.next_run_time if job else None


def cron_trigger(name: str, cron: str) -> "CronTrigger":
    """The trigger of a cron expression (minute hour day month weekday) in local time; raises ConfigError.

    Weekdays count from Sunday (0 or 7), as in cron. Unlike there, a day has to match both day and weekday.
    """
    from apscheduler.triggers.cron import CronTrigger

    try:
        return CronTrigger.from_crontab(_with_named_weekdays(cron))
    except ValueError as exc:
        raise ConfigError(f"models.{name}.schedule.cron: {cron!r} is not a cron expression: {exc}") from exc


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
