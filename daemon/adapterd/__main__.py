"""`adapterd`: the daemon in the foreground; launchd or systemd keep it running (adapterctl service install)."""

import logging
import os
import signal
import sys
import threading

from adapterd.errors import AdapterdError
from adapterd.home import PRIVATE_UMASK, Home


def main() -> int:
    """Run until SIGTERM or SIGINT; a fault at the start is one sentence and a documented exit status."""
    from adapterd.lifecycle.daemon import Daemon

    os.umask(PRIVATE_UMASK)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        Daemon(Home.locate(), stop).run()
    except AdapterdError as exc:
        sys.stderr.write(f"error: {exc}\n" + (f"  {exc.hint}\n" if exc.hint else ""))
        return exc.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
