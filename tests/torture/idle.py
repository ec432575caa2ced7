"""What a daemon costs that has nothing to do: memory, processor time and wake-ups of a real `adapterd` process.

`within` says whether it is as light as it has to be; with feedback over HTTP that holds for all but the memory.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.acceptance.person import Person
from tests.torture.alone import alone
from tests.torture.ready import ready, take_posts

MOST = {"rss_mb": 45.0, "cpu_percent": 0.02, "wakeups_per_s": 0.1}


def add_options(parser: argparse.ArgumentParser) -> None:
    """How long to watch."""
    parser.add_argument("--idle-seconds", type=float, default=300, help="how long an idle daemon is watched")
    parser.add_argument("--idle-settle", type=float, default=20, help="seconds from its start until that begins")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """With one model in a real Ollama, first as it is by default, then with feedback over HTTP (`http`)."""
    with ready((), options.keep) as place:
        plain = watched(place.person, options.idle_seconds, options.idle_settle)
        take_posts(place.person)
        http = watched(place.person, options.idle_seconds, options.idle_settle)
    light = within(plain, MOST) and within(http, {name: most for name, most in MOST.items() if name != "rss_mb"})
    return {**plain, "http": http, "seconds": options.idle_seconds, "most": MOST, "within": light}


def within(figures: Mapping[str, float], most: Mapping[str, float]) -> bool:
    """Whether no figure is larger than it may be."""
    return all(figures[name] <= bound for name, bound in most.items())


def watched(person: Person, seconds: float, settle_s: float) -> dict[str, float]:
    """The figures of a daemon over so many seconds, `settle_s` after it began to watch."""
    with person.daemon() as daemon:
        time.sleep(settle_s)
        before = Spent.by(daemon.process.pid)
        time.sleep(seconds)
        after = Spent.by(daemon.process.pid)
        rss = psutil.Process(daemon.process.pid).memory_info().rss
    took_s = after.at_s - before.at_s
    return {
        "rss_mb": round(rss / 1e6, 1),
        "cpu_percent": round((after.cpu_s - before.cpu_s) / took_s * 100, 3),
        "wakeups_per_s": round((after.wakeups - before.wakeups) / took_s, 2),
    }


@dataclass(frozen=True)
class Spent:
    """What a process has spent since its start: processor time of all threads, and how often one of them woke up."""

    at_s: float
    cpu_s: float
    wakeups: int

    @classmethod
    def by(cls, pid: int) -> "Spent":
        process = psutil.Process(pid)
        times = process.cpu_times()
        return cls(time.monotonic(), times.user + times.system, _wakeups(process))


def _wakeups(process: psutil.Process) -> int:
    """A thread wakes up as often as it went to sleep. Of Linux' threads psutil sees the first one only."""
    threads = Path(f"/proc/{process.pid}/task")
    if not threads.is_dir():
        return process.num_ctx_switches().voluntary
    lines = [line for status in threads.glob("*/status") for line in status.read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


if __name__ == "__main__":
    alone(add_options, run)
