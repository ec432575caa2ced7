"""Memory that was freed goes back to the system: a C library keeps it for the next time, which may be tomorrow."""

import ctypes
import sys
from contextlib import suppress

_M_ARENA_MAX = -8
"""Of mallopt(3), as glibc's malloc.h has it."""


def use_one_heap(platform: str = sys.platform) -> None:
    """Have all threads of this process share one heap; belongs before the first of them. Never raises.

    glibc gives nearly every thread a heap of its own, and malloc_trim(3) leaves the free end of each but the first as
    it is. A daemon's threads seldom allocate at the same time. Other C libraries have no such heaps.
    """
    if platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def give_freed_memory_back(platform: str = sys.platform) -> None:
    """Have the C library give back the pages that nothing uses: malloc_trim(3) of glibc, malloc_zone_pressure_relief of
    macOS; nothing where there is neither, as in musl. Never raises; takes some milliseconds."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        if platform == "darwin":
            relief = library.malloc_zone_pressure_relief
            relief.argtypes, relief.restype = (ctypes.c_void_p, ctypes.c_size_t), ctypes.c_size_t
            relief(None, 0)  # of all zones, as much as there is
        else:
            library.malloc_trim(ctypes.c_size_t(0))
