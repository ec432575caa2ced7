"""File systems on which what other machines write makes no event here."""

from collections.abc import Iterable
from pathlib import Path

SHARES = frozenset({
    "9p", "acfs", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "drvfs", "fuse", "gfs", "gfs2",
    "glusterfs", "gpfs", "lustre", "macfuse", "ncpfs", "nfs", "nfs4", "ocfs2", "osxfuse", "panfs", "prl_fs", "smb",
    "smb2", "smb3", "smbfs", "v9fs", "vboxsf", "virtiofs", "vmhgfs", "webdav",
})  # fmt: skip
"""Network shares and folders of the host of a virtual machine, by the names that Linux and macOS have for them."""


def is_shared(path: Path) -> bool:
    """Whether the path is on a file system that others may write to without an event here; False if it is not known."""
    return kind_of(path, _mounts()).partition(".")[0] in SHARES


def kind_of(path: Path, mounts: Iterable[tuple[str, str]]) -> str:
    """The type of the file system that an existing path is on, among (folder, type) pairs in the order of mounting."""
    place = path.resolve()
    found, depth = "", -1
    for folder, kind in mounts:
        mounted = Path(folder)
        if len(mounted.parts) >= depth and place.is_relative_to(mounted):
            found, depth = kind, len(mounted.parts)
    return found.lower()


def _mounts() -> list[tuple[str, str]]:
    import psutil

    try:
        return [(part.mountpoint, part.fstype) for part in psutil.disk_partitions(all=True)]
    except (OSError, psutil.Error):
        return []
