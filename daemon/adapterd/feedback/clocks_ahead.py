"""Records of one file or post that say a time which is still to come: they take the time of their place in it.

That is the nearest valid time before them, or any behind them if that is earlier, so that they are later than nothing
that stands behind them, and no newer than their neighbours. Where there is none they are as old as their arrival.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from adapterd.feedback.formats import Reading
from adapterd.record import FeedbackRecord


class ReadRecord(NamedTuple):
    """A record, and the line it was read from. `is_dated` tells that it says a valid time, `is_ahead` that it says one
    that is still to come."""

    record: FeedbackRecord
    line: int
    is_dated: bool
    is_ahead: bool

    @classmethod
    def all_of(cls, reading: Reading, line: int, received_at: datetime) -> "list[ReadRecord]":
        """The records of one value that arrived then."""
        found = []
        for record in reading.records:
            is_dated = record.created_at != received_at
            found.append(cls(record, line, is_dated, reading.is_clamped and not is_dated))
        return found


class TimesOfPlaces:
    """The times of the records of one file or post, which are given in their order, all at once or in parts."""

    def __init__(self) -> None:
        self._before: datetime | None = None

    def placed(self, records: Sequence[ReadRecord]) -> list[ReadRecord]:
        """The same records, those whose time is still to come with the time of their place."""
        behind = self._earliest_behind(records) if any(each.is_ahead for each in records) else []
        placed = list(records)
        for place, each in enumerate(records):
            if each.is_dated:
                self._before = each.record.created_at
            elif each.is_ahead and (near := [time for time in (self._before, behind[place]) if time]):
                placed[place] = each._replace(record=replace(each.record, created_at=min(near)))
        return placed

    @staticmethod
    def _earliest_behind(records: Sequence[ReadRecord]) -> list[datetime | None]:
        """For each record the earliest valid time behind it."""
        behind = list[datetime | None]()
        found: datetime | None = None
        for each in reversed(records):
            behind.append(found)
            if each.is_dated:
                found = min(found, each.record.created_at) if found else each.record.created_at
        return behind[::-1]
