"""A full disk at each stage, as feedback comes, and as tags are changed: the home's, then the one of Ollama."""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.torture.kill import STAGES
from tests.torture.report import say
from tests.torture.siege import Siege, siege
from tests.torture.small_disk import SmallDisk, small_disk
from tests.torture.world import Where

PLACES = (*STAGES, "ingest", "promote")
HOME_MB, OLLAMA_MB = 640, 256
"""Enough for a run to begin by itself when nothing else is there."""
FAULT_S, HOLD_S = 20.0, 3.0
"""How long it is waited for that a stage notices, and how long the disk stays full after that."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """How often."""
    parser.add_argument(
        "--rounds", type=int, default=2, help="how often each of 2 disks is filled at each of 7 places (default: 2)"
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of survival; `kills` are the times that a disk was full. Both are tmpfs mounts."""
    with tempfile.TemporaryDirectory(prefix="torture-disks-") as name:
        folder = Path(name)
        with small_disk(folder / "home", HOME_MB) as home, small_disk(folder / "ollama", OLLAMA_MB) as ollama:
            disks = {"the home's disk": home, "Ollama's disk": ollama}
            with siege(options, Where(home=home.folder / "home", store=ollama.folder)) as held:
                for _ in range(options.rounds):
                    for place in PLACES:
                        for what, disk in disks.items():
                            _fill(held, place, what, disk)
                return held.end()


def _fill(held: Siege, place: str, what: str, disk: SmallDisk) -> None:
    """Fill a disk at that place, for a while; afterwards everything has to go on."""
    if place in STAGES:
        held.comes(lambda: held.journal.is_at(place), within_s=held.patience_s)
    with disk.full():
        _meanwhile(held, place)
    began, cycles = time.monotonic(), held.journal.cycles()
    held.recover(f"{what} was full at {place}", began)
    if not held.comes(lambda: held.journal.cycles() > cycles, within_s=held.patience_s):
        held.note(held.stuck, f"no run comes to its end after {what} was full at {place}")


def _meanwhile(held: Siege, place: str) -> None:
    """What goes on while there is no room."""
    if place == "promote":
        arguments = held.random.choice([("rollback",), ("promote", "--force", "--yes", held.journal.versions()[0])])
        said = held.world.person.run(*arguments)
        say(f"  `adapterctl {arguments[0]}` said: {said.stderr.strip() or said.stdout.strip()}")
    elif place in STAGES:
        held.comes(lambda: not held.journal.is_at(place), within_s=FAULT_S)
    held.giver.give_one()
    time.sleep(HOLD_S)
