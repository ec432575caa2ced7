"""While a run goes on a program of the system keeps the machine awake: stand-ins for it, real processes."""

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adapterd.system.host import stay_awake
from adapterd.system.host.stay_awake import command, staying_awake
from adapterd.system.machine import Power
from tests.acceptance.person import wait_until

AC, BATTERY, UNKNOWN = Power(True, 80.0), Power(False, 80.0), Power(None, None)
NAMES = {"darwin": "caffeinate", "linux": "systemd-inhibit"}
CAFFEINATE = """#!/bin/sh
echo "$@" >>"$0.said"; echo $$ >"$0.pid"
while kill -0 "$3" 2>/dev/null; do sleep 0.05; done
"""
"""As the real one does with -w: it ends with the process of that id."""
INHIBIT = """#!/bin/sh
echo "$@" >>"$0.said"; echo $$ >"$0.pid"
for last; do :; done
exec "$last"
"""
"""As the real one does: it becomes as long-lived as the command that it is given."""
SCRIPTS = {"darwin": CAFFEINATE, "linux": INHIBIT}


class StandIn:
    def __init__(self, folder: Path, platform: str) -> None:
        self.platform = platform
        self._program = folder / NAMES[platform]
        self._program.write_text(SCRIPTS[platform])
        self._program.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        said = Path(f"{self._program}.said")
        return said.read_text().splitlines() if said.exists() else []

    @property
    def is_alive(self) -> bool:
        pid = Path(f"{self._program}.pid")
        if not pid.exists() or not pid.read_text().strip():
            return False
        state = Path(f"/proc/{pid.read_text().strip()}/stat")
        return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture(autouse=True)
def nothing_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stay_awake, "_said", set())


@pytest.fixture(params=["darwin", "linux"])
def program(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return StandIn(tmp_path, request.param)


def always(power: Power) -> Callable[[], Power]:
    return lambda: power


def test_the_display_is_left_alone_and_the_process_is_named() -> None:
    assert command("darwin", 77) == ["caffeinate", "-is", "-w", "77"]
    assert command("linux") == [
        "systemd-inhibit", "--what=sleep:idle", "--mode=block", "--who=adapterd", "--why=a run is going on", "cat",
    ]  # fmt: skip
    assert command("win32") == []


@pytest.mark.parametrize("power", [AC, UNKNOWN])
def test_it_runs_as_long_as_the_run_does(program: StandIn, power: Power) -> None:
    with staying_awake(platform=program.platform, find_power=always(power)):
        wait_until("it runs", lambda: program.is_alive)
    assert not program.is_alive
    assert len(program.calls) == 1


def test_a_run_that_fails_ends_it(program: StandIn) -> None:
    def fail() -> None:
        with staying_awake(platform=program.platform, find_power=always(AC)):
            wait_until("it runs", lambda: program.is_alive)
            raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        fail()
    assert not program.is_alive


def test_on_battery_the_machine_may_sleep(program: StandIn) -> None:
    with staying_awake(platform=program.platform, find_power=always(BATTERY), look_every_s=0.01):
        pass
    assert program.calls == []


def test_it_follows_the_plug(program: StandIn) -> None:
    powers = [BATTERY]
    with staying_awake(platform=program.platform, find_power=lambda: powers[0], look_every_s=0.01):
        powers[0] = AC
        wait_until("it runs on AC", lambda: program.is_alive)
        powers[0] = BATTERY
        wait_until("it ends on battery", lambda: not program.is_alive)
        powers[0] = AC
        wait_until("it runs on AC again", lambda: program.is_alive)


def test_it_ends_with_a_daemon_that_is_killed(program: StandIn) -> None:
    script = (
        "import time; from adapterd.system.host.stay_awake import staying_awake\n"
        "from adapterd.system.machine import Power\n"
        f"with staying_awake(platform={program.platform!r}, find_power=lambda: Power(True, None)): time.sleep(120)"
    )
    killed = subprocess.Popen([sys.executable, "-c", script])
    wait_until("it runs", lambda: program.is_alive)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    wait_until("it has ended", lambda: not program.is_alive)


def test_a_system_without_it_says_so_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            with staying_awake(platform="linux", find_power=always(AC), look_every_s=0.001):
                pass
    assert [entry.getMessage() for entry in caplog.records] == [
        "the machine may fall asleep during a run: there is no systemd-inhibit"
    ]


def test_one_that_is_refused_says_so_once_and_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refusing = tmp_path / "systemd-inhibit"
    refusing.write_text('#!/bin/sh\necho x >>"$0.said"\necho "Failed to inhibit: Access denied" >&2\nexit 1\n')
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with (
        caplog.at_level(logging.INFO),
        staying_awake(platform="linux", find_power=always(AC), look_every_s=0.01),
    ):
        wait_until("it was refused", lambda: caplog.records)
    assert [entry.getMessage() for entry in caplog.records] == [
        "the machine may fall asleep during a run: systemd-inhibit ended: Failed to inhibit: Access denied"
    ]
    assert Path(f"{refusing}.said").read_text() == "x\n"
