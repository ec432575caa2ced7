"""Files that are never half there."""

import errno
import fcntl
import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.errors import InputError
from adapterd.system import files
from adapterd.system.files import atomic_path, clone, named_path, sha256_file, write_atomic

on_linux = pytest.mark.skipif(sys.platform == "darwin", reason="macOS clones by clonefile(2)")


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """The most careless of umasks: modes have to hold without its help."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.gguf"
    path.write_bytes(bytes(range(256)) * 5000)
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def fail_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file gets a part of its bytes, and then the disk is full."""

    def half_written(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half_written)


@pytest.mark.parametrize("data", [b"\0\xff", "grün\n", b"", ""])
def test_content_is_read_as_it_was_written(tmp_path: Path, data: bytes | str) -> None:
    write_atomic(tmp_path / "f", data)
    assert (tmp_path / "f").read_bytes() == (data if isinstance(data, bytes) else data.encode())


@pytest.mark.parametrize(
    ("path", "said"),
    [("~nobody-of-this-name/x", "the home of a user who is not known"), ("loop", "cannot be reached"),
     ("loop/x", "cannot be reached")],
)  # fmt: skip
def test_a_path_that_leads_nowhere_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match=said) as caught:
        named_path(Path(path))
    assert caught.value.hint


def test_a_path_is_absolute_and_a_link_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    (tmp_path / "link").symlink_to("elsewhere")
    found = [named_path(Path(each)) for each in ("x", "~/x", "link")]
    assert found == [tmp_path / "x", tmp_path / "me/x", tmp_path / "link"]


def test_a_written_file_is_its_owners_only(tmp_path: Path) -> None:
    write_atomic(tmp_path / "f", "x")
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600


def test_a_file_that_is_replaced_becomes_its_owners_only(tmp_path: Path) -> None:
    (tmp_path / "f").touch(mode=0o666)
    write_atomic(tmp_path / "f", "x")
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600


def test_only_the_target_is_left_after_writing(tmp_path: Path) -> None:
    write_atomic(tmp_path / "f", "old")
    write_atomic(tmp_path / "f", "new")
    assert (tmp_path / "f").read_text() == "new"
    assert names(tmp_path) == {"f"}


