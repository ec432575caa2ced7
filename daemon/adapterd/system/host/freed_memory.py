"""Memory that was freed goes back to the system: a C library keeps it for the next time, which may be tomorrow."""

import ctypes
import sys
from contextlib import suppress


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
