"""`python -m tests.torture.strangers.child KIND FOLDER CANARY SEED FIRST END`: tries inputs, and tells how each ended.

On standard output: the number of each input before it is tried, a line for each fault, at the end the largest memory.
"""

import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from adapterd.errors import AdapterdError
from tests.torture.strangers import watch

HANGS_S = 60


def maker(kind: str) -> Callable[[Path, str], Any]:
    """What tries inputs of a kind; the imports are heavy, and each kind has its own."""
    if kind == "gguf":
        from tests.torture.strangers.gguf_files import GgufFiles

        return GgufFiles
    if kind == "adapters":
        from tests.torture.strangers.adapters import Adapters

        return Adapters
    if kind == "schemas":
        from tests.torture.strangers.schemas import Schemas

        return Schemas
    if kind == "templates":
        from tests.torture.strangers.templates import Templates

        return Templates
    from tests.torture.strangers.shown import Shown

    return Shown


def tell(**said: object) -> None:
    """One line for the parent."""
    os.write(1, (json.dumps(said) + "\n").encode())


def main(kind: str, folder: Path, canary: str, seed: str, first: int, end: int) -> None:
    """Try the inputs from `first` to before `end`."""
    tried = maker(kind)(folder, canary)
    for number in range(2):  # what is imported late is imported before anybody watches
        _try(tried, f"warm {number}")
    watch.begin(folder, lambda what: tell(outside=what), starts_children=kind == "templates")
    for number in range(first, end):
        tell(at=number)
        signal.alarm(HANGS_S)
        if fault := _try(tried, f"{seed} {kind} {number}"):
            tell(crash=fault)
        signal.alarm(0)
    tell(peak=max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def _try(tried: Any, seed: str) -> str:
    try:
        tried.try_one(Random(seed))
    except AdapterdError as exc:
        return "" if str(exc) and len(str(exc)) < 5_000 else f"said {len(str(exc))} characters"
    except Exception:
        return traceback.format_exc()[-2_000:]
    return ""


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]), int(sys.argv[6]))
