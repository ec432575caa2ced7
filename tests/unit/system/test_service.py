"""The service files, key by key, and the conversations with launchctl and systemctl, by recorded answers."""

import os
import plistlib
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapterd.errors import AdapterdError, InputError, NotFoundError
from adapterd.system import service
from adapterd.system.service import (
    BOOTSTRAP_DELAYS_S,
    Completed,
    LaunchdService,
    ServiceSpec,
    ServiceStatus,
    SystemdService,
    run_command,
    service_for,
)

AWKWARD = """we ird "q' $HOME %h é"""
PYTHON = "/opt/env/bin/python3"
UID = os.getuid()
DOMAIN = f"gui/{UID}"
TARGET = f"{DOMAIN}/dev.adapterd"

RUNNING = """gui/501/dev.adapterd = {
	active count = 4
	path = /Users/ada/Library/LaunchAgents/dev.adapterd.plist
	type = LaunchAgent
	state = running

	program = /Users/ada/env/bin/python3
	arguments = {
		/Users/ada/env/bin/python3
		-m
		adapterd
	}

	working directory = /Users/ada/adapterd

	default environment = {
		PATH => /usr/bin:/bin:/usr/sbin:/sbin
	}

	domain = gui/501 [100004]
	minimum runtime = 10
	exit timeout = 5
	nice = 5
	runs = 3
	pid = 48213
	immediate reason = speculative
	last exit code = (never exited)

	resource coalition = {
		ID = 2177
		type = resource
		state = active
		name = dev.adapterd
	}

	spawn type = background (2)
	properties = keepalive | runatload
}
"""

CRASHED = """gui/501/dev.adapterd = {
	active count = 0
	path = /Users/ada/Library/LaunchAgents/dev.adapterd.plist
	type = LaunchAgent
	state = spawn scheduled

	program = /Users/ada/env/bin/python3
	arguments = {
		/Users/ada/env/bin/python3
		state = running
		pid = 7
	}

	runs = 12
	last exit code = 1

	properties = keepalive | runatload
}
"""

NOT_LOADED = Completed(
    113, stderr=f'Bad request.\nCould not find service "dev.adapterd" in domain for user gui: {UID}\n'
)
NOTHING_BOOTED = Completed(3, stderr="Boot-out failed: 3: No such process\n")
STILL_LEAVING = Completed(5, stderr="Bootstrap failed: 5: Input/output error\nTry re-running the command as root.\n")
NO_USER_BUS = Completed(1, stderr="Failed to connect to bus: No medium found\n")
INACTIVE = Completed(0, "ActiveState=inactive\nMainPID=0\n")


