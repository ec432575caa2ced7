"""What became of one feedback file."""

from dataclasses import dataclass

Stamp = tuple[int, int]
"""Size in bytes and time of change in nanoseconds."""
FIELDS = "path, size_bytes, mtime_ns, lines, accepted, duplicates, quarantined, digest, inode, position, log"
"""The columns of feedback_files that make a FileRead."""


@dataclass(frozen=True)
class FileRead:
    """What became of one feedback file; `lines` counts the pieces it was made of, `digest` is a hash of them all.

    `inode` has the device and inode of a file of lines, `position` how far it was read (JSON), and `log` the name that
    it had before a rotation; each is empty where it is not known.
    """

    path: str
    size_bytes: int
    mtime_ns: int
    lines: int
    accepted: int
    duplicates: int
    quarantined: int
    digest: str = ""
    inode: str = ""
    position: str = ""
    log: str = ""
