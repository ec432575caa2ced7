"""How often something may be done: a bucket that fills steadily, from which every request takes one token."""

import math
import time
from collections.abc import Callable


class Bucket:
    """Holds a minute's worth, which may be taken at once; then there is one more every 60 / `per_minute` seconds.

    `clock` gives seconds and only goes forward.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = per_minute
        self._per_second = per_minute / 60
        self._clock = clock
        self._held = float(per_minute)
        self._seen = clock()

    def take(self) -> int:
        """Take one if there is one and return 0; else how many whole seconds to wait for it."""
        now = self._clock()
        self._held = min(self._capacity, self._held + (now - self._seen) * self._per_second)
        self._seen = now
        if self._held >= 1:
            self._held -= 1
            return 0
        return math.ceil((1 - self._held) / self._per_second)