def test_a_write_that_fails_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomic(tmp_path / "f", "old content")
    fail_to_write(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(tmp_path / "f", "new content")
    assert (tmp_path / "f").read_text() == "old content"
    assert names(tmp_path) == {"f"}


def test_a_first_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_to_write(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(tmp_path / "f", "new content")
    assert names(tmp_path) == set()


def test_a_sync_that_fails_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    write_atomic(tmp_path / "f", "old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        write_atomic(tmp_path / "f", "new")
    assert (tmp_path / "f").read_text() == "old"
    assert names(tmp_path) == {"f"}


def test_the_bytes_are_on_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []
    sync = os.fsync

    def watched(handle: int) -> None:
        seen.append((tmp_path / "f").read_text() if (tmp_path / "f").exists() else None)
        sync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    write_atomic(tmp_path / "f", "new")
    assert seen == [None, "new"]  # first the file is synced, then the folder that names it


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_block_that_raises_leaves_target_and_folder_as_they_were(tmp_path: Path, stop: type[BaseException]) -> None:
    def write_and_stop() -> None:
        with atomic_path(tmp_path / "f") as partial:
            partial.write_text("new")
            raise stop

    write_atomic(tmp_path / "f", "old")
    with pytest.raises(stop):
        write_and_stop()
    assert (tmp_path / "f").read_text() == "old"
    assert names(tmp_path) == {"f"}


def test_the_target_is_not_there_before_the_block_ends(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "f") as partial:
        partial.write_text("new")
        assert partial.parent == tmp_path
        assert partial.name.endswith(".partial")
        assert not (tmp_path / "f").exists()
    assert (tmp_path / "f").read_text() == "new"


def test_two_writers_do_not_share_a_partial_file(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "f") as one, atomic_path(tmp_path / "f") as other:
        assert one != other


def test_a_clone_has_the_bytes_of_its_source(source: Path, tmp_path: Path) -> None:
    how = clone(source, tmp_path / "target")
    assert how in ("clone", "copy")
    assert (tmp_path / "target").read_bytes() == source.read_bytes()


def test_cloning_never_touches_the_source(source: Path, tmp_path: Path) -> None:
    source.chmod(0o444)
    before, content = source.stat(), source.read_bytes()
    clone(source, tmp_path / "target")
    after = source.stat()
    assert (after.st_mtime_ns, after.st_mode, after.st_size) == (before.st_mtime_ns, before.st_mode, before.st_size)
    assert source.read_bytes() == content


def test_a_clone_is_a_file_of_its_own(source: Path, tmp_path: Path) -> None:
    clone(source, tmp_path / "target")
    content = source.read_bytes()
    (tmp_path / "target").chmod(0o600)
    (tmp_path / "target").write_bytes(b"changed")
    assert source.read_bytes() == content
    assert source.stat().st_ino != (tmp_path / "target").stat().st_ino


def test_a_target_that_is_there_is_refused_and_stays(source: Path, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    with pytest.raises(FileExistsError):
        clone(source, tmp_path / "target")
    assert (tmp_path / "target").read_text() == "precious"


def test_a_link_that_leads_nowhere_is_refused_and_stays(source: Path, tmp_path: Path) -> None:
    (tmp_path / "target").symlink_to(tmp_path / "gone")
    with pytest.raises(FileExistsError):
        clone(source, tmp_path / "target")
    assert (tmp_path / "target").is_symlink()
    assert not (tmp_path / "gone").exists()


@on_linux
def test_a_target_that_appears_meanwhile_is_refused_and_stays(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "target").write_text("precious")
    monkeypatch.setattr(os.path, "lexists", lambda path: False)
    with pytest.raises(FileExistsError):
        clone(source, tmp_path / "target")
    assert (tmp_path / "target").read_text() == "precious"


def test_a_source_that_is_missing_costs_no_file(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    with pytest.raises(OSError, match="exists"):
        clone(tmp_path / "gone", tmp_path / "target")
    with pytest.raises(FileNotFoundError):
        clone(tmp_path / "gone", tmp_path / "other")
    assert names(tmp_path) == {"target"}


def test_a_copy_that_fails_leaves_nothing_behind(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: Path, target: Path) -> None:
        target.write_bytes(b"part")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_clone_blocks", lambda source, target: False)
    monkeypatch.setattr(shutil, "copyfile", fail)
    with pytest.raises(OSError, match="No space left"):
        clone(source, tmp_path / "target")
    assert names(tmp_path) == {"source.gguf"}


def test_where_blocks_cannot_be_shared_they_are_copied(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_clone_blocks", lambda source, target: False)
    assert clone(source, tmp_path / "target") == "copy"
    assert (tmp_path / "target").read_bytes() == source.read_bytes()


HOLES = [
    [range(10)], [range(10, 20)], [range(90, 100)], [range(100)], [range(5, 5)], [range(10), range(10, 30)],
    [range(3, 9), range(50, 77), range(80, 81)],
]  # fmt: skip


@pytest.mark.parametrize("chunk_bytes", [7, 1 << 22])
@pytest.mark.parametrize("holes", HOLES, ids=str)
def test_a_copy_has_holes_where_it_is_to_be_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, holes: list[range], chunk_bytes: int
) -> None:
    monkeypatch.setattr(files, "_clone_blocks", lambda source, target: False)
    monkeypatch.setattr(files, "CHUNK_BYTES", chunk_bytes)
    content = bytes(range(1, 101))
    (tmp_path / "source").write_bytes(content)
    clone(tmp_path / "source", tmp_path / "target", without=holes)
    left_out = {at for hole in holes for at in hole}
    assert (tmp_path / "target").read_bytes() == bytes(0 if at in left_out else byte for at, byte in enumerate(content))


@on_linux
def test_holes_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_clone_blocks", lambda source, target: False)
    (tmp_path / "source").write_bytes(b"x" * (8 << 20))
    clone(tmp_path / "source", tmp_path / "target", without=[range(1 << 20, 7 << 20)])
    status = (tmp_path / "target").stat()
    assert status.st_size == 8 << 20
    assert status.st_blocks * 512 < 3 << 20


@on_linux
@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS])
def test_a_file_system_without_clones_gets_a_copy(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(handle: int, request: int, argument: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    assert clone(source, tmp_path / "target") == "copy"
    assert (tmp_path / "target").read_bytes() == source.read_bytes()


@on_linux
def test_a_clone_that_fails_for_lack_of_space_is_no_copy(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int, request: int, argument: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    with pytest.raises(OSError, match="No space left"):
        clone(source, tmp_path / "target")
    assert names(tmp_path) == {"source.gguf"}


@settings(deadline=None)
@given(st.binary(max_size=100), st.integers(1, 40))
def test_the_digest_is_that_of_hashlib_whatever_the_chunks(data: bytes, chunk_bytes: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "CHUNK_BYTES", chunk_bytes)
        path = Path(folder) / "f"
        path.write_bytes(data)
        shares: list[float] = []
        assert sha256_file(path, shares.append) == hashlib.sha256(data).hexdigest()
    assert shares == sorted(shares)
    assert len(shares) == -(-len(data) // chunk_bytes)
    assert not data or shares[-1] == 1.0


def test_the_digest_of_a_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sha256_file(tmp_path / "gone")
