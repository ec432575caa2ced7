"""The systemd unit, setting by setting, and the conversation with systemctl by recorded answers."""

import shlex
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapterd.errors import AdapterdError, InputError, NotFoundError
from adapterd.system.commands import Completed
from adapterd.system.service_manager import ServiceSpec
from adapterd.system.systemd import PROPERTIES, SystemdService
from tests.unit.system.service_managers import AWKWARD, PYTHON, Commands

NO_USER_BUS = Completed(1, stderr="Failed to connect to bus: No medium found\n")


def shown(**properties: object) -> Completed:
    """What `systemctl show` says of a unit that has never run, but for these properties."""
    said = {
        "LoadState": "loaded", "ActiveState": "inactive", "SubState": "dead", "MainPID": 0,
        "ExecMainCode": 0, "ExecMainStatus": 0, "NeedDaemonReload": "no",
    } | properties  # fmt: skip
    return Completed(0, "".join(f"{name}={value}\n" for name, value in said.items()))


def values(unit: str) -> dict[str, str]:
    """The settings of a unit file that has none twice; comments and section names left out."""
    pairs = [line.split("=", 1) for line in unit.split("\n") if "=" in line and not line.startswith("#")]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def words(value: str) -> list[str]:
    """A quoted value as systemd reads it; shell rules are the same for what stands in double quotes here."""
    return [word.replace("%%", "%") for word in shlex.split(value)]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestUnit:
    def test_every_setting(self) -> None:
        spec = ServiceSpec((PYTHON, "-m", "adapterd"), Path("/home/ada/state"), Path("/home/ada/logs"))

        assert values(SystemdService(spec).unit()) == {
            "Description": "adapterd, a local model manager for Ollama",
            "StartLimitIntervalSec": "0",
            "Type": "exec",
            "ExecStart": f'":{PYTHON}" "-m" "adapterd"',
            "Environment": '"ADAPTERD_HOME=/home/ada/state"',
            "WorkingDirectory": "/home/ada/state",
            "Restart": "on-failure",
            "RestartSec": "10",
            "KillMode": "mixed",
            "TimeoutStopSec": "30",
            "OOMPolicy": "continue",
            "Nice": "5",
            "IOSchedulingClass": "idle",
            "UMask": "0077",
            "NoNewPrivileges": "yes",
            "RestrictSUIDSGID": "yes",
            "RestrictNamespaces": "yes",
            "RestrictRealtime": "yes",
            "LockPersonality": "yes",
            "SystemCallArchitectures": "native",
            "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6 AF_NETLINK",
            "StandardOutput": "append:/home/ada/logs/adapterd.out.log",
            "StandardError": "append:/home/ada/logs/adapterd.err.log",
            "WantedBy": "default.target",
        }

    def test_awkward_characters_are_escaped(self) -> None:
        folder = Path(f"/x/{AWKWARD}\\y")
        unit = values(SystemdService(ServiceSpec((PYTHON, "$a\\%n"), folder, folder)).unit())

        escaped = """/x/we ird \\"q' $HOME %%h é & <b>\\\\y"""
        assert unit["Environment"] == f'"ADAPTERD_HOME={escaped}"'
        assert unit["ExecStart"] == f'":{PYTHON}" "$a\\\\%%n"'
        assert unit["WorkingDirectory"] == """/x/we ird "q' $HOME %%h é & <b>\\y"""

    @given(st.text())
    @example("a % b %% %h")
    @example('\\"\\\\" "')
    @example("a\u2028b")
    def test_any_path_comes_back_as_it_was_or_is_refused(self, name: str) -> None:
        folder = Path(f"/x/{name}.")
        try:
            spec = ServiceSpec((PYTHON, f"-{name}."), folder, folder)
        except InputError:
            return
        unit = values(SystemdService(spec).unit())

        assert words(unit["ExecStart"]) == [f":{PYTHON}", f"-{name}."]
        assert words(unit["Environment"]) == [f"ADAPTERD_HOME={folder}"]
        assert unit["WorkingDirectory"].replace("%%", "%") == str(folder)

    @pytest.mark.parametrize("character", ["'", '"', "\\"])
    def test_a_program_that_systemd_refuses_is_refused_before(self, spec: ServiceSpec, character: str) -> None:
        awkward = replace(spec, program=(f"/opt/a{character}b/python3", "-m", "adapterd"))
        run = Commands()
        with pytest.raises(InputError, match="there is a quote or a backslash in its path"):
            SystemdService(awkward, run).install()

        assert run.seen == []


