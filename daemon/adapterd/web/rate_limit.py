"""Rate limiting by a token bucket."""

import math
import time
from collections.abc import Callable


class TokenBucket:
    """A bucket of `per_minute` tokens, full at first; every 60 / `per_minute` seconds one is added until it is full.

    `clock` gives seconds and only goes forward.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = per_minute
        self._per_second = per_minute / 60
        self._clock = clock
        self._tokens = float(per_minute)
        self._seen = clock()

    def take(self) -> int:
        """Take a token and return 0; if there is none, return how many whole seconds to wait for one."""
        now = self._clock()
        self._tokens = min(self._capacity, self._tokens + (now - self._seen) * self._per_second)
        self._seen = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0
        return math.ceil((1 - self._tokens) / self._per_second)
