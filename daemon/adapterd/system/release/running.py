"""The release of the daemon that works on a home: it writes that down when it starts."""

import json

from adapterd import __version__
from adapterd.home import Home
from adapterd.system.files import write_atomic
from adapterd.system.locks import is_held

RELEASE = "adapterd"


def write_running_release(home: Home) -> None:
    """Note the release of this process as that of the daemon; belongs to whoever holds its lock."""
    write_atomic(home.daemon_release, json.dumps({RELEASE: __version__}))


def running_release(home: Home) -> str | None:
    """The release of the daemon; None where none runs, or one that does not say (0.1.0 and before)."""
    if not home.root.is_dir() or not is_held(home.daemon_lock):
        return None
    try:
        release = json.loads(home.daemon_release.read_text(encoding="utf-8"))[RELEASE]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return release if isinstance(release, str) else None


def of_another_release(home: Home) -> str | None:
    """What is wrong if the daemon is of another release than this process; None if it is not, or none runs."""
    running = running_release(home)
    if running in (None, __version__):
        return None
    return f"the daemon is adapterd {running}, this is {__version__}"
