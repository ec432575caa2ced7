"""Feedback, retrains and rollbacks in a loop with one daemon: does it grow?"""

import argparse
import statistics
import time
from dataclasses import dataclass
from typing import Any

import psutil

from tests.torture.report import say
from tests.torture.siege import Siege, siege

WARM_UP_SHARE = 0.2
SAMPLES = 3
"""At either end, of which the median counts."""
QUIET_S = 2.0
CYCLES_BETWEEN = 2


@dataclass(frozen=True)
class Sample:
    """What the daemon holds while no run goes on."""

    rss_mb: float
    fds: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """How long."""
    parser.add_argument("--minutes", type=float, default=30, help="how long it goes on (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Memory and open files at the end, beside those after the first fifth of the time."""
    with siege(options) as held:
        began, first_cycles = time.monotonic(), held.journal.cycles()
        samples: list[tuple[float, Sample]] = []
        while (share := (time.monotonic() - began) / 60 / options.minutes) < 1 or len(samples) < 2 * SAMPLES:
            _some_cycles(held)
            samples.append((share, _sample(held)))
            say(f"  {share:.0%}: {samples[-1][1]}")
        minutes, cycles = (time.monotonic() - began) / 60, held.journal.cycles() - first_cycles
        survived = held.end()
        if held.world.keeper.starts != 2:  # the second one is that of the end
            raise RuntimeError(f"the daemon ended {held.world.keeper.starts - 2} times by itself")
    return {"minutes": round(minutes, 1), "cycles": cycles, **_growth(samples), **_faults(survived)}


def _some_cycles(held: Siege) -> None:
    """Let runs go on, then take back what they made live."""
    before = held.journal.cycles()
    held.want_runs(True)
    held.wait("some runs are over", lambda: held.journal.cycles() >= before + CYCLES_BETWEEN)
    held.want_runs(False)
    held.wait("nothing is wanted", lambda: not held.journal.is_wanted())
    held.world.person.run("rollback")


def _sample(held: Siege) -> Sample:
    time.sleep(QUIET_S)
    daemon = psutil.Process(held.world.keeper.pid)
    return Sample(round(daemon.memory_info().rss / 1e6, 1), daemon.num_fds())


def _growth(samples: list[tuple[float, Sample]]) -> dict[str, float]:
    warm = [sample for share, sample in samples if share >= WARM_UP_SHARE]
    warm = warm if len(warm) >= 2 * SAMPLES else [sample for _, sample in samples]
    first, last = warm[:SAMPLES], warm[-SAMPLES:]
    rss_mb = [statistics.median(sample.rss_mb for sample in part) for part in (first, last)]
    fds = [statistics.median(sample.fds for sample in part) for part in (first, last)]
    return {"rss_growth_mb": round(rss_mb[1] - rss_mb[0], 1), "fds_growth": fds[1] - fds[0], "rss_mb": rss_mb[1]}


def _faults(survived: dict[str, Any]) -> dict[str, Any]:
    return {name: survived[name] for name in ("rows_lost", "stuck", "half_promoted", "live_failed", "tracebacks")}
