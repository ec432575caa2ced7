"""After `sudo adapterctl …` files of a home belong to root: every command names one, its owner, and the command that
gives it back."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from adapterd.home import Home, make_private
from tests.integration.permissions.test_loose_home import ADAPTERCTL, ADAPTERD, give, lived_in
from tests.support.without_rights import SOMEBODY_ELSE, give_away

__all__ = ["lived_in"]
OWNER = f"belongs to user {SOMEBODY_ELSE}"


def complaint(said: "subprocess.CompletedProcess[str]") -> str:
    return "\n".join(line for line in said.stderr.splitlines() if not line.startswith("  "))


@pytest.fixture(params=["config.toml", "state.db", "http-token", "daemon.lock"])
def important(request: pytest.FixtureRequest, lived_in: Home) -> Path:
    """A file that nothing works without, made anew by root."""
    file: Path = lived_in.root / request.param
    file.touch()
    file.chmod(0o600)
    give_away(file)
    return file


@pytest.mark.parametrize("command", [("status",), ("status", "--check"), ("retrain",), ("gc",)], ids=" ".join)
def test_a_command_says_which_file_and_whose_once(lived_in: Home, important: Path, command: tuple[str, ...]) -> None:
    said = give(lived_in, ADAPTERCTL, *command)
    assert said.returncode == 3, said
    assert complaint(said).count(str(important)) == 1
    assert OWNER in said.stderr
    assert f" {lived_in.root}" in said.stderr.split("sudo chown -R", 1)[1]


def test_the_daemon_says_the_same(lived_in: Home, important: Path) -> None:
    said = give(lived_in, ADAPTERD)
    assert said.returncode == 3
    assert (OWNER in said.stderr, "sudo chown -R" in said.stderr) == (True, True)


def test_doctor_says_the_same(lived_in: Home, important: Path) -> None:
    said = give(lived_in, ADAPTERCTL, "doctor", "--json")
    (check,) = (check for check in json.loads(said.stdout) if check["what"] == "permissions")
    assert (check["level"], OWNER in check["detail"], "sudo chown -R" in check["hint"]) == ("fault", True, True)


@pytest.mark.parametrize("place", ["runs/20260101-000000-aaaa/x", "quarantine/m/x", "logs/adapterd.log", "cache"])
def test_files_further_below_are_warned_of_and_the_command_goes_on(lived_in: Home, place: str) -> None:
    file = lived_in.root / place
    make_private(file.parent)
    file.touch()
    give_away(file)
    said = give(lived_in, ADAPTERCTL, "history")
    assert said.returncode == 0, said
    assert f"{file} {OWNER}" in said.stderr
    assert "sudo chown -R" in said.stderr


def test_feedback_of_other_users_is_no_fault(lived_in: Home) -> None:
    file = lived_in.inbox("m") / "a.jsonl"
    file.touch()
    give_away(file)
    assert give(lived_in, ADAPTERCTL, "history").stderr == ""


def test_gc_does_not_say_that_everything_is_needed_beside_what_it_could_not_remove(lived_in: Home) -> None:
    lived_in.config_file.write_text('runtime = "embedded"\n')
    folder = make_private(lived_in.run("20260101-000000-aaaa"))
    (folder / "x").touch()
    give_away(folder / "x", folder)
    said = give(lived_in, ADAPTERCTL, "gc")
    assert "could not be removed" in said.stderr
    assert "is needed" not in said.stdout
    (note,) = (line for line in said.stderr.splitlines() if line.startswith("note: "))
    assert (OWNER in note, "sudo chown -R" in note) == (True, True)
    assert note.count(str(folder)) <= 2  # the folder that is another user's, and the home in the command


def test_a_configuration_that_a_tool_of_roots_installed_is_used(lived_in: Home, tmp_path: Path) -> None:
    installed = tmp_path / "installed.toml"
    lived_in.config_file.rename(installed)
    installed.chmod(0o644)
    lived_in.config_file.symlink_to(installed)
    if os.geteuid() == 0:
        assert give(lived_in, ADAPTERCTL, "history").returncode == 0
    installed.chmod(0o666)
    assert give(lived_in, ADAPTERCTL, "history").returncode == 3
