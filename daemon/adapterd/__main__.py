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

import click

from adapterd import __version__
from adapterd.errors import AdapterdError
from adapterd.home import PRIVATE_UMASK, Home
from adapterd.printable import set_in


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--service", is_flag=True, help="Log into the home's own files only, as launchd and systemd start it.")
@click.version_option(__version__, prog_name="adapterd")
def adapterd(service: bool) -> None:
    """Watch feedback, train on schedule, prove and promote. Ends at SIGTERM or Ctrl-C; whatever was going on goes on
    at the next start."""
    from adapterd.supervisor.loop import Daemon

    home = Home.locate()
    home.create()
    _log(home, service)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    Daemon(home, stop).run()


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
    try:
        adapterd(standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except AdapterdError as exc:
        told = f"error: {exc}" + (f"\n{exc.hint}" if exc.hint else "")
        sys.stderr.write(set_in(told) + "\n")
        return exc.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
