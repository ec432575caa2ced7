"""The page's process as the command line finds, starts and ends it; nothing heavy is imported for that.

The process holds a lock of the home as long as it serves, so neither a file that it left nor another server at its port
is taken for it.
"""

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import urlencode

from adapterd import __version__
from adapterd.errors import AdapterdError
from adapterd.home import Home
from adapterd.page.entry import ticket
from adapterd.system.files import write_atomic
from adapterd.system.locks import is_held
from adapterd.system.python import module_command, safe_environment

START_S, STOP_S, STEP_S = 30.0, 10.0, 0.05


@dataclass(frozen=True)
class Running:
    """A page that is served: where, by which process, and the key of its links."""

    port: int
    pid: int
    key: str
    release: str

    @property
    def link(self) -> str:
        """A link that lets in once, soon."""
        return f"http://127.0.0.1:{self.port}/enter?{urlencode({'ticket': ticket(self.key)})}"


def running(home: Home) -> Running | None:
    """The page of a home that is served now."""
    return _written(home) if is_held(home.page_lock) else None


def start(home: Home) -> Running:
    """The page that is served, or one that is started now; one of another release is ended first. Raises AdapterdError
    where it cannot be."""
    found = running(home)
    if found and found.release == __version__:
        return found
    if found:
        stop(home)
    home.create()
    left = _written(home)  # by one that was killed
    said = home.logs / "page.err"
    with said.open("wb") as errors:
        process = subprocess.Popen(
            module_command("adapterd.page", home.root), cwd=home.root, env=safe_environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
        )  # fmt: skip
    return _started(home, process, said, left)


def linked(home: Home, link: str) -> str:
    """The address of a file that only the owner of the home can read and that leads on to the link: what a browser is
    started with stands in the list of processes, which everybody can read."""
    page = f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={escape(link)}">'
    write_atomic(home.page_link, page)
    return home.page_link.as_uri()


def stop(home: Home) -> bool:
    """End the page that is served; returns whether there was one."""
    found = running(home)
    if found is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(found.pid, signal.SIGTERM)
    until = time.monotonic() + STOP_S
    while is_held(home.page_lock) and time.monotonic() < until:
        time.sleep(STEP_S)
    return True


def _written(home: Home) -> Running | None:
    try:
        return Running(**json.loads(home.page.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _started(home: Home, process: "subprocess.Popen[bytes]", said: Path, left: Running | None) -> Running:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        found = running(home)
        if found and found != left:
            process.returncode = 0  # it goes on by itself, and nobody waits for it
            return found
        if process.poll() is not None and not is_held(home.page_lock):  # else another one was quicker
            lines = said.read_text("utf-8", "replace").strip().splitlines()
            raise AdapterdError(lines[-1] if lines else "the page ended at once", hint=f"see {said}")
        time.sleep(STEP_S)
    raise AdapterdError(f"the page did not begin within {START_S:.0f} s", hint=f"see {said}")
