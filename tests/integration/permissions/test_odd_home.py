"""Pipes and devices in the place of files of a home: a command says so at once, and waits for nobody to write there."""

import os
from pathlib import Path

import pytest

from adapterd.home import Home
from adapterd.system.permissions.home import look_at_home
from tests.integration.permissions.test_loose_home import ADAPTERCTL, give, lived_in

__all__ = ["lived_in"]
NAMES = (
    "config.toml", "config.lock", "daemon.lock", "run.lock", "tags.lock", "teach.lock", "judge.lock",
    "daemon.json", "removed.json", "cache/digests.json",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["a pipe", "a device"])
def test_what_is_no_file_is_refused_with_the_way_out(lived_in: Home, name: str, kind: str) -> None:
    file = in_place_of(lived_in.root / name, kind)
    (finding,) = look_at_home(lived_in)
    assert (finding.text, finding.hint, finding.refused) == (f"{file} is {kind}, not a file", f"rm {file}", True)


@pytest.mark.parametrize("name", ["config.toml", "daemon.lock"])
def test_nothing_waits_for_the_other_end_of_a_pipe(lived_in: Home, name: str) -> None:
    file = in_place_of(lived_in.root / name, "a pipe")
    said = give(lived_in, ADAPTERCTL, "status")
    assert (said.returncode, f"{file} is a pipe" in said.stderr) == (3, True), said
    assert f"{file} is a pipe" in give(lived_in, ADAPTERCTL, "doctor").stdout


def in_place_of(file: Path, kind: str) -> Path:
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.unlink(missing_ok=True)
    if kind == "a pipe":
        os.mkfifo(file, 0o600)
    else:
        file.symlink_to("/dev/zero")
    return file
