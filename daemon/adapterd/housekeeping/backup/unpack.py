"""Unpacking a backup into a new folder, and proving that it is whole: every digest, and the database's own check."""

import gzip
import hashlib
import shutil
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Self

from adapterd.errors import InputError, NewerStoreError
from adapterd.home import Home, make_private
from adapterd.housekeeping.backup.contents import MANIFEST, Manifest, Member, require_member_of_a_home
from adapterd.store.schema.migrations import MIGRATIONS
from adapterd.store.schema.soundness import fault_of
from adapterd.system.files import CHUNK_BYTES, PRIVATE_FILE

MOST_OF_MANIFEST_BYTES = 256 << 20
MOST_OF_HEADER_BYTES = 1 << 16
"""Of what extends a header: long names, above all."""
KEPT_FREE_BYTES = 64 << 20
"""So much of the disk stays free for others."""


def unpack(file: Path, into: Home, progress: Callable[[str, float], object] = lambda _doing, _share: None) -> Manifest:
    """Unpack a backup into the folder of a home that does not exist yet; folders are 0700, files 0600.

    Raises InputError where the file is no backup, or not what was made, and NewerStoreError where this release cannot
    use it. What was unpacked until then stays, for the caller to remove.
    """
    make_private(into.root)
    try:
        manifest, found = _members(file, into, progress)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, OverflowError) as exc:
        raise InputError(f"{file} is no backup of adapterd, or not a whole one: {exc}") from exc
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as exc:
        raise InputError(f"{file} is no backup of adapterd: two files in it cannot be in one home") from exc
    if manifest is None or into.database.name not in found:
        missing = MANIFEST if manifest is None else into.database.name
        raise InputError(f"{file} is no backup of adapterd, or not a whole one: it has no {missing}")
    _require_same(file, manifest, found)
    _require_usable(file, into.database, manifest)
    return manifest


def _members(
    file: Path, into: Home, progress: Callable[[str, float], object]
) -> tuple[Manifest | None, dict[str, Member]]:
    manifest, found = None, dict[str, Member]()
    size = file.stat().st_size or 1
    with file.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:gz", tarinfo=_Header) as archive:
        for member in archive:
            require_member_of_a_home(member.name, into)
            content = archive.extractfile(member) if member.isreg() and member.size >= 0 else None
            if content is None or member.issparse() or member.name in found or (manifest and member.name == MANIFEST):
                raise InputError(f"{file} is no backup of adapterd: {member.name!r} is no file, or there twice")
            _require_room(file, member, into)
            if member.name == MANIFEST:
                manifest = Manifest.of(content.read(MOST_OF_MANIFEST_BYTES))
                continue
            target = into.root / member.name
            make_private(target.parent)
            found[member.name] = _write(content, target)
            progress(member.name, min(1.0, raw.tell() / size))
    return manifest, found


def _require_room(file: Path, member: tarfile.TarInfo, into: Home) -> None:
    """Raise InputError where the disk would be full with this file, before anything of it is written."""
    free = shutil.disk_usage(into.root).free
    if member.size > free - KEPT_FREE_BYTES:
        raise InputError(
            f"{member.name} in {file} has {member.size} bytes, and {into.root.parent} has {free} free",
            hint="free some space, or put it back elsewhere with --home",
        )


class _Header(tarfile.TarInfo):
    """A header of a member, refused where what it announces would be read into memory as a whole, or is sparse."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """As in tarfile; raises InputError."""
        header = super().frombuf(buf, encoding, errors)
        if header.type == tarfile.GNUTYPE_SPARSE or not (
            header.type in tarfile.REGULAR_TYPES or 0 <= header.size <= MOST_OF_HEADER_BYTES
        ):
            raise InputError(f"the file is no backup of adapterd: {header.name!r} is no file")
        return header


def _write(content: IO[bytes], target: Path) -> Member:
    sha256, size = hashlib.sha256(), 0
    with target.open("xb") as file:
        target.chmod(PRIVATE_FILE)
        while data := content.read(CHUNK_BYTES):
            file.write(data)
            sha256.update(data)
            size += len(data)
    return Member(size, sha256.hexdigest())


def _require_same(file: Path, manifest: Manifest, found: dict[str, Member]) -> None:
    for name in sorted(manifest.files.keys() | found.keys()):
        if manifest.files.get(name) != found.get(name):
            raise InputError(f"{file} is damaged: {name} is not what was put into it")


def _require_usable(file: Path, database: Path, manifest: Manifest) -> None:
    if manifest.schema > len(MIGRATIONS):
        raise NewerStoreError(
            f"{file} was made by adapterd {manifest.adapterd} (schema {manifest.schema}, this release knows "
            f"{len(MIGRATIONS)})",
            hint=f"install adapterd {manifest.adapterd} or a newer one",
        )
    if said := fault_of(database):
        raise InputError(f"the database in {file} is damaged: {said}")
