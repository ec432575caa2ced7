"""The service as a person installs it: read back by systemd's own parser, and by the commands, with a systemctl that
remembers."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapterd.errors import InputError
from adapterd.system.service_manager import ServiceSpec
from adapterd.system.systemd import SystemdService

needs_systemd_analyze = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not on this machine"
)
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="macOS has launchd")

SYSTEMCTL = """#!/bin/sh
# A user's systemd with one unit: what is started has a file, and what is enabled has one.
printf '%s\\n' "$*" >> "$FAKE/said"
case "$2" in
  show)
    unit="$HOME/.config/systemd/user/adapterd.service"
    [ -e "$unit" ] && echo LoadState=loaded || echo LoadState=not-found
    [ -e "$FAKE/started" ] && printf 'ActiveState=active\\nSubState=running\\nMainPID=4711\\n' && exit
    printf 'ActiveState=failed\\nSubState=failed\\nMainPID=0\\nExecMainCode=1\\nExecMainStatus=3\\n' ;;
  start|restart) touch "$FAKE/started" ;;
  stop) [ -e "$FAKE/started" ] || exit 5; rm "$FAKE/started" ;;
esac
"""


def verify(units: list[Path], runtime: Path) -> "subprocess.CompletedProcess[str]":
    """Have systemd read the units; at this log level it also prints what it understood, one unit after another."""
    environment = os.environ | {"XDG_RUNTIME_DIR": str(runtime), "SYSTEMD_LOG_LEVEL": "debug"}
    command = ["systemd-analyze", "verify", "--user", "--man=no", *map(str, units)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def understood(printed: str) -> list[dict[str, str]]:
    """The `Name: value` lines of each unit that was printed."""
    blocks = printed.split("-> Unit ")[1:]
    return [dict(re.findall(r"^\s+([^:\n]+): (.*)$", block, re.MULTILINE)) for block in blocks]


@needs_systemd_analyze
class TestSystemdReads:
    def test_without_a_fault(self, tmp_path: Path) -> None:
        unit = self.write(tmp_path, "adapterd", self.program(tmp_path / "$HOME %h é & x"), tmp_path / """q"uo'te %n""")
        command = ["systemd-analyze", "verify", "--user", "--man=no", str(unit)]
        done = subprocess.run(
            command, env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}, capture_output=True, text=True, check=False
        )

        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    @settings(max_examples=5, deadline=None)
    @given(st.lists(st.text(max_size=20), min_size=1, max_size=30))
    @example(["$HOME ${HOME} $$", "%h %% %n", "q\"uo'te\\x", "a & b <c>", "é 猫 \u2028 \u00a0x", "#;x", "-~", "=a=b"])
    def test_every_path_as_it_was(self, names: list[str]) -> None:
        with TemporaryDirectory() as folder:
            program = self.program(Path(folder) / "bin")
            homes = [home for name in names if self.can_be(home := Path(f"/x/a{name}."))]
            units = [self.write(Path(folder), f"a{number}", program, home) for number, home in enumerate(homes)]
            if not units:
                return
            done = verify(units, Path(folder))
            read = understood(done.stdout)

        if not read:
            pytest.skip("this systemd-analyze does not print what it read")
        assert done.returncode == 0
        assert [each["Environment"] for each in read] == [f"ADAPTERD_HOME={home}" for home in homes]
        assert [each["WorkingDirectory"] for each in read] == [str(home) for home in homes]
        assert [each["StandardErrorFileToAppend"] for each in read] == [f"{home}/adapterd.err.log" for home in homes]
        assert [shlex.split(each["Command Line"]) for each in read] == [[str(program), "-m", "adapterd"]] * len(homes)

    def test_how_the_daemon_ends_and_is_started_again(self, tmp_path: Path) -> None:
        unit = self.write(tmp_path, "adapterd", self.program(tmp_path), Path("/x"))
        read = understood(verify([unit], tmp_path).stdout)
        if not read:
            pytest.skip("this systemd-analyze does not print what it read")

        wanted = {
            "Restart": "on-failure", "RestartSec": "10s", "KillMode": "mixed", "KillSignal": "SIGTERM",
            "TimeoutStopSec": "30s", "SendSIGKILL": "yes", "OOMPolicy": "continue", "Type": "exec", "UMask": "0077",
            "Nice": "5", "IOSchedulingClass": "idle",
        }  # fmt: skip
        assert read[0] | wanted == read[0]

    @staticmethod
    def can_be(home: Path) -> bool:
        try:
            return bool(ServiceSpec(("/x",), home, home))
        except InputError:
            return False

    @staticmethod
    def program(folder: Path) -> Path:
        program = folder / "python 3"
        folder.mkdir(parents=True, exist_ok=True)
        program.symlink_to(sys.executable)
        return program

    @staticmethod
    def write(folder: Path, name: str, program: Path, home: Path) -> Path:
        file = folder / f"{name}.service"
        unit = SystemdService(ServiceSpec((str(program), "-m", "adapterd"), home, home)).unit()
        file.write_text(unit, encoding="utf-8")
        return file


@on_linux
class TestCommands:
    @pytest.fixture(autouse=True)
    def a_systemctl(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = tmp_path / "bin" / "systemctl"
        fake.parent.mkdir()
        fake.write_text(SYSTEMCTL, encoding="utf-8")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
        monkeypatch.setenv("FAKE", str(fake.parent))
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("ADAPTERD_HOME", str(tmp_path / "state of me"))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        monkeypatch.delenv("SUDO_USER", raising=False)

    def test_a_service_from_its_installation_to_its_end(self, tmp_path: Path) -> None:
        assert self.service("status") | {"installed": False, "running": False} == self.service("status")
        for command, running in [("install", True), ("stop", False), ("start", True), ("restart", True)]:
            once = self.service(command)

            assert self.service(command) == once == self.service("status")
            assert (once["installed"], once["loaded"], once["outdated"]) == (True, True, False)
            assert (once["running"], once["pid"]) == (running, 4711 if running else None)
            assert once["last_exit"] == (None if running else "status 3")
        for _ in range(2):
            gone = self.service("uninstall")
            assert (gone["installed"], gone["loaded"], gone["running"]) == (False, False, False)
        assert not list(tmp_path.glob(".config/systemd/user/*"))

    def test_asking_changes_nothing(self, tmp_path: Path) -> None:
        self.service("status")

        assert {path.name for path in tmp_path.iterdir()} == {"bin"}

    def test_a_person_sees_how_it_stands(self) -> None:
        self.service("install")
        shown = self.run("status").stdout

        assert "installed  yes\nloaded     yes\nrunning    yes, process 4711\nstate      active (running)\n" in shown

    def test_a_person_is_told_of_a_service_of_another_version(self, tmp_path: Path) -> None:
        file = Path(self.service("install")["file"])
        file.write_text(file.read_text(encoding="utf-8").replace("Nice=5", "Nice=9"), encoding="utf-8")

        assert self.service("status")["outdated"] is True
        assert "yes, by another version or for another home (adapterctl service install)" in self.run("status").stdout
        assert self.service("install")["outdated"] is False

    def test_a_service_that_is_not_installed_cannot_be_started(self) -> None:
        done = self.run("start")

        assert done.returncode == 4
        assert done.stderr == "error: the service is not installed\n  adapterctl service install\n"

    def service(self, command: str) -> dict[str, Any]:
        done = self.run(command, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "adapterctl", "service", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)
