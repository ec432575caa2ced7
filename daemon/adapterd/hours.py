"""Hours of a day, as people write them: a moment, `06:30`, and a span, `22:00-06:30`."""

import re
from dataclasses import dataclass
from datetime import time

_MOMENT = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_SPAN = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)")


def parse_time(text: str) -> time:
    """Read `HH:MM`; raises ValueError for anything else."""
    found = _MOMENT.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is not a time of day such as 06:30")
    hour, minute = map(int, found.groups())
    return time(hour, minute)


@dataclass(frozen=True)
class Hours:
    """From `start` up to but not including `end`, over midnight where the end is the earlier; never empty."""

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> "Hours":
        """Read `HH:MM-HH:MM`; raises ValueError for anything else and for a span of no length."""
        found = _SPAN.fullmatch(text.strip())
        if not found:
            raise ValueError(f"{text!r} is not a span of hours such as 08:00-18:00")
        hour, minute, end_hour, end_minute = map(int, found.groups())
        if (hour, minute) == (end_hour, end_minute):
            raise ValueError(f"{text!r} has no length; to let nothing begin at all, use `adapterctl pause`")
        return cls(time(hour, minute), time(end_hour, end_minute))

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    def __contains__(self, at: time) -> bool:
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end
