"""The page as a process: it listens on loopback, says in the home where, and ends when nobody uses it any more."""

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from adapterd import __version__, config
from adapterd.config import Settings
from adapterd.errors import AdapterdError
from adapterd.home import PRIVATE_UMASK, Home
from adapterd.page.app import application
from adapterd.page.entry import Entry, new_key
from adapterd.page.jobs import Jobs
from adapterd.system.files import write_atomic
from adapterd.system.locks import LOCK_TIMEOUT_S, exclusive

LOOPBACK = "127.0.0.1"
LOOK_S = 5.0
"""How often it is looked at whether anybody still uses it."""
LOG_BYTES, LOGS = 1_000_000, 2


class PageServer(uvicorn.Server):
    """Ends when nobody who was let in has asked for anything for so many seconds, and no work goes on."""

    def __init__(self, app: ASGIApp, entry: Entry, jobs: Jobs, idle_s: float) -> None:
        super().__init__(
            uvicorn.Config(
                app, loop="asyncio", ws="none", lifespan="off", proxy_headers=False, server_header=False,
                date_header=False, access_log=False, log_config=None, log_level="error", timeout_graceful_shutdown=5,
            )
        )  # fmt: skip
        self._entry, self._jobs, self._idle_s = entry, jobs, idle_s

    async def main_loop(self) -> None:
        """Wait for the end."""
        while not self.should_exit:
            await asyncio.sleep(min(LOOK_S, self._idle_s))
            if time.monotonic() - self._entry.used_at > self._idle_s and not self._jobs.is_busy:
                return


def serve(home: Home, settings: Settings) -> None:
    """Serve the page of a home until nobody uses it or a signal comes. Raises OSError where it cannot listen, and
    BusyError where another process serves it."""
    with exclusive(home.page_lock, timeout_s=LOCK_TIMEOUT_S, busy="the page is open already"):
        home.page.unlink(missing_ok=True)
        try:
            _serve(home, settings)
        finally:
            for left in (home.page, home.page_link):
                left.unlink(missing_ok=True)


def _serve(home: Home, settings: Settings) -> None:
    listening = socket.create_server((LOOPBACK, settings.page.port))
    port = listening.getsockname()[1]
    entry, jobs = Entry(new_key(), port), Jobs()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn ends, and gives the signal back for us to end
    told = {"port": port, "pid": os.getpid(), "key": entry.key, "release": __version__}
    write_atomic(home.page, json.dumps(told))
    app = application(home, entry, jobs)
    PageServer(app, entry, jobs, settings.page.idle_minutes * 60).run(sockets=[listening])


def main() -> None:
    """`python -m adapterd.page HOME`."""
    parser = argparse.ArgumentParser(prog="adapterd-page", description=__doc__)
    parser.add_argument("home", type=Path)
    home = Home(parser.parse_args().home)
    os.umask(PRIVATE_UMASK)
    handler = RotatingFileHandler(home.logs / "page.log", maxBytes=LOG_BYTES, backupCount=LOGS, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        serve(home, config.load(home))
    except AdapterdError as exc:
        sys.exit(f"{exc}; {exc.hint}" if exc.hint else str(exc))
    except OSError as exc:
        sys.exit(f"the page cannot be opened: {exc.strerror}; another port is set by `adapterctl config set page.port`")