class TestInstall:
    def test_installing_writes_the_unit_and_starts_it(self, spec: ServiceSpec, user: Path) -> None:
        run = Commands(show=shown())
        unit = SystemdService(spec, run)
        unit.install()

        assert unit.file == user / ".config" / "systemd" / "user" / "adapterd.service"
        assert unit.file.read_text(encoding="utf-8") == unit.unit()
        assert run.spoken == [
            f"systemctl --user show -p {PROPERTIES} adapterd.service",
            "systemctl --user daemon-reload",
            "systemctl --user enable adapterd.service",
            "systemctl --user restart adapterd.service",
        ]

    def test_the_file_and_the_folders_are_private(self, spec: ServiceSpec) -> None:
        unit = SystemdService(spec, Commands(show=shown()))
        unit.install()

        assert mode(unit.file) == 0o600
        assert mode(spec.home) == mode(spec.log_folder) == 0o700

    def test_another_config_folder_is_respected(
        self, spec: ServiceSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "etc"))
        assert SystemdService(spec).file == tmp_path / "etc" / "systemd" / "user" / "adapterd.service"

    def test_a_relative_config_folder_is_ignored_as_the_convention_says(
        self, spec: ServiceSpec, user: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_CONFIG_HOME", "etc")
        assert SystemdService(spec).file.is_relative_to(user / ".config")

    @pytest.mark.parametrize(
        "message",
        [
            "Failed to connect to bus: No medium found",
            "Failed to connect to user scope bus via local transport: $XDG_RUNTIME_DIR not defined",
        ],
    )
    def test_without_a_user_bus_nothing_is_written_and_the_way_out_is_told(
        self, spec: ServiceSpec, message: str
    ) -> None:
        unit = SystemdService(spec, Commands(show=Completed(1, stderr=f"{message}\n")))
        with pytest.raises(AdapterdError, match="Failed to connect to") as caught:
            unit.install()

        assert not unit.file.exists()
        assert "log in as this very user" in caught.value.hint
        assert "foreground" in caught.value.hint

    def test_a_failure_to_enable_is_told(self, spec: ServiceSpec) -> None:
        run = Commands(show=shown(), enable=Completed(1, stderr="Failed to enable unit: Unit is masked.\n"))
        with pytest.raises(AdapterdError, match=r"enable .*failed: Failed to enable unit: Unit is masked\.$"):
            SystemdService(spec, run).install()

    def test_a_folder_that_cannot_be_made_is_told(self, spec: ServiceSpec) -> None:
        spec.home.touch()
        with pytest.raises(AdapterdError, match=r"adapterd\.service cannot be written: .*state"):
            SystemdService(spec, Commands(show=shown())).install()


class TestUse:
    @pytest.fixture
    def systemd_service(self, spec: ServiceSpec) -> SystemdService:
        unit = SystemdService(spec, Commands(show=shown()))
        unit.install()
        return unit

    def test_uninstall_stops_and_removes(self, systemd_service: SystemdService) -> None:
        run = Commands(reset_failed=Completed(1, stderr="Unit adapterd.service not loaded.\n"))
        replace(systemd_service, run=run).uninstall()

        assert run.verbs == ["stop", "disable", "daemon-reload", "reset-failed"]
        assert not systemd_service.file.exists()

    def test_uninstall_stops_a_daemon_whose_unit_was_removed_by_hand(self, systemd_service: SystemdService) -> None:
        systemd_service.file.unlink()
        run = Commands()
        replace(systemd_service, run=run).uninstall()

        assert run.verbs == ["stop"]

    @pytest.mark.parametrize("command", ["start", "stop", "restart"])
    def test_a_command_is_systemds_own(self, systemd_service: SystemdService, command: str) -> None:
        run = Commands()
        getattr(replace(systemd_service, run=run), command)()

        assert run.spoken == [f"systemctl --user {command} adapterd.service"]

    @pytest.mark.parametrize("command", ["start", "restart"])
    def test_a_service_that_is_not_installed_cannot_be_started(self, spec: ServiceSpec, command: str) -> None:
        with pytest.raises(NotFoundError, match="not installed"):
            getattr(SystemdService(spec, Commands()), command)()

    def test_a_failure_to_stop_is_told(self, systemd_service: SystemdService) -> None:
        with pytest.raises(AdapterdError, match=r"systemctl --user stop .*Failed to connect to bus"):
            replace(systemd_service, run=Commands(stop=NO_USER_BUS)).stop()


class TestStatus:
    @pytest.mark.parametrize(
        ("answer", "running", "pid", "last_exit", "detail"),
        [
            (shown(), False, None, None, "inactive (dead)"),
            (shown(ActiveState="active", SubState="running", MainPID=977), True, 977, None, "active (running)"),
            (
                shown(ActiveState="activating", SubState="auto-restart", ExecMainCode=1, ExecMainStatus=3),
                False,
                None,
                "status 3",
                "activating (auto-restart)",
            ),
            (
                shown(ActiveState="deactivating", SubState="stop-sigterm", MainPID=977),
                False,
                None,
                None,
                "deactivating (stop-sigterm)",
            ),
            (
                shown(ActiveState="failed", SubState="failed", ExecMainCode=2, ExecMainStatus=9),
                False,
                None,
                "signal 9 (Killed)",
                "failed (failed)",
            ),
            (shown(ExecMainCode=3, ExecMainStatus=6), False, None, "signal 6 (Aborted)", "inactive (dead)"),
            (shown(ExecMainCode=1), False, None, "status 0", "inactive (dead)"),
            (Completed(0, ""), False, None, None, "unknown"),
        ],
    )
    def test_the_status_is_read_from_the_properties(
        self,
        spec: ServiceSpec,
        answer: Completed,
        running: bool,
        pid: int | None,
        last_exit: str | None,
        detail: str,
    ) -> None:
        run = Commands(show=answer)
        found = SystemdService(spec, run).status()

        assert (found.running, found.pid, found.last_exit, found.detail) == (running, pid, last_exit, detail)
        assert run.spoken == [f"systemctl --user show -p {PROPERTIES} adapterd.service"]

    @pytest.mark.parametrize(("state", "loaded"), [("loaded", True), ("not-found", False), ("masked", False)])
    def test_loaded_is_what_systemd_says(self, spec: ServiceSpec, state: str, loaded: bool) -> None:
        assert SystemdService(spec, Commands(show=shown(LoadState=state))).status().loaded is loaded

    def test_a_unit_that_systemd_has_not_read_again_is_outdated(self, spec: ServiceSpec) -> None:
        unit = SystemdService(spec, Commands(show=shown(NeedDaemonReload="yes")))
        unit.install()

        assert unit.status().outdated
