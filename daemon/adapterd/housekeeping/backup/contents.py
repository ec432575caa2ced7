"""What is in a backup, and the list of it (`manifest.json`), which is its last member."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from adapterd.errors import InputError
from adapterd.formats.run_folder import PLAN, RESULTS
from adapterd.home import Home
from adapterd.housekeeping.leftovers import UNFINISHED
from adapterd.serialization import dumps, from_plain
from adapterd.store import Store

MANIFEST = "manifest.json"
FORMAT = 1
FOLDERS = ("feedback", "quarantine", "models")
"""Folders of the home that are in it as a whole."""
OF_RUNS = (PLAN, RESULTS)
LEFT_OUT = (
    "models in Ollama: tags and their files (a version's adapter is in it, `adapterctl register` makes a file of it)",
    "caches, logs, the data of unfinished runs, and what the embedded runtime serves",
    "tokens of the HTTP listener",
    "conversations that capture recorded (what was judged of them is in the database)",
    "feedback folders outside the home (their records are in the database)",
)
"""What a person should know that a backup does not have."""
BACKED_UP, RESTORED, REBUILT = "home.backed-up", "home.restored", "store.rebuilt"
CAPTURES_ASIDE = "captures.set-aside"
COPY_OF_HOME = (BACKED_UP, RESTORED, REBUILT, CAPTURES_ASIDE)
"""Kinds of events whose detail names a copy of what is in the home."""
COPY_NAMES = ("file", "aside")
"""Where the detail names it."""


@dataclass(frozen=True)
class Member:
    """A file of a backup."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class BackedUpModel:
    """What a model was when the backup was made."""

    live: str | None
    previous: str | None
    versions: tuple[str, ...]
    records: int


@dataclass(frozen=True)
class Manifest:
    """The list of a backup: by which release (`adapterd`) and schema of the database, when (ISO 8601) and of which home
    it was made, the models, and the files by their names in the home."""

    format: int
    adapterd: str
    schema: int
    made_at: str
    home: Path
    models: Mapping[str, BackedUpModel]
    files: Mapping[str, Member]
    left_out: tuple[str, ...] = field(default=LEFT_OUT)

    def text(self) -> str:
        """As it is written."""
        return dumps(self)

    @classmethod
    def of(cls, text: str | bytes) -> "Manifest":
        """Read one; raises InputError for what is none, or of a format that this release does not know."""
        try:
            plain = json.loads(text)
            if plain["format"] > FORMAT:
                raise InputError(
                    f"the backup has format {plain['format']}, this release knows {FORMAT}",
                    hint=f"install adapterd {plain['adapterd']} or a newer one",
                )
            return from_plain(plain, cls)
        except InputError:
            raise
        except Exception as exc:
            raise InputError(f"the list of the backup cannot be read: {exc}") from exc


def copies(store: Store) -> list[str]:
    """Backups, homes and databases that were kept aside, as far as they are still where they were made."""
    details = [detail for kind in COPY_OF_HOME for detail in store.events.details(kind)]
    paths = dict.fromkeys(str(detail[name]) for detail in details for name in COPY_NAMES if detail.get(name))
    return [path for path in paths if Path(path).exists()]


def files_of(home: Home) -> Iterator[tuple[str, Path]]:
    """The files of a home that a backup has beside the database, by their names in it; links are not followed. Raises
    OSError for a folder that cannot be read."""
    for file in (home.config_file, home.removed_statements):
        if file.is_file() and not file.is_symlink():
            yield file.name, file
    for folder in FOLDERS:
        for path in _below(home.root / folder):
            if path.is_file() and not path.is_symlink() and not fnmatch(path.name, UNFINISHED):
                yield path.relative_to(home.root).as_posix(), path
    for path in _below(home.root / "runs"):
        if path.name in OF_RUNS and path.parent.parent == home.root / "runs" and not path.is_symlink():
            yield path.relative_to(home.root).as_posix(), path


def links_of(home: Home) -> list[Path]:
    """The links where a backup has files."""
    tops = (home.config_file, home.removed_statements)
    return [
        path
        for path in (*tops, *(found for name in FOLDERS for found in _below(home.root / name)))
        if path.is_symlink()
    ]


def _below(folder: Path) -> Iterator[Path]:
    """All that is below a folder but folders; links to folders are not followed. Raises OSError for one that cannot be
    read, other than by its not being there."""
    for top, folders, names in os.walk(folder, onerror=_raise):
        folders.sort()
        links = [name for name in folders if Path(top, name).is_symlink()]
        yield from (Path(top, name) for name in sorted([*names, *links]))


def _raise(exc: OSError) -> None:
    if not isinstance(exc, FileNotFoundError):
        raise exc


def require_member_of_a_home(name: str, home: Home) -> None:
    """Raise InputError for a name that no backup has: one that would lie elsewhere, above all."""
    parts = PurePosixPath(name).parts
    single = {MANIFEST, home.database.name, home.config_file.name, home.removed_statements.name}
    known = name in single or (len(parts) > 1 and parts[0] in (*FOLDERS, "runs"))
    if not known or ".." in parts or name.startswith("/") or PurePosixPath(name).as_posix() != name:
        raise InputError(f"the backup has a file {name!r}, which no home has; it is not put back")
