"""Ollama killed while it creates a version, copies a tag or answers, and started again; or only its runners."""

import argparse
import os
import signal
import time
from contextlib import suppress
from typing import Any

from adapterd.errors import RuntimeUnavailableError
from tests.torture.siege import Siege, siege

MOMENTS = ("create", "copy", "generate")
CREATE_S, COPY_S, GENERATE_S = 0.05, 0.02, 0.5
DOWN_S = 3.0
LOOK_CLOSELY_S = 0.002
START_TRIES = 5


def add_options(parser: argparse.ArgumentParser) -> None:
    """How often."""
    parser.add_argument("--kills", type=int, default=50, help="how often Ollama is killed (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of survival; what nobody could answer while Ollama was down is not counted as failed."""
    with siege(options) as held:
        while held.kills < options.kills:
            moment = held.random.choice(MOMENTS)
            _await(held, moment)
            if moment == "generate" and held.random.random() < 0.5:
                _kill_runners(held)
            else:
                _kill_server(held, moment)
        return held.end()


def _await(held: Siege, moment: str) -> None:
    """Wait until Ollama is busy with that, for a few cycles at most."""
    blobs = held.world.blobs
    if moment == "create":  # its file is there just before
        held.comes(lambda: held.world.blobs - blobs, within_s=3 * held.cycle_s, every_s=LOOK_CLOSELY_S)
        time.sleep(held.random.uniform(0, CREATE_S))
    elif moment == "copy":
        held.comes(held.journal.is_changing, within_s=3 * held.cycle_s, every_s=LOOK_CLOSELY_S)
        time.sleep(held.random.uniform(0, COPY_S))
    else:
        held.comes(lambda: 0 < held.journal.share("evaluation") < 1, within_s=3 * held.cycle_s)
        time.sleep(held.random.uniform(0, GENERATE_S))


def _kill_server(held: Siege, moment: str) -> None:
    with held.asker.excused():
        held.world.ollama.kill()
        time.sleep(held.random.uniform(0, DOWN_S))
        _start(held)
        began = time.monotonic()
        held.comes(lambda: not held.asker.ask(), within_s=held.patience_s)
    held.recover(f"Ollama was killed ({moment})", began, lambda: not held.asker.ask())


def _start(held: Siege) -> None:
    """Start Ollama again, which a busy machine may make slow."""
    for attempt in range(START_TRIES):
        try:
            held.world.ollama.start()
        except RuntimeUnavailableError:
            if attempt == START_TRIES - 1:
                raise
        else:
            return


def _kill_runners(held: Siege) -> None:
    with held.asker.excused():
        for runner in held.world.runners():
            with suppress(ProcessLookupError):
                os.kill(runner, signal.SIGKILL)
        began = time.monotonic()
        held.comes(lambda: not held.asker.ask(), within_s=held.patience_s)
    held.recover("the runners of Ollama were killed", began, lambda: not held.asker.ask())
