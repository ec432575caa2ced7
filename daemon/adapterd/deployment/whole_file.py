"""A model in several parts as one file, which is there while the base is registered: the runtime then has its own."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from adapterd.errors import NoSpaceError
from adapterd.home import Home
from adapterd.system.locks import claimed

_SPARE_BYTES = 64 << 20
_PREFIX, _SUFFIX = ".joined-", ".partial"
"""As names of unfinished files, so that one whose process has died is removed with these."""


@contextmanager
def whole_file(
    home: Home, parts: Sequence[Path], name: str, notify: Callable[[str], object] = lambda _: None
) -> Iterator[Path]:
    """The parts joined in a file of the home that is removed at the end; a single one as it is.

    `name` is what a person calls the model. Raises NoSpaceError, and what `join` raises.
    """
    if len(parts) == 1:
        yield parts[0]
        return
    from adapterd.base.gguf.split_file import join

    needed, free = sum(part.stat().st_size for part in parts) + _SPARE_BYTES, shutil.disk_usage(home.root).free
    if free < needed:
        raise NoSpaceError(
            f"{home.root} has {free / 1e9:.1f} GB free, and joining the {len(parts)} parts of {name} takes "
            f"{needed / 1e9:.1f} GB",
            hint="free some space, then give the command again",
        )
    whole = home.root / f"{_PREFIX}{os.getpid()}{_SUFFIX}"
    try:
        whole.touch(0o600)
        with claimed(whole):  # `gc` leaves it alone, however long this takes
            join(parts, whole)
            notify(f"{name} is stored in {len(parts)} parts; its versions are one file each")
            yield whole
    finally:
        whole.unlink(missing_ok=True)


def is_joined(file: Path) -> bool:
    """Whether this is a file that parts were joined in."""
    return file.name.startswith(_PREFIX) and file.name.endswith(_SUFFIX)
