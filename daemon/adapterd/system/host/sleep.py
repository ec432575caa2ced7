"""How long the machine has slept: the difference between two clocks, of which one stands still meanwhile."""

import sys
import time


def asleep_s() -> float:
    """Seconds that the machine has slept since it was started; it grows by every sleep, and by nothing else."""
    if sys.platform == "darwin":
        return time.clock_gettime(time.CLOCK_MONOTONIC) - time.clock_gettime(time.CLOCK_UPTIME_RAW)
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
