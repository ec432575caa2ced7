"""Which folders others may write to without an event here."""

from pathlib import Path

import pytest

from adapterd.system import mounts

TABLE = [
    ("/", "ext4"),
    ("/home", "nfs4"),
    ("/home/me/disk", "xfs"),
    ("/mnt/my share", "CIFS"),
    ("/remote", "fuse.sshfs"),
    ("/usb", "fuseblk"),
    ("/twice", "ext4"),
    ("/twice", "nfs"),
]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "_mounts", lambda: TABLE)


@pytest.mark.parametrize(
    "path", ["/home", "/home/me/inbox", "/mnt/my share/a", "/remote/a/b", "/twice/what lies above hides what was there"]
)
def test_a_folder_on_a_share_is_known(table: None, path: str) -> None:
    assert mounts.is_shared(Path(path))


@pytest.mark.parametrize("path", ["/", "/homes", "/home/me/disk/inbox", "/mnt/my", "/usb/inbox", "/etc"])
def test_a_folder_on_a_disk_is_none(table: None, path: str) -> None:
    assert not mounts.is_shared(Path(path))


def test_the_innermost_file_system_counts_in_whatever_order_they_are_listed() -> None:
    assert mounts.kind_of(Path("/home/me/disk/inbox"), reversed(TABLE)) == "xfs"


def test_a_link_is_where_it_leads_to(table: None, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/remote/inbox")
    assert mounts.is_shared(tmp_path / "link")


def test_an_unknown_file_system_is_no_network_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "_mounts", list)
    assert not mounts.is_shared(Path("/remote"))


def test_the_table_of_this_machine_has_its_root() -> None:
    assert mounts.kind_of(Path("/"), mounts._mounts())
