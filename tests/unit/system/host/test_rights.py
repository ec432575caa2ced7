"""The way out for who may not read something: the mode of files, or the privacy settings of macOS."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapterd.system.host.rights import code_of, protected, way_to_read
from tests.support.without_rights import without_rights


def test_macos_names_full_disk_access_the_program_and_the_safe_places() -> None:
    said = way_to_read(Path("/Users/me/Documents/feedback"), errno.EPERM, "darwin")
    assert "System Settings, Privacy & Security, Full Disk Access" in said
    assert os.path.realpath(sys.executable) in said
    assert "outside Documents, Desktop, Downloads, iCloud Drive and external disks" in said


@pytest.mark.parametrize("platform", ["darwin", "linux"])
def test_what_is_no_refusal_has_no_such_way_out(platform: str) -> None:
    assert way_to_read(Path("/x"), errno.EIO, platform) == ""
    assert way_to_read(Path("/x"), None, platform) == ""


def test_the_folder_on_the_way_that_refuses_is_named(tmp_path: Path) -> None:
    refusing = tmp_path / "refusing"
    inside = refusing / "inbox"
    inside.mkdir(parents=True)
    refusing.chmod(0o600)
    script = (
        "from pathlib import Path; from adapterd.system.host.rights import way_to_read\n"
        f"print(way_to_read(Path({str(inside)!r}), 13, 'linux'))"
    )
    asked = without_rights(sys.executable, "-c", script)
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"{refusing} belongs to ")
    assert " and has mode 0600: let " in said


def test_the_system_says_which_refusal_it_is() -> None:
    assert code_of(f"/a/b cannot be read: {os.strerror(errno.EPERM)}") == errno.EPERM
    assert code_of(f"the folder cannot be read: {os.strerror(errno.EACCES)}") == errno.EACCES
    assert code_of("this is a pipe, not a file") is None


@pytest.mark.parametrize(
    ("place", "is_so"),
    [
        ("/Users/me/Documents/feedback", True),
        ("/Users/me/Library/Mobile Documents/com~apple~CloudDocs/feedback", True),
        ("/Volumes/Extern/models/base.gguf", True),
        ("/Users/me/Library/Application Support/adapterd", False),
        ("/Users/me/Documents2", False),
    ],
)
def test_the_places_that_macos_protects(place: str, is_so: bool) -> None:
    assert protected(Path(place), "darwin", Path("/Users/me")) is is_so
    assert protected(Path(place), "linux", Path("/Users/me")) is False
