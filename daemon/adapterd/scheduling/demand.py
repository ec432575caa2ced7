"""Whether there is enough new feedback to start a scheduled run, and whether a set may be frozen to judge it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapterd.config import DatasetSettings, ScheduleSettings
from adapterd.store import Store


@dataclass(frozen=True)
class NewRecords:
    """How many usable records are new since the last training, and since when the oldest of them waits."""

    new: int
    oldest: datetime | None

    @classmethod
    def of(
        cls, store: Store, model: str, held: Iterable[int] = (), released: Collection[datetime] = ()
    ) -> "NewRecords":
        """Those of the model; `held` are the ids of records that are not usable for what was found in them, and older
        ones that were `released` since count from when they came."""
        learned, now = store.runs.last_learned_id(model), store.clock()
        new = store.feedback.count(model, after_id=learned) - sum(each > learned for each in held)
        came = [at for at in released if at <= now]
        if new and (first := store.feedback.oldest(model, after_id=learned)):
            came.append(first)
        return cls(new + len(released), min(came, default=None))

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


def waits_to_freeze(store: Store, model: str, settings: DatasetSettings, now: datetime) -> str | None:
    """Why no run can be judged yet: the first evaluation set waits for feedback of so many days. None if one may be
    frozen, or is, or if there is no feedback. The age is that of the first arrival, which no clock of a sender changes;
    where all came while the clock was ahead of now, none is known, and the next to come counts."""
    if not settings.freeze_after_days or store.evaluation_sets.newest(model) or not store.feedback.count(model):
        return None
    first = store.feedback.oldest(model)
    if first is None:
        return (
            f"all feedback came while the clock was ahead of now: the first evaluation set is frozen "
            f"{settings.freeze_after_days:g} days after the next comes (dataset.freeze_after_days), and without one "
            f"nothing can be judged"
        )
    at = first + timedelta(days=settings.freeze_after_days)
    if now >= at:
        return None
    return (
        f"the first evaluation set is frozen from {at.astimezone():%Y-%m-%d %H:%M} on "
        f"(dataset.freeze_after_days = {settings.freeze_after_days:g}), and without one nothing can be judged"
    )
