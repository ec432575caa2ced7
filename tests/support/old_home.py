"""A copy of the home of an earlier release (tests/homes/README.md), for tests that use it in their own process."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from adapterd.home import Home

LEFT = Path(__file__).parents[1] / "homes/release_3f3fd5e"
MADE_IN = "/tmp/adapterd-3f3fd5e"
BINARY = (".gguf", ".safetensors")


def copy_old_home(place: Path) -> Home:
    """The home, private as every home is, below a new folder `place`, whose path stands in its files and rows."""
    shutil.copytree(LEFT, place)
    for path in (place, *place.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
        if path.is_file() and path.suffix not in BINARY and path.parent.name != "blobs":
            path.write_bytes(path.read_bytes().replace(MADE_IN.encode(), str(place).encode()))
    statements = place / "home/state.sql"
    with closing(sqlite3.connect(place / "home/state.db")) as database:
        database.executescript(statements.read_text(encoding="utf-8"))
        for path, mtime_ns in database.execute("SELECT path, mtime_ns FROM feedback_files"):
            os.utime(path, ns=(mtime_ns, mtime_ns))
    statements.unlink()
    return Home(place / "home")
