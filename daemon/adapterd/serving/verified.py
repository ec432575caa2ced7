"""The digest of a large file, computed again only when the file may have changed since.

A blob's name is a promise: bytes may rot or be overwritten after the runtime checked them. What was found is noted in
the home with size, times and inode of the file; while those stay, the note is believed, for a month at most.
"""

import json
import time
from pathlib import Path
from typing import Any

from adapterd.home import Home, make_private
from adapterd.system.files import sha256_file, write_atomic

BELIEVED_FOR_S = 30 * 86_400.0
"""Bits that rot on the disk change no time of the file."""


def verified_digest(home: Home, path: Path) -> str:
    """`sha256:<hex>` of the file's bytes; raises OSError where it cannot be read."""
    found, notes = _stamp(path), _notes(home)
    note = notes.get(str(path))
    now = time.time()
    if isinstance(note, dict) and note.get("stamp") == found and _is_fresh(note.get("at"), now):
        return str(note["digest"])
    digest = f"sha256:{sha256_file(path)}"
    if _stamp(path) == found:  # else it is being written
        notes[str(path)] = {"digest": digest, "stamp": found, "at": now}
        _write(home, notes)
    return digest


def _is_fresh(at: object, now: float) -> bool:
    return isinstance(at, int | float) and 0 <= now - at < BELIEVED_FOR_S


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _notes(home: Home) -> dict[str, Any]:
    try:
        notes = json.loads(home.verified_digests.read_bytes())
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _write(home: Home, notes: dict[str, Any]) -> None:
    """Keep what was found, of files that are there; without room for it, it is found again the next time."""
    try:
        make_private(home.verified_digests.parent)
        kept = {path: note for path, note in notes.items() if Path(path).exists()}
        write_atomic(home.verified_digests, json.dumps(kept, sort_keys=True))
    except OSError:
        return
