"""What is to be done every so often, without a thread that waits for it."""

import time
from collections.abc import Callable


class Timer:
    """Is due `every_s` seconds after it was due before, for the first time so long after it was made.

    `seconds` never goes back, as in `time.monotonic`: no clock that is set makes it late. Sleep of the machine may.
    """

    def __init__(self, every_s: float, seconds: Callable[[], float] = time.monotonic) -> None:
        self.every_s = every_s
        self._seconds = seconds
        self._last = seconds()

    def is_due(self) -> bool:
        """Whether it is time; if so, its time begins anew."""
        if self.left_s() > 0:
            return False
        self._last = self._seconds()
        return True

    def left_s(self) -> float:
        """Seconds until it is due, 0 if it is."""
        return max(0.0, self._last + self.every_s - self._seconds())