class Commands:
    """Records the commands, and answers each by its verb: with one scripted answer, or with the next of several."""

    def __init__(self, **answers: Completed | list[Completed]) -> None:
        self.answers = answers
        self.seen: list[list[str]] = []

    def __call__(self, argv: Sequence[str]) -> Completed:
        self.seen.append(list(argv))
        verb = next(word for word in argv[1:] if not word.startswith("-"))
        answer = self.answers.get(verb.replace("-", "_"), Completed(0))
        return answer.pop(0) if isinstance(answer, list) else answer

    @property
    def spoken(self) -> list[str]:
        return [" ".join(words) for words in self.seen]


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home of our own, with a path that is hard to quote."""
    home = tmp_path / AWKWARD
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return home


@pytest.fixture
def spec(user: Path) -> ServiceSpec:
    return ServiceSpec((PYTHON, "-m", "adapterd"), home=user / "state", log_folder=user / "state" / "logs")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestSpec:
    def test_a_relative_program_is_refused(self, spec: ServiceSpec) -> None:
        with pytest.raises(InputError, match="'python3' is not an absolute path"):
            replace(spec, program=("python3", "-m", "adapterd"))

    @pytest.mark.parametrize("name", ["a\nb", "a\x00", "a\x7f", "a\udc80", "a ", "a\\"])
    def test_a_path_that_no_service_file_can_hold_is_refused(self, spec: ServiceSpec, name: str) -> None:
        with pytest.raises(InputError, match="cannot stand in a service file"):
            replace(spec, home=Path("/home") / name)
        with pytest.raises(InputError, match="cannot stand in a service file"):
            replace(spec, log_folder=Path("/home") / name)
        with pytest.raises(InputError, match="cannot stand in a service file"):
            replace(spec, program=(PYTHON, name))


class TestPlist:
    def test_every_key(self, spec: ServiceSpec, user: Path) -> None:
        assert plistlib.loads(LaunchdService(spec).plist()) == {
            "Label": "dev.adapterd",
            "ProgramArguments": [PYTHON, "-m", "adapterd"],
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 10,
            "ProcessType": "Background",
            "LowPriorityIO": True,
            "Nice": 5,
            "WorkingDirectory": f"{user}/state",
            "StandardOutPath": f"{user}/state/logs/adapterd.out.log",
            "StandardErrorPath": f"{user}/state/logs/adapterd.err.log",
            "EnvironmentVariables": {
                "ADAPTERD_HOME": f"{user}/state",
                "PATH": "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin",
            },
        }

    @given(st.text(st.characters(exclude_categories=["Cc", "Cs"])).filter(lambda text: text == text.strip()))
    @example("a & b <c> ]]> é 猫 %h \"q\" 'q'")
    def test_any_path_comes_back_as_it_was(self, name: str) -> None:
        folder = Path("/x") / f"{name}."
        keys = plistlib.loads(LaunchdService(ServiceSpec((PYTHON, f"{name}."), folder, folder)).plist())

        assert keys["ProgramArguments"][1] == f"{name}."
        assert keys["EnvironmentVariables"]["ADAPTERD_HOME"] == keys["WorkingDirectory"] == str(folder)


class TestLaunchdInstall:
    def test_it_writes_the_file_and_loads_it(self, spec: ServiceSpec, user: Path) -> None:
        run = Commands(bootout=NOTHING_BOOTED)
        agent = LaunchdService(spec, run)
        agent.install()

        assert agent.file == user / "Library" / "LaunchAgents" / "dev.adapterd.plist"
        assert agent.file.read_bytes() == agent.plist()
        assert run.seen == [
            ["launchctl", "bootout", TARGET],
            ["launchctl", "bootstrap", DOMAIN, str(agent.file)],
        ]

    def test_the_file_and_the_folders_are_private(self, spec: ServiceSpec) -> None:
        agent = LaunchdService(spec, Commands())
        agent.install()

        assert mode(agent.file) == 0o600
        assert mode(spec.home) == mode(spec.log_folder) == 0o700

    def test_a_second_install_replaces_the_first(self, spec: ServiceSpec) -> None:
        LaunchdService(spec, Commands()).install()
        run = Commands()
        agent = LaunchdService(replace(spec, program=(PYTHON, "-X", "dev", "-m", "adapterd")), run)
        agent.install()

        assert plistlib.loads(agent.file.read_bytes())["ProgramArguments"][1] == "-X"
        assert [words[1] for words in run.seen] == ["bootout", "bootstrap"]
        assert list(agent.file.parent.iterdir()) == [agent.file]

    @pytest.mark.parametrize(
        "answer",
        [
            NOTHING_BOOTED,
            NOT_LOADED,
            Completed(113),
            Completed(1, stderr="No such process\n"),
            Completed(64, stderr="Could not find service in domain\n"),
            Completed(36, stderr="Boot-out failed: 36: Operation now in progress\n"),
        ],
    )
    def test_an_agent_that_is_not_loaded_or_still_ending_is_no_obstacle(
        self, spec: ServiceSpec, answer: Completed
    ) -> None:
        run = Commands(bootout=answer)
        LaunchdService(spec, run).install()

        assert run.seen[-1][1] == "bootstrap"

    @pytest.mark.parametrize(
        "refusal", [STILL_LEAVING, Completed(37, stderr="Bootstrap failed: 37: Operation already in progress")]
    )
    def test_it_waits_for_the_old_agent_to_end(self, spec: ServiceSpec, refusal: Completed) -> None:
        run, slept = Commands(bootstrap=[refusal, refusal, Completed(0)]), list[float]()
        LaunchdService(spec, run, slept.append).install()

        assert [words[1] for words in run.seen] == ["bootout", "bootstrap", "bootstrap", "bootstrap"]
        assert slept == list(BOOTSTRAP_DELAYS_S[:2])

    def test_it_gives_up_with_the_command_and_its_message(self, spec: ServiceSpec) -> None:
        run, slept = Commands(bootstrap=STILL_LEAVING), list[float]()
        with pytest.raises(AdapterdError, match=r"launchctl bootstrap .*failed: .*Input/output error") as caught:
            LaunchdService(spec, run, slept.append).install()

        assert slept == list(BOOTSTRAP_DELAYS_S)
        assert len(run.seen) == 1 + len(BOOTSTRAP_DELAYS_S) + 1
        assert "foreground" in caught.value.hint

    def test_another_failure_is_not_tried_again(self, spec: ServiceSpec) -> None:
        run = Commands(bootstrap=Completed(125, stderr="Bootstrap failed: 125: Domain does not support this action\n"))
        with pytest.raises(AdapterdError, match="125: Domain does not support"):
            LaunchdService(spec, run).install()

        assert [words[1] for words in run.seen] == ["bootout", "bootstrap"]

    def test_a_failure_to_unload_is_told(self, spec: ServiceSpec) -> None:
        with pytest.raises(AdapterdError, match=r"launchctl bootout .*Not privileged"):
            LaunchdService(spec, Commands(bootout=Completed(1, stderr="Not privileged"))).install()

    def test_a_folder_that_cannot_be_made_is_told(self, spec: ServiceSpec, user: Path) -> None:
        (user / "Library").touch()
        run = Commands()
        with pytest.raises(AdapterdError, match=r"dev\.adapterd\.plist cannot be written: Not a directory"):
            LaunchdService(spec, run).install()

        assert run.seen == []


class TestLaunchdUse:
    @pytest.fixture
    def installed(self, spec: ServiceSpec) -> LaunchdService:
        agent = LaunchdService(spec, Commands())
        agent.install()
        return agent

    def test_uninstall_unloads_and_removes(self, installed: LaunchdService) -> None:
        run = Commands()
        replace(installed, run=run).uninstall()

        assert run.seen == [["launchctl", "bootout", TARGET]]
        assert not installed.file.exists()

    def test_uninstall_of_nothing_is_no_error(self, spec: ServiceSpec) -> None:
        LaunchdService(spec, Commands(bootout=NOTHING_BOOTED)).uninstall()

    def test_start_kicks_a_loaded_agent(self, installed: LaunchdService) -> None:
        run = Commands(print=Completed(0, CRASHED))
        replace(installed, run=run).start()

        assert run.spoken == [f"launchctl print {TARGET}", f"launchctl kickstart -k {TARGET}"]

    def test_start_loads_an_agent_that_is_not_loaded(self, installed: LaunchdService) -> None:
        run = Commands(print=NOT_LOADED)
        replace(installed, run=run).start()

        assert run.spoken[1:] == [f"launchctl bootstrap {DOMAIN} {installed.file}"]

    def test_start_of_nothing_says_so(self, spec: ServiceSpec) -> None:
        run = Commands()
        with pytest.raises(NotFoundError, match="not installed") as caught:
            LaunchdService(spec, run).start()

        assert caught.value.hint == "adapterctl service install"
        assert run.seen == []

    def test_stop_asks_the_daemon_to_end(self, installed: LaunchdService) -> None:
        run = Commands()
        replace(installed, run=run).stop()

        assert run.spoken == [f"launchctl kill SIGTERM {TARGET}"]

    @pytest.mark.parametrize("answer", [NOT_LOADED, Completed(3, stderr="No process to signal.\n")])
    def test_stop_of_a_stopped_daemon_is_no_error(self, installed: LaunchdService, answer: Completed) -> None:
        replace(installed, run=Commands(kill=answer)).stop()

    def test_a_failed_kickstart_is_told(self, installed: LaunchdService) -> None:
        run = Commands(print=Completed(0, RUNNING), kickstart=Completed(1, stderr="Operation not permitted\n"))
        with pytest.raises(AdapterdError, match=f"launchctl kickstart -k {TARGET} failed: Operation not permitted$"):
            replace(installed, run=run).start()


class TestLaunchdStatus:
    @pytest.mark.parametrize(
        ("answer", "running", "pid", "detail"),
        [
            (Completed(0, RUNNING), True, 48213, "running"),
            (Completed(0, CRASHED), False, None, "spawn scheduled, last exit code 1"),
            (Completed(0, "gui/501/dev.adapterd = {\n\tstate = not running\n}\n"), False, None, "not running"),
            (NOT_LOADED, False, None, "not loaded"),
            (Completed(0, "a format of tomorrow"), False, None, "unknown"),
        ],
    )
    def test_it_is_read_from_what_launchctl_prints(
        self, spec: ServiceSpec, answer: Completed, running: bool, pid: int | None, detail: str
    ) -> None:
        run = Commands(print=answer)
        agent = LaunchdService(spec, run)

        assert agent.status() == ServiceStatus(False, running, pid, detail, agent.file)
        assert run.spoken == [f"launchctl print {TARGET}"]

    def test_installed_means_that_the_file_is_there(self, spec: ServiceSpec) -> None:
        agent = LaunchdService(spec, Commands(print=NOT_LOADED))
        agent.install()

        assert agent.status().installed


def values(unit: str) -> dict[str, str]:
    """The settings of a unit file that has none twice; comments and section names left out."""
    pairs = [line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#")]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def words(value: str) -> list[str]:
    """A quoted value as systemd reads it; shell rules are the same for what stands in double quotes here."""
    return [word.replace("%%", "%") for word in shlex.split(value)]


class TestUnit:
    def test_every_setting(self) -> None:
        spec = ServiceSpec((PYTHON, "-m", "adapterd"), Path("/home/ada/state"), Path("/home/ada/logs"))

        assert values(SystemdService(spec).unit()) == {
            "Description": "adapterd, a local model manager for Ollama",
            "Type": "exec",
            "ExecStart": f'":{PYTHON}" "-m" "adapterd"',
            "Environment": '"ADAPTERD_HOME=/home/ada/state"',
            "WorkingDirectory": "/home/ada/state",
            "Restart": "on-failure",
            "RestartSec": "10",
            "Nice": "5",
            "IOSchedulingClass": "idle",
            "StandardOutput": "append:/home/ada/logs/adapterd.out.log",
            "StandardError": "append:/home/ada/logs/adapterd.err.log",
            "WantedBy": "default.target",
        }

    def test_awkward_characters_are_escaped(self) -> None:
        folder = Path(f"/x/{AWKWARD}\\y")
        unit = values(SystemdService(ServiceSpec((PYTHON, "$a\\%n"), folder, folder)).unit())

        escaped = """/x/we ird \\"q' $HOME %%h é\\\\y"""
        assert unit["Environment"] == f'"ADAPTERD_HOME={escaped}"'
        assert unit["ExecStart"] == f'":{PYTHON}" "$a\\\\%%n"'
        assert unit["WorkingDirectory"] == """/x/we ird "q' $HOME %%h é\\y"""

    @given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])))
    @example("a % b %% %h")
    @example('\\"\\\\" "')
    def test_any_path_comes_back_as_it_was(self, name: str) -> None:
        folder = Path("/x") / f"{name}."
        unit = values(SystemdService(ServiceSpec((PYTHON, f"-{name}."), folder, folder)).unit())

        assert words(unit["ExecStart"]) == [f":{PYTHON}", f"-{name}."]
        assert words(unit["Environment"]) == [f"ADAPTERD_HOME={folder}"]
        assert unit["WorkingDirectory"].replace("%%", "%") == str(folder)

    @pytest.mark.parametrize("character", ["'", '"', "\\"])
    def test_a_program_that_systemd_refuses_is_refused_before(self, spec: ServiceSpec, character: str) -> None:
        awkward = replace(spec, program=(f"/opt/a{character}b/python3", "-m", "adapterd"))
        with pytest.raises(InputError, match="there is a quote or a backslash in its path"):
            SystemdService(awkward).unit()

    @pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not on this machine")
    def test_systemd_itself_finds_no_fault(
        self, spec: ServiceSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = tmp_path / "$HOME %h é" / "python 3"
        program.parent.mkdir()
        program.symlink_to(sys.executable)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        unit = SystemdService(replace(spec, program=(str(program), "-m", "adapterd")), Commands(show=INACTIVE))
        unit.install()

        verify = ["systemd-analyze", "verify", "--user", "--man=no", str(unit.file)]
        done = subprocess.run(verify, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class TestSystemdInstall:
    def test_it_writes_the_unit_and_starts_it(self, spec: ServiceSpec, user: Path) -> None:
        run = Commands(show=INACTIVE)
        unit = SystemdService(spec, run)
        unit.install()

        assert unit.file == user / ".config" / "systemd" / "user" / "adapterd.service"
        assert unit.file.read_text(encoding="utf-8") == unit.unit()
        assert run.spoken == [
            "systemctl --user show -p ActiveState,MainPID adapterd.service",
            "systemctl --user daemon-reload",
            "systemctl --user enable --now adapterd.service",
        ]

    def test_the_file_and_the_folders_are_private(self, spec: ServiceSpec) -> None:
        unit = SystemdService(spec, Commands(show=INACTIVE))
        unit.install()

        assert mode(unit.file) == 0o600
        assert mode(spec.home) == mode(spec.log_folder) == 0o700

    def test_a_second_install_replaces_the_first_and_starts_anew(self, spec: ServiceSpec) -> None:
        SystemdService(spec, Commands(show=INACTIVE)).install()
        run = Commands(show=INACTIVE)
        unit = SystemdService(replace(spec, program=(PYTHON, "-X", "dev", "-m", "adapterd")), run)
        unit.install()

        assert '"-X"' in unit.file.read_text(encoding="utf-8")
        assert run.spoken[1:] == [
            "systemctl --user daemon-reload",
            "systemctl --user enable --now adapterd.service",
            "systemctl --user restart adapterd.service",
        ]
        assert list(unit.file.parent.iterdir()) == [unit.file]

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
        run = Commands(show=INACTIVE, enable=Completed(1, stderr="Failed to enable unit: Unit is masked.\n"))
        with pytest.raises(AdapterdError, match=r"enable --now .*failed: Failed to enable unit: Unit is masked\.$"):
            SystemdService(spec, run).install()

    def test_a_folder_that_cannot_be_made_is_told(self, spec: ServiceSpec) -> None:
        spec.home.touch()
        with pytest.raises(AdapterdError, match=r"adapterd\.service cannot be written: .*state"):
            SystemdService(spec, Commands(show=INACTIVE)).install()


class TestSystemdUse:
    @pytest.fixture
    def installed(self, spec: ServiceSpec) -> SystemdService:
        unit = SystemdService(spec, Commands(show=INACTIVE))
        unit.install()
        return unit

    def test_uninstall_stops_and_removes(self, installed: SystemdService) -> None:
        run = Commands()
        replace(installed, run=run).uninstall()

        assert run.spoken == [
            "systemctl --user disable --now adapterd.service",
            "systemctl --user daemon-reload",
        ]
        assert not installed.file.exists()

    def test_uninstall_of_nothing_is_no_error(self, spec: ServiceSpec) -> None:
        run = Commands()
        SystemdService(spec, run).uninstall()

        assert run.seen == []

    def test_start(self, installed: SystemdService) -> None:
        run = Commands()
        replace(installed, run=run).start()

        assert run.spoken == ["systemctl --user restart adapterd.service"]

    def test_start_of_nothing_says_so(self, spec: ServiceSpec) -> None:
        with pytest.raises(NotFoundError, match="not installed"):
            SystemdService(spec, Commands()).start()

    def test_stop(self, installed: SystemdService) -> None:
        run = Commands()
        replace(installed, run=run).stop()

        assert run.spoken == ["systemctl --user stop adapterd.service"]

    def test_stop_of_nothing_is_no_error(self, spec: ServiceSpec) -> None:
        answer = Completed(5, stderr="Failed to stop adapterd.service: Unit adapterd.service not loaded.\n")
        SystemdService(spec, Commands(stop=answer)).stop()

    def test_a_failure_to_stop_is_told(self, installed: SystemdService) -> None:
        with pytest.raises(AdapterdError, match=r"systemctl --user stop .*Failed to connect to bus"):
            replace(installed, run=Commands(stop=NO_USER_BUS)).stop()

    @pytest.mark.parametrize(
        ("shown", "running", "pid", "detail"),
        [
            ("ActiveState=active\nMainPID=977\n", True, 977, "active"),
            ("MainPID=977\nActiveState=active\n", True, 977, "active"),
            ("ActiveState=inactive\nMainPID=0\n", False, None, "inactive"),
            ("ActiveState=activating\nMainPID=0\n", False, None, "activating"),
            ("ActiveState=deactivating\nMainPID=977\n", False, None, "deactivating"),
            ("ActiveState=failed\nMainPID=0\n", False, None, "failed"),
            ("", False, None, "unknown"),
        ],
    )
    def test_status_is_read_from_the_properties(
        self, installed: SystemdService, shown: str, running: bool, pid: int | None, detail: str
    ) -> None:
        run = Commands(show=Completed(0, shown))

        assert replace(installed, run=run).status() == ServiceStatus(True, running, pid, detail, installed.file)
        assert run.spoken == ["systemctl --user show -p ActiveState,MainPID adapterd.service"]

    def test_status_of_nothing(self, spec: ServiceSpec) -> None:
        unit = SystemdService(spec, Commands(show=INACTIVE))

        assert unit.status() == ServiceStatus(False, False, None, "inactive", unit.file)


class TestServiceFor:
    def test_macos_has_launchd_and_linux_systemd(self, spec: ServiceSpec) -> None:
        assert service_for(spec, "darwin") == LaunchdService(spec)
        assert service_for(spec, "linux") == SystemdService(spec)

    def test_another_platform_is_told(self, spec: ServiceSpec) -> None:
        with pytest.raises(AdapterdError, match="no service manager is known for the platform 'win32'") as caught:
            service_for(spec, "win32")

        assert "foreground" in caught.value.hint


class TestRunCommand:
    def test_it_returns_what_was_said(self) -> None:
        code = "import sys; print('out'); print('érr', file=sys.stderr); sys.exit(4)"

        assert run_command([sys.executable, "-X", "utf8", "-c", code]) == Completed(4, "out\n", "érr\n")

    def test_bytes_that_are_not_text_do_no_harm(self) -> None:
        code = "import sys; sys.stdout.buffer.write(b'a\\xffb')"

        assert run_command([sys.executable, "-c", code]).stdout == "a\ufffdb"

    def test_a_missing_command_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(AdapterdError, match="systemctl cannot be run: No such file") as caught:
            run_command([str(tmp_path / "systemctl")])

        assert "foreground" in caught.value.hint

    def test_a_command_that_hangs_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(service, "COMMAND_TIMEOUT_S", 0.05)
        with pytest.raises(AdapterdError, match=r"did not end within 0\.05 s"):
            run_command([sys.executable, "-c", "import time; time.sleep(30)"])

    @pytest.mark.parametrize(
        ("done", "message"),
        [
            (Completed(1, "said\n", " failed\n"), "failed"),
            (Completed(1, "said\n"), "said"),
            (Completed(9), "exit status 9"),
        ],
    )
    def test_the_message_is_what_the_command_complained_of(self, done: Completed, message: str) -> None:
        assert done.message == message


def test_the_default_runner_is_the_real_one(spec: ServiceSpec) -> None:
    services: list[Any] = [service_for(spec, platform) for platform in ("darwin", "linux")]

    assert [each.run for each in services] == [run_command, run_command]
