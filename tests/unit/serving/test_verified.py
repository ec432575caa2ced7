"""The base is what its digest says: bytes that changed under the same name are noticed."""

import os
import time
from pathlib import Path

import pytest

from adapterd.home import Home
from adapterd.serving.runtimes import file_digest
from adapterd.serving.verified import verified_digest
from adapterd.system.files import sha256_file


class Reads(list[Path]):
    """Every file that was read to its end."""


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    found = Reads()

    def count(path: Path) -> str:
        found.append(path)
        return sha256_file(path)

    monkeypatch.setattr("adapterd.serving.verified.sha256_file", count)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"a" * 4096)
    return path


def overwrite(path: Path, *, keep_times: bool = False) -> None:
    """Change one byte in place; the size stays, and the time of change if somebody sets it back."""
    before = path.stat()
    path.chmod(0o600)
    with path.open("r+b") as opened:
        opened.seek(-1, os.SEEK_END)
        last = opened.read(1)
        opened.seek(-1, os.SEEK_END)
        opened.write(bytes([last[0] ^ 1]))
    if keep_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_file_that_did_not_change_is_read_once(home: Home, file: Path, reads: Reads) -> None:
    assert verified_digest(home, file) == verified_digest(home, file) == file_digest(file)
    assert reads == [file]


@pytest.mark.parametrize("keep_times", [False, True])
def test_a_byte_that_changed_in_place_is_noticed(home: Home, file: Path, keep_times: bool) -> None:
    before = verified_digest(home, file)
    overwrite(file, keep_times=keep_times)
    assert verified_digest(home, file) == file_digest(file) != before


def test_what_was_found_is_believed_for_a_month(
    home: Home, file: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    for later_s, count in ((0, 1), (86_400, 1), (31 * 86_400, 2), (0, 3)):  # the last: a clock that was set back
        monkeypatch.setattr("adapterd.serving.verified.time.time", lambda later_s=later_s: now + later_s)
        verified_digest(home, file)
        assert len(reads) == count


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"x": 1}', b"\xff"])
def test_a_damaged_note_is_no_obstacle(home: Home, file: Path, note: bytes) -> None:
    verified_digest(home, file)
    home.verified_digests.write_bytes(note)
    assert verified_digest(home, file) == file_digest(file)


def test_a_home_that_cannot_be_written_is_no_obstacle(home: Home, file: Path) -> None:
    (home.root / "cache").write_text("a file in the place of the folder")
    assert verified_digest(home, file) == file_digest(file)


def test_files_that_are_gone_are_forgotten(home: Home, file: Path, tmp_path: Path) -> None:
    verified_digest(home, file)
    file.unlink()
    other = tmp_path / "other"
    other.write_bytes(b"b")
    verified_digest(home, other)
    assert str(file) not in home.verified_digests.read_text()
