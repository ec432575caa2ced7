"""The recorder as a program: `python -m adapterd.capture.recorder HOME HOST:PORT` stores the conversations that come in
on its standard input, and writes the id of each on its standard output when that is done."""

import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from pathlib import Path
from random import Random

from adapterd.capture.captures import Captures
from adapterd.capture.messages import unpacked
from adapterd.capture.model_facts import AskedModels
from adapterd.capture.rates import COUNTED_DAYS, day_of
from adapterd.capture.recording import Recording
from adapterd.capture.set_aside import set_aside
from adapterd.config import Settings, load
from adapterd.errors import AdapterdError, ConfigError, DamagedStoreError
from adapterd.home import Home
from adapterd.personal_data.scan import scan_text
from adapterd.serving.ollama import OllamaRuntime

CLEAN_EVERY = 200
"""After so many conversations the old ones are removed."""
QUICK_S = 5.0
DAY_S, GIGABYTE = 86_400, 1_000_000_000

log = logging.getLogger(__name__)


def main() -> None:
    """Store what comes, until the standard input ends."""
    logging.basicConfig(format="capture: %(message)s")
    home, host = Home(Path(sys.argv[1])), sys.argv[2]
    exchanges, taken = unpacked(sys.stdin.buffer), None
    while True:
        try:
            with Captures(home.captures) as captures:
                recording = _recording(captures, host)
                for number, exchange in enumerate(exchanges if taken is None else chain([taken], exchanges)):
                    taken = exchange
                    if number % CLEAN_EVERY == 0:
                        recording.settings = _settings(home)
                        if recording.settings:
                            remove_old(captures, recording.settings)
                    recording.take(exchange)
                    with suppress(BrokenPipeError):  # who gave it was killed: what else it gave is stored all the same
                        os.write(sys.stdout.fileno(), f"{exchange.id}\n".encode())
                return
        except DamagedStoreError as exc:
            log.warning("%s; it is kept aside as %s, and a new file is begun", exc, set_aside(home.captures).name)


def _recording(captures: Captures, host: str) -> Recording:
    """What stores; its settings are still to be read."""
    runtime = OllamaRuntime(f"http://{host}", QUICK_S)
    return Recording(
        captures, None, AskedModels(runtime.show),
        lambda text: [(kind, text[span.start : span.end]) for kind, span in scan_text(text)], Random(),  # noqa: S311
    )  # fmt: skip


def remove_old(captures: Captures, settings: Settings, clock: Callable[[], float] = time.time) -> int:
    """Remove what is older, or more, than is to be kept; how many were removed."""
    wanted = settings.capture
    captures.remove_counts(day_of(clock() - COUNTED_DAYS * DAY_S))
    return captures.remove_old(clock() - wanted.keep_days * DAY_S, round(wanted.keep_gb * GIGABYTE))


def _settings(home: Home) -> Settings | None:
    """Those of the home; None where they cannot be read: they might say that a model is not to be recorded."""
    try:
        return load(home)
    except ConfigError as exc:
        log.warning("nothing is recorded until the settings can be read: %s", exc)
        return None


if __name__ == "__main__":
    try:
        main()
    except (AdapterdError, OSError) as exc:
        sys.exit(f"capture: {exc}")
