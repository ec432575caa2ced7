"""The daemon as launchd or systemd start it: both start it again, some seconds after it has ended with a failure.

That is right after an upgrade, and wrong where the home is refused, the configuration makes no sense, another daemon
works, or the database is of a newer release or damaged: nothing changes until somebody does something. So the process
stays, and waits for that.
"""

import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from adapterd.errors import BusyError, ConfigError, DamagedStoreError, NewerStoreError, OtherReleaseError
from adapterd.home import Home
from adapterd.printable import set_in
from adapterd.supervisor.loop import Daemon
from adapterd.system.locks import is_held
from adapterd.system.permissions.home import Finding, look_at_home

LOOK_EVERY_S = 10.0
LOOKS_AT_CONFIGURATION = 60
"""After so many looks a configuration is tried again although it is the same: what it names may be another."""

log = logging.getLogger("adapterd")


def own_home(home: Home, stop: threading.Event, *, look_every_s: float = LOOK_EVERY_S) -> list[Finding] | None:
    """What is wrong with the home but lets one go on, as soon as nothing is left that does not; None if told to stop
    before. What is refused is said once, on standard error: a log in such a home is not to be trusted."""
    said = None
    while True:
        found = look_at_home(home)
        refused = next((each for each in found if each.refused), None)
        if refused is None:
            return found
        if refused != said:
            sys.stderr.write(set_in(f"error: nothing is done until this is put right: {refused.text}\n{refused.hint}"))
            sys.stderr.write("\n")
            said = refused
        if stop.wait(look_every_s):
            return None


def run_as_service(daemon: Daemon, *, look_every_s: float = LOOK_EVERY_S) -> None:
    """Run the daemon; raises as `Daemon.run` does, but what lasts only once something has changed."""
    try:
        daemon.run()
    except OtherReleaseError as exc:
        log.warning("%s; the daemon ends, and is started again as the other", exc)
        raise
    except (NewerStoreError, DamagedStoreError, ConfigError) as exc:
        log.error("nothing is done until this is put right: %s%s", exc, f" ({exc.hint})" if exc.hint else "")
        most = LOOKS_AT_CONFIGURATION if isinstance(exc, ConfigError) else None
        if _ends(daemon, look_every_s, _unchanged(daemon.home, most)):
            raise
    except BusyError as exc:
        log.error("nothing is done until it has ended: %s", exc)
        if _ends(daemon, look_every_s, lambda: is_held(daemon.home.daemon_lock)):
            raise


def _ends(daemon: Daemon, look_every_s: float, lasts: Callable[[], bool]) -> bool:
    """Wait until what is wrong does not last, or the release on disk is another; False if told to stop before."""
    while not daemon.stop.wait(look_every_s):
        if not lasts() or daemon.release.replaced():
            return True
    return False


def _unchanged(home: Home, most: int | None) -> Callable[[], bool]:
    """Tells whether database and configuration are the same still; after `most` looks that they are not."""
    files = (home.database, home.config_file)
    before = [_stamp(file) for file in files]
    looks = 0

    def lasts() -> bool:
        nonlocal looks
        looks += 1
        return looks != most and [_stamp(file) for file in files] == before

    return lasts


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
