"""A finished file goes into a blob store: by link if it is ours, else by clone; never by halves."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any, NoReturn

import pytest

from adapterd.errors import NoSpaceError
from adapterd.serving import blob_link
from adapterd.system import files, machine

WEIGHTS = bytes(range(256)) * 100


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "candidate.gguf"
    path.write_bytes(WEIGHTS)
    path.chmod(0o640)
    return path


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    folder = tmp_path / "blobs"
    folder.mkdir()
    return folder / "sha256-00"


def fails(code: int) -> Any:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise OSError(code, os.strerror(code))

    return fail


def test_a_file_of_ours_is_linked_and_never_written_again(source: Path, blob: Path) -> None:
    assert blob_link.link_or_copy(source, blob, may_link=True) == "link"
    assert blob.stat().st_ino == source.stat().st_ino
    assert blob.stat().st_mode & 0o777 == blob_link.READ_ONLY


def test_a_file_of_the_users_stays_as_it_is_and_shares_nothing(source: Path, blob: Path) -> None:
    assert blob_link.link_or_copy(source, blob, may_link=False) in ("clone", "copy")
    assert blob.read_bytes() == WEIGHTS
    assert source.stat().st_mode & 0o777 == 0o640
    assert source.stat().st_nlink == 1
    source.write_bytes(b"changed")
    assert blob.read_bytes() == WEIGHTS


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES])
def test_where_no_link_can_be_made_the_file_is_cloned(
    source: Path, blob: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", fails(code))
    assert blob_link.link_or_copy(source, blob, may_link=True) in ("clone", "copy")
    assert blob.read_bytes() == WEIGHTS
    assert blob.stat().st_ino != source.stat().st_ino


def test_another_fault_of_the_link_is_not_hidden(source: Path, blob: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", fails(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        blob_link.link_or_copy(source, blob, may_link=True)


def test_a_folder_of_another_user_is_left_alone(source: Path, blob: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: blob.parent.stat().st_uid + 1)
    assert blob_link.link_or_copy(source, blob, may_link=True) is None
    assert list(blob.parent.iterdir()) == []
    assert source.stat().st_mode & 0o777 == 0o640


def test_a_folder_that_is_not_there_is_nobodys(source: Path, tmp_path: Path) -> None:
    assert blob_link.link_or_copy(source, tmp_path / "none" / "sha256-00", may_link=False) is None


def test_partial_copy_of_a_crash_is_overwritten(source: Path, blob: Path) -> None:
    blob.with_name(".sha256-00.partial").write_bytes(b"half")
    blob_link.link_or_copy(source, blob, may_link=False)
    assert blob.read_bytes() == WEIGHTS
    assert list(blob.parent.iterdir()) == [blob]


def test_a_full_disk_leaves_no_blob(source: Path, blob: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_clone_blocks", lambda *_: False)
    monkeypatch.setattr(shutil, "copyfile", fails(errno.ENOSPC))
    with pytest.raises(OSError, match="No space"):
        blob_link.link_or_copy(source, blob, may_link=False)
    assert list(blob.parent.iterdir()) == []


def nearly_full(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(machine, "free_bytes", lambda _: free)


def test_a_copy_that_would_not_fit_is_refused_with_what_is_needed_and_free(
    source: Path, blob: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nearly_full(monkeypatch, blob_link.SPARE_BYTES + len(WEIGHTS) - 1)
    with pytest.raises(NoSpaceError) as caught:
        blob_link.link_or_copy(source, blob, may_link=False)
    assert str(caught.value).endswith(f"({blob.parent}), has 0.07 GB free, and 0.07 GB are needed")
    assert any(f"the file system {mount}, " in str(caught.value) for mount in blob.parents if mount.is_mount())
    assert "adapterctl gc" in caught.value.hint
    assert list(blob.parent.iterdir()) == []
    nearly_full(monkeypatch, blob_link.SPARE_BYTES + len(WEIGHTS))
    assert blob_link.link_or_copy(source, blob, may_link=False)


def test_a_link_needs_no_room(source: Path, blob: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nearly_full(monkeypatch, 0)
    assert blob_link.link_or_copy(source, blob, may_link=True) == "link"


def test_where_no_link_can_be_made_there_has_to_be_room(
    source: Path, blob: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nearly_full(monkeypatch, 0)
    monkeypatch.setattr(os, "link", fails(errno.EXDEV))
    with pytest.raises(NoSpaceError):
        blob_link.link_or_copy(source, blob, may_link=True)


def test_partial_copy_of_a_crash_is_listed_with_its_digest(blob: Path) -> None:
    left = blob.with_name(".sha256-00ff.partial")
    left.write_bytes(b"half")
    blob.with_name("sha256-00ff-partial").write_bytes(b"a pull of Ollama's own")
    assert blob_link.unfinished_blobs(blob.parent) == [("sha256:00ff", left)]
