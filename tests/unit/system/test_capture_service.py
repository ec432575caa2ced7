"""The pass-through as a service: people wait for what goes through it, so it is nobody's background."""

import plistlib
import sys
from pathlib import Path
from typing import Any

import pytest

from adapterd.home import Home
from adapterd.system import service as services
from adapterd.system.launchd import LaunchdService
from adapterd.system.service_manager import ServiceSpec
from adapterd.system.systemd import SystemdService
from tests.unit.system.test_systemd import values, words

LISTEN, UPSTREAM = "127.0.0.1:11481", "127.0.0.1:11434"
COMMAND = [
    sys.executable, "-P", "-m", "adapterd.capture",
    "--listen", LISTEN, "--upstream", UPSTREAM, "--home", "/home/ada/state",
]  # fmt: skip


@pytest.fixture
def capture(monkeypatch: pytest.MonkeyPatch) -> ServiceSpec:
    given: list[ServiceSpec] = []
    monkeypatch.setattr(services, "service_for", given.append)
    services.capture_service(Home(Path("/home/ada/state")), LISTEN, UPSTREAM)
    [found] = given
    return found


def test_it_is_a_unit_of_its_own(capture: ServiceSpec, user: Path) -> None:
    service = SystemdService(capture)
    unit = values(service.unit())
    assert service.file == user / ".config/systemd/user/adapterd-capture.service"
    assert words(unit["ExecStart"]) == [f":{COMMAND[0]}", *COMMAND[1:]]
    assert (unit["Restart"], unit["RestartSec"], unit["KillMode"]) == ("on-failure", "1", "mixed")
    assert unit["StandardError"] == "append:/home/ada/state/logs/adapterd-capture.err.log"
    assert not {"Nice", "IOSchedulingClass"} & set(unit)


def test_it_is_an_agent_of_its_own(capture: ServiceSpec, user: Path) -> None:
    service = LaunchdService(capture)
    keys: dict[str, Any] = plistlib.loads(service.plist())
    assert service.file == user / "Library/LaunchAgents/dev.adapterd-capture.plist"
    assert service.launcher == Path("/home/ada/state/bin/adapterd-capture")
    assert keys["Label"] == "dev.adapterd-capture"
    assert keys["ProgramArguments"] == [str(service.launcher), *COMMAND[4:]]
    assert (keys["ProcessType"], keys["RunAtLoad"], keys["KeepAlive"]) == (
        "Interactive",
        True,
        {"SuccessfulExit": False},
    )
    assert not {"Nice", "LowPriorityIO", "LowPriorityBackgroundIO"} & set(keys)


def test_what_installs_it_is_named_where_it_is_not_there(capture: ServiceSpec) -> None:
    assert capture.install_command == "adapterctl capture on"
