"""A finished file goes into a local blob store without being sent: by link, else by clone."""

import errno
import os
from pathlib import Path

from adapterd.system import files

READ_ONLY = 0o444
_NO_LINK_HERE = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES)


def place(source: Path, blob: Path, *, may_link: bool) -> str | None:
    """Put `source` at `blob`; returns how (`link`, `clone` or `copy`), or None where the folder is not ours.

    A link costs nothing, but both names are then the same file: only a source that is ours alone may be linked, and
    it is made read-only, for it is never written to again.
    """
    if not _ours(blob.parent):
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
    partial = blob.with_name(f".{blob.name}.partial")
    partial.unlink(missing_ok=True)
    how = files.clone(source, partial)
    partial.replace(blob)
    return how


def _ours(folder: Path) -> bool:
    """Whether a file of ours in this folder can be read by the server: both run as the same user."""
    try:
        return folder.stat().st_uid == os.getuid() and os.access(folder, os.W_OK)
    except OSError:
        return False
