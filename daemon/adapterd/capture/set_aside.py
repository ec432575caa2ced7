"""A database of recorded conversations that is damaged: kept aside under another name, for a new one to be begun."""

import time
from pathlib import Path

SET_ASIDE = "the recorder keeps it aside and begins a new one when it meets the damage; answers flow all the same"
_BESIDE = ("-wal", "-shm")


def set_aside(file: Path) -> Path:
    """Rename the file, and what SQLite has beside it, to `NAME.damaged-TIME`; returns its new place. Raises OSError."""
    first = target = file.with_name(f"{file.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    number = 1
    while target.exists():
        number += 1
        target = Path(f"{first}.{number}")
    for ending in _BESIDE:
        beside = Path(f"{file}{ending}")
        if beside.is_file():
            beside.rename(f"{target}{ending}")
    file.rename(target)
    return target


def those_aside(file: Path) -> list[Path]:
    """The damaged files of before, the oldest first."""
    return sorted(path for path in file.parent.glob(f"{file.name}.damaged-*") if not path.name.endswith(_BESIDE))
