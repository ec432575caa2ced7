"""Manifests of Ollama cut short by hand, as a crash in the midst of a copy leaves them; the daemon repairs them when it
is started again, or at the next run."""

import argparse
import signal
import time
from typing import Any

from adapterd.store.versions import VersionState
from tests.acceptance.person import MODEL
from tests.torture.journal import TAGS
from tests.torture.siege import Siege, siege
from tests.torture.world import Where


def add_options(parser: argparse.ArgumentParser) -> None:
    """How often."""
    parser.add_argument("--tears", type=int, default=50, help="how many manifests are torn (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of survival; `kills` are the manifests that were torn."""
    with siege(options, Where(base_is_file=True)) as held:
        while held.kills < options.tears:
            held.wait("there are two versions, and one before the live one", lambda: _labels(held))
            time.sleep(held.random.uniform(0, held.cycle_s))
            _tear(held, held.random.choice(_labels(held)))
        return held.end()


def _labels(held: Siege) -> list[str]:
    """Tags that can be torn; the kinds are equally likely."""
    versions = held.journal.versions()[:-1]  # the last one may be in the making
    if not versions or not held.world.manifest("previous").is_file():
        return []
    return ["latest", "previous", "base", held.random.choice(versions)]


def _tear(held: Siege, label: str) -> None:
    content = held.world.manifest(label).read_bytes()
    left = held.random.choice([0, len(content) // 2, held.random.randrange(len(content))])
    restart = held.random.random() < 0.5
    with held.asker.excused():
        began = time.monotonic()
        held.world.manifest(label).write_bytes(content[:left])
        if restart:
            held.world.keeper.signal(signal.SIGKILL)
        how = "the daemon was started again" if restart else "the next run"
        held.comes(lambda: _is_whole(held, label), within_s=held.patience_s)
    told = f"{label} was cut to {left} of {len(content)} bytes, {how}"
    held.recover(told, began, lambda: _is_whole(held, label) and not held.asker.ask())


def _is_whole(held: Siege, label: str) -> bool:
    """Whether the tag can be used again, or is none of ours any more."""
    version = held.journal.store.versions.get(MODEL, label)
    if version and version.state is VersionState.COLLECTED:
        return True
    return f"{TAGS.name}:{label}" in held.world.runtime.tags()
