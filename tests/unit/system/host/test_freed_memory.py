"""Memory that was freed goes back to the system, whichever thread had it."""

import subprocess
import sys

import pytest

from adapterd.system.host.freed_memory import give_freed_memory_back, use_one_heap

KEPT_BY_THREADS = """
import sys, threading
from adapterd.system.host.freed_memory import give_freed_memory_back, use_one_heap

def resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6

if sys.argv[1] == "one heap":
    use_one_heap()
del (large := bytearray(30 << 20))[:]  # from now on glibc gives back the end of a heap only if it is larger than that
large = None
before = resident_mb()

def work():
    blocks = [bytes(1000) for _ in range(10_000)]
    at_once.wait()
    return len(blocks)

at_once = threading.Barrier(4)
threads = [threading.Thread(target=work) for _ in range(4)]
for each in threads:
    each.start()
for each in threads:
    each.join()
give_freed_memory_back()
print(resident_mb() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what threads keep is a matter of glibc")
def test_what_threads_have_freed_goes_back_from_one_heap() -> None:
    kept = {heaps: _kept_mb(heaps) for heaps in ("one heap", "many heaps")}
    assert kept["one heap"] < 5 < 20 < kept["many heaps"], kept


def _kept_mb(heaps: str) -> float:
    command = [sys.executable, "-P", "-c", KEPT_BY_THREADS, heaps]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("platform", ["linux", "darwin", "freebsd"])
def test_a_library_without_these_functions_is_left_as_it_is(platform: str) -> None:
    use_one_heap(platform)
    give_freed_memory_back(platform)
