"""`adapterd`: the daemon in the foreground; launchd or systemd keep it running (adapterctl service install).

`python -m adapterd` is the same: of the current folder, which `-m` puts in front, it wants nothing.
"""

import os
import sys

if __name__ == "__main__" and not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109
    del sys.path[0]

import logging
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from adapterd import __version__
from adapterd.errors import AdapterdError
from adapterd.home import PRIVATE_UMASK, Home
from adapterd.printable import set_in
from adapterd.system.host.freed_memory import use_one_heap
from adapterd.system.permissions.owners import refusal
from adapterd.system.streams.standard import prepare_streams

ABOUT = """Watch feedback, train on schedule, prove and promote. Ends at SIGTERM or Ctrl-C; whatever was going on goes
on at the next start."""


def adapterd(arguments: Sequence[str] | None = None) -> None:
    """Work as the command line says, by default that of this process; raises AdapterdError."""
    service = _is_service(sys.argv[1:] if arguments is None else arguments)
    use_one_heap()
    from adapterd.supervisor.loop import Daemon
    from adapterd.supervisor.under_a_manager import own_home, run_as_service
    from adapterd.system.permissions.home import require_own_home

    home, stop = Home.locate(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    findings = own_home(home, stop) if service else require_own_home(home)
    if findings is None:
        return
    home.create()
    _log(home, service)
    for finding in findings:
        logging.getLogger("adapterd").warning("%s; %s", finding.text, finding.hint)
    daemon = Daemon(home, stop)
    if service:
        run_as_service(daemon)
    else:
        daemon.run()


def _is_service(arguments: Sequence[str]) -> bool:
    """Whether it is started as a service. What reads options would stay in the daemon's memory, so it is imported where
    there are others only: argparse (1 MB), as click takes 3 MB."""
    if list(arguments) in ([], ["--service"]):
        return bool(arguments)
    import argparse

    parser = argparse.ArgumentParser("adapterd", description=ABOUT)
    parser.add_argument(
        "--service", action="store_true", help="log into the home's own files only, as launchd and systemd start it"
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s, version {__version__}")
    service: bool = parser.parse_args(arguments).service
    return service


def _log(home: Home, service: bool) -> None:
    from adapterd.supervisor.logs import log_to

    handlers: list[logging.Handler] = [log_to(home.logs)]
    if not service:
        people = logging.StreamHandler(sys.stderr)
        people.setFormatter(_ForPeople("%(asctime)s %(levelname)s %(message)s"))
        handlers.append(people)
    logging.basicConfig(level=logging.INFO, handlers=handlers)
    logging.raiseExceptions = False  # a log that cannot be written must not end what it tells of
    for library in ("apscheduler", "httpx", "uvicorn"):
        logging.getLogger(library).setLevel(logging.WARNING)


class _ForPeople(logging.Formatter):
    """Lines for a terminal: whatever a message quotes, it begins none of its own."""

    def format(self, record: logging.LogRecord) -> str:
        return set_in(super().format(record))


def main() -> int:
    """Run until told to stop; a fault at the start is one sentence and a documented exit status."""
    os.umask(PRIVATE_UMASK)
    prepare_streams()
    try:
        adapterd()
    except AdapterdError as exc:
        return _complain(str(exc), exc.hint, exc.exit_code)
    except OSError as exc:
        whose, remedy = refusal(Path(str(exc.filename)), Home.locate().root)
        said = f"{exc.strerror}: {exc.filename}"
        return _complain(f"{said} ({whose})" if whose else said, remedy, AdapterdError.exit_code)
    return 0


def _complain(message: str, hint: str, exit_code: int) -> int:
    sys.stderr.write(set_in(f"error: {message}" + (f"\n{hint}" if hint else "")) + "\n")
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
