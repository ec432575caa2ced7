"""What processes take while they run, those that others start included: memory, seconds and bytes written (Linux)."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from adapterd.system.machine import available_memory_bytes

LOOK_EVERY_S = 0.1
_UNITS = {"kB": 1024}


@dataclass
class Taken:
    """One process, in bytes: its own memory (`own`, what no file backs), pages of mapped files, both together at their
    common peak (as the kernel keeps it), what it wrote; the first two are the most that was seen at any look. `free`
    is what of the machine's memory could be had when it began."""

    command: tuple[str, ...]
    free: int
    began: float
    ended: float
    own: int = 0
    mapped: int = 0
    resident: int = 0
    written: int = 0

    @property
    def seconds(self) -> float:
        """From the first look at it to the last."""
        return self.ended - self.began

    def look(self, process: Path) -> None:
        """Read what the kernel says of it now."""
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        if "RssAnon" not in status:
            return  # it has ended
        self.own = max(self.own, _bytes(status["RssAnon"]))
        self.mapped = max(self.mapped, _bytes(status["RssFile"]) + _bytes(status["RssShmem"]))
        self.resident = max(self.resident, _bytes(status["VmHWM"]))
        counts = dict(line.split(": ") for line in (process / "io").read_text().splitlines())
        self.written = max(self.written, int(counts["write_bytes"]))
        self.ended = time.monotonic()


def _bytes(text: str) -> int:
    number, unit = text.split()
    return int(number) * _UNITS[unit]


class ProcessWatch:
    """All processes below this one, by process id, while `watching` is entered."""

    def __init__(self) -> None:
        self.taken: dict[int, Taken] = {}
        self._over = threading.Event()

    @contextmanager
    def watching(self) -> Iterator["ProcessWatch"]:
        """Look again and again, in a thread of its own."""
        thread = threading.Thread(target=self._look_on, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join()

    def of(self, *words: str) -> list[Taken]:
        """The processes in whose commands all of these words stand."""
        return [each for each in self.taken.values() if all(word in each.command for word in words)]

    def _look_on(self) -> None:
        own = psutil.Process()
        while not self._over.wait(LOOK_EVERY_S):
            for process in own.children(recursive=True):
                try:
                    self._look(process)
                except (psutil.Error, OSError, KeyError, ValueError):
                    continue  # it ended meanwhile

    def _look(self, process: psutil.Process) -> None:
        taken = self.taken.get(process.pid)
        command = tuple(Path(word).name for word in process.cmdline())
        if taken is None or (command and taken.command != command):  # another program in the same process
            free = available_memory_bytes()
            taken = self.taken[process.pid] = Taken(command, free, time.monotonic(), time.monotonic())
        taken.look(Path("/proc") / str(process.pid))
