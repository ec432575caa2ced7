"""A clock for tests of what is stored when."""

from datetime import UTC, datetime, timedelta


class HandClock:
    """Stands still until it is moved on."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move_on(self, seconds: float = 60) -> datetime:
        """Some time passes; returns what the time is then."""
        self.now += timedelta(seconds=seconds)
        return self.now


class HandSeconds:
    """Seconds as `time.monotonic` counts them, which pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def move_on(self, seconds: float) -> float:
        """Some time passes; returns the seconds then."""
        self.now += seconds
        return self.now
