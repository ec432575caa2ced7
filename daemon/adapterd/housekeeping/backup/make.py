"""Making a backup: a copy of the database as it is at one moment, also while the daemon works, and files with it."""

import hashlib
import io
import os
import secrets
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from adapterd import __version__
from adapterd.config import Settings
from adapterd.errors import InputError
from adapterd.home import Home
from adapterd.housekeeping.backup.contents import (
    BACKED_UP,
    FORMAT,
    LEFT_OUT,
    MANIFEST,
    BackedUpModel,
    Manifest,
    Member,
    files_of,
    links_of,
)
from adapterd.housekeeping.leftovers import is_dead, remove
from adapterd.store import Store
from adapterd.store.judging.verdicts import NOT_ON_A_CHOICE
from adapterd.store.reviews.choices import NOT_CHOSEN_BETWEEN
from adapterd.store.schema.migrations import MIGRATIONS
from adapterd.store.teaching.requests import ALL_REQUESTS
from adapterd.system.files import CHUNK_BYTES, PRIVATE_FILE, atomic_path, named_path
from adapterd.system.locks import claimed, remove_abandoned

ENDING = ".tar.gz"
UNFINISHED_ENDING = ".adapterd-backup.partial"
"""Of a backup that is being written; other files that end in `.partial` may be somebody else's."""
COPY_ENDING = ".backup.partial"
"""Of the copy of the database, in the home."""
FAST = 3
"""The level of gzip: what is large, adapters, is hardly made smaller by more."""

Progress = Callable[[str, float], object]
"""Hears what is being done, and the share of all bytes that is done, 0…1."""


@dataclass(frozen=True)
class Backup:
    """A backup that was made: its file, its size in bytes, how many files are in it, and what is not."""

    file: Path
    size_bytes: int
    files: int
    models: dict[str, BackedUpModel]
    left_out: tuple[str, ...] = LEFT_OUT


def make_backup(
    store: Store, home: Home, settings: Settings, target: Path, progress: Progress = lambda _doing, _share: None
) -> Backup:
    """Make a backup at `target`, a file that must not exist or a folder in which it gets a name by its time; 0600.

    Raises InputError for a target that cannot be, DamagedStoreError where the copy of the database is damaged.
    """
    file = _file(home, target)
    _remove_left(home, file.parent)
    copy = home.root / f".{secrets.token_hex(4)}{COPY_ENDING}"  # known to `gc` and to removals by its name
    try:
        progress("copying the database", 0.0)
        store.copy_to(copy, without=(NOT_CHOSEN_BETWEEN, NOT_ON_A_CHOICE, ALL_REQUESTS))
        models = {name: _model(store, name) for name in sorted(settings.models)}
        with _unfinished(file) as partial:
            count = _write(partial, copy, home, models, store.now(), progress)
            _note(store, file)
    finally:
        copy.unlink(missing_ok=True)
    links = ", ".join(str(path.relative_to(home.root)) for path in links_of(home))
    left_out = (*LEFT_OUT, f"what links in the home lead to: {links}") if links else LEFT_OUT
    return Backup(file, file.stat().st_size, count, models, left_out)


def _note(store: Store, file: Path) -> None:
    """Note the backup just before it gets its name: killed in between, there is none, and what removals say of copies
    names only those that are there; noted later, there would be one that none of them names."""
    store.events.add(BACKED_UP, f"a backup was made: {file}", detail={"file": str(file)})


@contextmanager
def _unfinished(file: Path) -> Iterator[Path]:
    """A path that becomes the file when the block ends; held until then, so that the next backup removes it after a
    kill."""
    with ExitStack() as until_it_is_named, atomic_path(file, UNFINISHED_ENDING) as partial:
        until_it_is_named.enter_context(claimed(partial))
        yield partial


def _remove_left(home: Home, folder: Path) -> None:
    """Remove what backups that were killed have left: there, what nobody writes any more; in the home, old copies of
    the database."""
    remove_abandoned(folder.glob(f".*{UNFINISHED_ENDING}"))
    remove(path for path in home.root.glob(f".*{COPY_ENDING}") if is_dead(path))


def _file(home: Home, target: Path) -> Path:
    target = named_path(target)
    file = target / f"adapterd-{time.strftime('%Y%m%d-%H%M%S')}{ENDING}" if target.is_dir() else target
    if file.exists():
        raise InputError(f"{file} exists already", hint="give another name, or a folder")
    if not file.parent.is_dir():
        raise InputError(f"there is no folder {file.parent}", hint=f"mkdir -p '{file.parent}'")
    if file.resolve().is_relative_to(home.root.resolve()):
        raise InputError(f"{file} is inside of the home, and would be lost with it", hint="give a place elsewhere")
    return file


def _model(store: Store, name: str) -> BackedUpModel:
    deployment = store.versions.deployment(name)
    return BackedUpModel(
        live=deployment.live if deployment else None,
        previous=deployment.previous if deployment else None,
        versions=tuple(version.version for version in store.versions.all(name)),
        records=store.feedback.count(name),
    )


def _write(
    partial: Path, database: Path, home: Home, models: dict[str, BackedUpModel], made_at: str, progress: Progress
) -> int:
    """Write all members, the manifest last; returns how many files there are."""
    found = [(home.database.name, database), *files_of(home)]
    total, done = sum(_size(path) for _, path in found) or 1, 0
    members: dict[str, Member] = {}
    with tarfile.open(partial, "w:gz", compresslevel=FAST) as archive:
        for name, path in found:
            member = _add(archive, name, path)
            if member:
                members[name] = member
                done += member.size_bytes
            elif path == database:
                raise InputError(f"{path}, the copy of the database, is gone", hint="give the command again")
            progress(name, min(1.0, done / total))
        manifest = Manifest(FORMAT, __version__, len(MIGRATIONS), made_at, home.root, models, members)
        text = manifest.text().encode()
        archive.addfile(_header(MANIFEST, len(text)), io.BytesIO(text))
    return len(members)


def _add(archive: tarfile.TarFile, name: str, path: Path) -> Member | None:
    """Add a file; None for one that is gone by now."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        size = os.fstat(file.fileno()).st_size
        hashing = _Hashing(file)
        try:
            archive.addfile(_header(name, size), hashing)
        except OSError as exc:
            if exc.errno is None:  # tarfile's own word for a file that has become shorter
                raise InputError(f"{path} changed while it was copied", hint="give the command again") from exc
            raise
        return Member(size, hashing.sha256.hexdigest())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _header(name: str, size: int) -> tarfile.TarInfo:
    """A member without anything of this machine but its name and size."""
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, PRIVATE_FILE
    return header


class _Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.sha256 = file, hashlib.sha256()

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        data = self.file.read(size)
        self.sha256.update(data)
        return data
