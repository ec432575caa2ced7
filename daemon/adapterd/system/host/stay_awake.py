"""A run that is going on keeps the machine from falling asleep while it is on AC, and never its display on.

It is done by a program of the system as a child, not by IOKit or D-Bus in this process: no foreign functions in a
daemon that runs for months, and the system shows who keeps it awake (`pmset -g assertions`, `systemd-inhibit --list`).
The child ends with this process, however that ends: caffeinate watches its process id, the inhibitor reads a pipe from
it.
"""

import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from adapterd.system.machine import Power, power

LOOK_EVERY_S = 30.0
"""How often it is looked whether the machine still is on AC."""
END_S = 5.0
WHY = "a run is going on"

log = logging.getLogger("adapterd")
_said: set[str] = set()


@contextmanager
def staying_awake(
    *,
    platform: str = sys.platform,
    find_power: Callable[[], Power] = power,
    look_every_s: float = LOOK_EVERY_S,
) -> Iterator[None]:
    """Keep the machine awake within the block, on battery not. Where that is impossible the log says so once."""
    hold, ended = _Hold(command(platform)), threading.Event()

    def look() -> None:
        while True:
            hold.update(wanted=find_power().on_ac is not False)
            if ended.wait(look_every_s):
                hold.update(wanted=False)
                return

    thread = threading.Thread(target=look, name="stay-awake", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def command(platform: str, pid: int | None = None) -> list[str]:
    """What keeps the machine awake as long as it runs; empty where this platform has no such program.

    caffeinate: -i no idle sleep, -s no system sleep while on AC, -w until that process has ended; without -d, which
    would keep the display on.
    """
    if platform == "darwin":
        return ["caffeinate", "-is", "-w", str(os.getpid() if pid is None else pid)]
    if platform == "linux":
        return ["systemd-inhibit", "--what=sleep:idle", "--mode=block", "--who=adapterd", f"--why={WHY}", "cat"]
    return []


class _Hold:
    """The child, while there is one."""

    def __init__(self, argv: list[str]) -> None:
        self._argv = argv
        self._child: subprocess.Popen[bytes] | None = None
        self._is_refused = False

    def update(self, *, wanted: bool) -> None:
        """Have the child run, or not."""
        if self._child is not None and self._child.poll() is not None:
            self._refused(self._last_words(self._child))
        if wanted and self._child is None and not self._is_refused:
            self._begin()
        elif not wanted and self._child is not None:
            self._end(self._child)

    def _begin(self) -> None:
        program = shutil.which(self._argv[0]) if self._argv else None
        if program is None:
            self._refused(f"there is no {self._argv[0]}" if self._argv else "this system has no program for it")
            return
        try:
            self._child = subprocess.Popen(
                [program, *self._argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
        except OSError as exc:
            self._refused(f"{program} cannot be run: {exc.strerror}")

    def _end(self, child: "subprocess.Popen[bytes]") -> None:
        self._child = None
        child.terminate()
        with suppress(subprocess.TimeoutExpired, OSError):
            child.communicate(timeout=END_S)
        if child.poll() is None:
            child.kill()
            child.wait()

    def _last_words(self, child: "subprocess.Popen[bytes]") -> str:
        self._child = None
        _, said = child.communicate()
        words = said.decode(errors="replace").strip().splitlines()
        return f"{self._argv[0]} ended{f': {words[-1]}' if words else ''}"

    def _refused(self, why: str) -> None:
        self._is_refused = True
        if why not in _said:
            _said.add(why)
            log.info("the machine may fall asleep during a run: %s", why)
