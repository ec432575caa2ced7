"""A finished file becomes a blob of a local store without an upload: by a hard link, else by a clone or copy."""

import errno
import os
from pathlib import Path

from adapterd.errors import NoSpaceError
from adapterd.serving.blobs import is_own_folder
from adapterd.system import files, machine

READ_ONLY = 0o444
SPARE_BYTES = 64 << 20
"""Left over for the small files that belong to a model."""
FREE_SPACE = "free some space (`adapterctl gc` gives back what is not needed), then give the command again"
_PARTIAL = ".partial"
_NO_LINK_HERE = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES)


def link_or_copy(source: Path, blob: Path, *, may_link: bool) -> str | None:
    """Put `source` at `blob`; returns how (`link`, `clone` or `copy`), or None if the folder is not our own.

    A link costs nothing, but both names are then the same file: only a source that nobody else uses may be
    linked, and it is made read-only. Raises NoSpaceError if a copy would not fit, as it is not known beforehand whether
    the file can be cloned.
    """
    if not is_own_folder(blob.parent):
        return None
    if may_link:
        source.chmod(READ_ONLY)
        try:
            os.link(source, blob)
        except OSError as exc:
            if exc.errno not in _NO_LINK_HERE:
                raise
        else:
            return "link"
    unfinished = blob.with_name(f".{blob.name}{_PARTIAL}")
    unfinished.unlink(missing_ok=True)
    require_space(blob.parent, source.stat().st_size)
    how = files.clone(source, unfinished)
    unfinished.replace(blob)
    return how


def unfinished_blobs(folder: Path) -> list[tuple[str, Path]]:
    """The files that interrupted copies have left in a folder of blobs, each with the digest of the blob."""
    found = sorted(folder.glob(f".sha256-*{_PARTIAL}"))
    return [(path.name[1 : -len(_PARTIAL)].replace("-", ":"), path) for path in found]


def require_space(store: Path, size_bytes: int) -> None:
    """Raise NoSpaceError unless a file of that size fits on the file system of the runtime's store."""
    needed, free = size_bytes + SPARE_BYTES, machine.free_bytes(store)
    if free < needed:
        raise NoSpaceError(
            f"the file system {_mount_point(store)}, where the runtime keeps its models ({store}), "
            f"has {free / 1e9:.2f} GB free, and {needed / 1e9:.2f} GB are needed",
            hint=FREE_SPACE,
        )


def _mount_point(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.is_mount())
