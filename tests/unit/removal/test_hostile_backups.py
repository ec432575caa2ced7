"""Backups that somebody else has made, or that were damaged: a sentence, and nothing of them stays."""

import gzip
import io
import random
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from adapterd.config import Settings
from adapterd.errors import AdapterdError, InputError
from adapterd.home import Home
from adapterd.housekeeping.backup import unpack
from adapterd.housekeeping.backup.make import make_backup
from adapterd.removal.recovery.restore import restore
from adapterd.store import Store

ZEROS_BYTES = 1 << 20


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, **fields: object) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.type, header.size = kind, size
    for field, value in fields.items():
        setattr(header, field, value)
    return header


def archive(file: Path, *members: tarfile.TarInfo) -> Path:
    """An archive of members whose bytes are zeros."""
    with tarfile.open(file, "w:gz") as made:
        for each in members:
            made.addfile(each, io.BytesIO(bytes(max(0, min(each.size, ZEROS_BYTES)))) if each.isreg() else None)
    return file


def raw(file: Path, header: tarfile.TarInfo, data: bytes = b"") -> Path:
    """An archive with a header as it is, whatever it says."""
    file.write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + data + bytes(1024)))
    return file


def negative(file: Path) -> Path:
    return archive(file, member("feedback/m/a", pax_headers={"size": "-512"}))


HOSTILE = {
    "a link": lambda file: archive(file, member("feedback/a", tarfile.SYMTYPE, linkname="/etc/passwd")),
    "a hard link": lambda file: archive(file, member("feedback/a", tarfile.LNKTYPE, linkname="state.db")),
    "a device": lambda file: archive(file, member("feedback/a", tarfile.CHRTYPE, devmajor=1, devminor=5)),
    "a pipe": lambda file: archive(file, member("feedback/a", tarfile.FIFOTYPE)),
    "a folder": lambda file: archive(file, member("feedback/a", tarfile.DIRTYPE)),
    "a sparse file": lambda file: raw(file, member("feedback/a", tarfile.GNUTYPE_SPARSE, 1 << 40)),
    "a file and a folder": lambda file: archive(file, member("feedback/a"), member("feedback/a/b")),
    "a NUL in a name": lambda file: archive(file, member("feedback/x", pax_headers={"path": "feedback/a\0b"})),
    "a name of many bytes": lambda file: archive(file, member("feedback/" + "a" * 300)),
    "a size below zero": negative,
    "a name of a terabyte": lambda file: raw(file, member("././@LongLink", tarfile.GNUTYPE_LONGNAME, 1 << 40)),
    "a header of a gigabyte": lambda file: raw(file, member("x", tarfile.XHDTYPE, 1 << 30)),
    "a file of a petabyte": lambda file: raw(file, member("feedback/a", tarfile.REGTYPE, 1 << 50)),
    "only a database": lambda file: archive(file, member("state.db", size=100)),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_backup_is_refused_with_a_sentence(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    file = make(tmp_path / "hostile.tar.gz")
    with pytest.raises((AdapterdError, OSError)) as caught:
        restore(file, Home(tmp_path / "home"))
    assert isinstance(caught.value, InputError) or "File name too long" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["hostile.tar.gz"]


@pytest.fixture
def backup(home: Home, store: Store, settings: Settings, tmp_path: Path) -> Path:
    home.config_file.write_text('runtime = "embedded"\n', encoding="utf-8")
    return make_backup(store, home, settings, tmp_path / "b.tar.gz").file


def test_whichever_bit_rots_it_is_a_sentence_or_says_nothing(backup: Path, tmp_path: Path) -> None:
    whole, chance = backup.read_bytes(), random.Random(18)
    unpack.unpack(backup, Home(tmp_path / "good"))
    for number in range(20):
        data = bytearray(whole)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        backup.write_bytes(data)
        with suppress(AdapterdError):
            unpack.unpack(backup, Home(tmp_path / f"home-{number}"))
            assert _files(tmp_path / f"home-{number}") == _files(tmp_path / "good")


def _files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_a_backup_without_its_database_is_none(backup: Path, tmp_path: Path) -> None:
    with tarfile.open(backup) as given, tarfile.open(tmp_path / "without.tar.gz", "w:gz") as made:
        for each in given:
            if each.name != "state.db":
                made.addfile(each, given.extractfile(each))
    with pytest.raises(InputError, match=r"it has no state\.db"):
        restore(tmp_path / "without.tar.gz", Home(tmp_path / "other"))


def test_the_disk_is_not_filled(backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "KEPT_FREE_BYTES", 1 << 60)
    with pytest.raises(InputError, match="free"):
        restore(backup, Home(tmp_path / "other"))
    assert not (tmp_path / "other").exists()
