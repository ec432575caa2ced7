"""Whether there is enough new feedback to start a scheduled run."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from adapterd.config import ScheduleSettings
from adapterd.store import Store


@dataclass(frozen=True)
class NewRecords:
    """How many usable records are new since the last training, and since when the oldest of them waits."""

    new: int
    oldest: datetime | None

    @classmethod
    def of(cls, store: Store, model: str) -> "NewRecords":
        learned = store.runs.last_learned_id(model)
        return cls(store.feedback.count(model, after_id=learned), store.feedback.oldest(model, after_id=learned))

    def due_text(self, schedule: ScheduleSettings, now: datetime) -> str | None:
        """The sentence why a training is due, None if it is not."""
        if self.new >= schedule.min_new_records:
            return f"scheduled, {self.new} new records"
        if self.new and self.oldest and schedule.max_age_days is not None:
            age = now - self.oldest
            if age >= timedelta(days=schedule.max_age_days):
                return f"scheduled, {self.new} new records, the oldest {age / timedelta(days=1):.1f} days old"
        return None

    def missing(self, schedule: ScheduleSettings) -> str:
        """What there is too little of."""
        return f"{self.new} of {schedule.min_new_records} new records"
