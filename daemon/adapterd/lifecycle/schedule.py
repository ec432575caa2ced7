"""When each model is due, by its cron expression; the only owner of APScheduler."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from adapterd.config import Settings
from adapterd.errors import ConfigError

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

MISSED_BY_S = 12 * 3600
"""A time that passed while the machine slept is made up for on waking, once, if it is not older than this."""


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
    """The trigger of a cron expression (minute hour day month weekday) in local time; raises ConfigError."""
    from apscheduler.triggers.cron import CronTrigger

    try:
        return CronTrigger.from_crontab(cron)
    except ValueError as exc:
        raise ConfigError(f"models.{name}.schedule.cron: {cron!r} is not a cron expression: {exc}") from exc
