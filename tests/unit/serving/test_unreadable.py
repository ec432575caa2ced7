"""What may not be looked at is told apart from what is not there, and never raises."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapterd.serving.unreadable import Access, access, is_folder, ways_out
from tests.support.without_rights import without_rights

LOOK = """
import json, sys
from pathlib import Path
from adapterd.serving.unreadable import access, is_folder, ways_out, why
path = Path(sys.argv[1])
print(json.dumps([access(path).name, is_folder(path.parent), why(path), ways_out(path, "m", "linux")]))
"""


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    path = tmp_path / "store" / "blobs" / "sha256-0"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"GGUF")
    return path


def look(path: Path) -> list[Any]:
    """As somebody whom file modes hold back."""
    command = without_rights(sys.executable, "-c", LOOK, path)
    found: list[Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def test_files_folders_and_nothing_are_told_apart(blob: Path) -> None:
    assert access(blob) is Access.READABLE
    assert access(blob.parent) is Access.MISSING
    assert access(blob / "below a file") is Access.MISSING
    assert access(blob.with_name("x" * 400)) is Access.MISSING
    assert access(Path("a\0b")) is Access.MISSING
    assert (is_folder(blob.parent), is_folder(blob), is_folder(Path("a\0b"))) == (True, False, False)


@pytest.mark.parametrize("shut", [0, 1, 2], ids=["the file", "its folder", "the folder above"])
def test_a_shut_place_is_named_with_owner_and_mode(blob: Path, shut: int) -> None:
    obstacle = [blob, *blob.parents][shut]
    obstacle.chmod(0o000)
    try:
        found, folder, why, out = look(blob)
    finally:
        obstacle.chmod(0o700)
    assert found == "DENIED"
    assert folder is (shut < 2)
    assert why.startswith(f"{obstacle} belongs to {obstacle.owner()} (group {obstacle.group()}, mode 0000)")
    assert "log in again" in out
    assert "adapterctl init m --base FILE.gguf" in out


@pytest.mark.parametrize("relative", [False, True])
def test_behind_a_link_it_is_the_folder_there_that_is_named(tmp_path: Path, relative: bool) -> None:
    shut, link, first = tmp_path / "shut", tmp_path / "open" / "link", tmp_path / "first"
    (shut / "blobs").mkdir(parents=True)
    (shut / "blobs" / "sha256-0").write_bytes(b"GGUF")
    link.parent.mkdir()
    link.symlink_to("../shut/blobs" if relative else shut / "blobs")
    first.symlink_to(link)
    shut.chmod(0o000)
    try:
        found, _, why, _ = look(first / "sha256-0")
    finally:
        shut.chmod(0o700)
    assert found == "DENIED"
    named = why.partition(" belongs to ")[0]
    assert Path(named).resolve() == shut
    assert "mode 0000" in why


def test_on_a_mac_no_linux_command_is_advised(blob: Path) -> None:
    said = ways_out(blob, "m", "darwin")
    assert "usermod" not in said
    assert "adapterctl init m --base FILE.gguf" in said
