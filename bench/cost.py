"""What a command costs: `python -m bench.cost COMMAND…` runs it and prints seconds, memory and bytes written as JSON.

A process of its own, for on Linux a child's peak memory is at least that of the process that started it.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
_RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024
_BLOCK_BYTES = 512


@dataclass(frozen=True)
class Cost:
    """Wall-clock seconds, peak resident memory, and what went to the disk, in units of 10⁶ bytes.

    `written_mb` is what the kernel charged to the process as written (Linux), page by page: a page written twice before
    it went to the disk counts once, and on a copy-on-write file system a clone counts nothing at all.
    """

    seconds: float
    rss_mb: float
    written_mb: float


def cost_of(command: Sequence[object], environment: Mapping[str, str]) -> Cost:
    """Run a command to its end; raises RuntimeError with the end of its messages if it fails."""
    whole = [sys.executable, "-m", "bench.cost", *map(str, command)]
    done = subprocess.run(whole, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(whole[3:6])} … failed:\n{done.stderr[-2000:]}")
    return Cost(**json.loads(done.stdout))


def main() -> None:
    """Run the command given as arguments, its output on standard error, and print its cost."""
    started = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(1)
    cost = {
        "seconds": round(seconds, 2),
        "rss_mb": round(usage.ru_maxrss * _RSS_UNIT_BYTES / 1e6, 1),
        "written_mb": round(usage.ru_oublock * _BLOCK_BYTES / 1e6, 1),
    }
    print(json.dumps(cost))


if __name__ == "__main__":
    main()
