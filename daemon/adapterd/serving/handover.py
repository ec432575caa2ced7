"""A finished file goes into a local blob store without being written twice: by link, else by clone."""

import errno
import os
from pathlib import Path

from adapterd.system import files

READ_ONLY = 0o444


def place(source: Path, blob: Path) -> str | None:
    """Put `source` at `blob` as a link or a clone; returns which, or None where neither is possible here.

    From then on both names may be the same file, so the source is made read-only: it is never written to again.
    """
    if not _ours(blob.parent):
        return None
    source.chmod(READ_ONLY)
    try:
        os.link(source, blob)
    except FileExistsError:
        return "present"
    except OSError as exc:
        if exc.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES):
            raise
        return _clone(source, blob)
    return "link"


def _ours(folder: Path) -> bool:
    """Whether a file of ours in this folder can be read by the server: both run as the same user."""
    try:
        return folder.stat().st_uid == os.getuid() and os.access(folder, os.W_OK)
    except OSError:
        return False


def _clone(source: Path, blob: Path) -> str | None:
    if source.stat().st_dev != blob.parent.stat().st_dev:
        return None
    partial = blob.with_name(f".{blob.name}.partial")
    partial.unlink(missing_ok=True)
    how = files.clone(source, partial)
    partial.replace(blob)
    return how
