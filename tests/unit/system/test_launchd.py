"""The launch agent: its property list, key by key, and the conversation with launchctl by recorded answers."""

import plistlib
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapterd.errors import AdapterdError, InputError, NotFoundError
from adapterd.system.commands import Completed
from adapterd.system.launchd import BOOTSTRAP_DELAYS_S, START_DELAYS_S, STOP_DELAYS_S, LaunchdService
from adapterd.system.service_manager import ServiceSpec
from tests.unit.system.service_managers import (
    ALREADY_LOADED,
    DOMAIN,
    NOT_LOADED,
    NOTHING_BOOTED,
    PYTHON,
    TARGET,
    Commands,
)

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

	working directory = /Users/ada/Library/Application Support/adapterd

	stdout path = /Users/ada/Library/Application Support/adapterd/logs/adapterd.out.log
	stderr path = /Users/ada/Library/Application Support/adapterd/logs/adapterd.err.log
	inherited environment = {
		SSH_AUTH_SOCK => /private/tmp/com.apple.launchd.x/Listeners
	}

	default environment = {
		PATH => /usr/bin:/bin:/usr/sbin:/sbin
	}

	environment = {
		ADAPTERD_HOME => /Users/ada/Library/Application Support/adapterd
		XPC_SERVICE_NAME => dev.adapterd
	}

	domain = gui/501 [100004]
	asid = 100004
	minimum runtime = 10
	exit timeout = 30
	nice = 5
	runs = 1
	pid = 48213
	immediate reason = speculative
	forks = 0
	execs = 1
	initialized = 1
	trampolined = 1
	started suspended = 0
	last exit code = (never exited)

	resource coalition = {
		ID = 2177
		type = resource
		state = active
		active count = 1
		name = dev.adapterd
	}

	spawn type = background (2)
	jetsam priority = 40
	jetsam memory limit (active) = (unlimited)

	properties = keepalive | runatload | inferred program
}
"""

WAITING = """gui/501/dev.adapterd = {
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
	last exit code = 3

	properties = keepalive | runatload
}
"""


def ended(line: str, state: str = "not running") -> str:
    return f"gui/501/dev.adapterd = {{\n\tstate = {state}\n\truns = 2\n\t{line}\n}}\n"


OK = Completed(0)
UP = Completed(0, RUNNING)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@dataclass(frozen=True)
class Fact:
    """What launchd.plist(5) says of a key, in our words: which types it takes, and what we rely on."""

    says: str
    types: tuple[type, ...]
    wanted: Callable[[Any], bool]


def is_file_in_the_home(value: str) -> bool:
    return value.startswith("/home/ada/state/")


FACTS = {
    "Label": Fact("required; names the job, one of a name per domain", (str,), lambda it: it == "dev.adapterd"),
    "ProgramArguments": Fact(
        "the argument vector; its first word is the program where there is no key Program; no shell reads it",
        (list,),
        lambda it: it == [PYTHON, "-m", "adapterd"],
    ),
    "EnvironmentVariables": Fact(
        "variables added to the job's environment, strings by name; values are taken as they are",
        (dict,),
        lambda it: it == {"ADAPTERD_HOME": "/home/ada/state"},
    ),
    "WorkingDirectory": Fact("where the job is started in", (str,), lambda it: it == "/home/ada/state"),
    "StandardOutPath": Fact(
        "a file that gets what the job prints; a tilde is not expanded", (str,), is_file_in_the_home
    ),
    "StandardErrorPath": Fact("the same for what it complains of", (str,), is_file_in_the_home),
    "RunAtLoad": Fact("start once when the job is loaded, so at login; false if not given", (bool,), lambda it: it),
    "KeepAlive": Fact(
        "true, or conditions under which it is started again; SuccessfulExit false: when it ended with a status other "
        "than zero, or by a signal",
        (bool, dict),
        lambda it: it == {"SuccessfulExit": False},
    ),
    "ThrottleInterval": Fact(
        "seconds from one start to the next, at the least; ten if not given", (int,), lambda it: it >= 10
    ),
    "ExitTimeOut": Fact(
        "seconds between SIGTERM and SIGKILL when it is to end; zero would be for ever",
        (int,),
        lambda it: 10 < it < sum(STOP_DELAYS_S),
    ),
    "ProcessType": Fact(
        "Background, Standard, Adaptive or Interactive; Background is for work that nobody waits for",
        (str,),
        lambda it: it == "Background",
    ),
    "LowPriorityIO": Fact("its file I/O comes after that of others", (bool,), lambda it: it),
    "LowPriorityBackgroundIO": Fact("the same while the kernel has it in the background", (bool,), lambda it: it),
    "Nice": Fact("the niceness it is started with, -20 to 20", (int,), lambda it: 0 < it <= 20),
    "Umask": Fact(
        "the mask of file modes; property lists know no octal numbers, so it is decimal",
        (int, str),
        lambda it: it == 0o077,
    ),
}

WITHOUT = {
    "Program": "the first of ProgramArguments is enough",
    "UserName": "only for system daemons; an agent runs as its user",
    "SessionCreate": "only for what needs a security session of its own",
    "Disabled": "deprecated; `launchctl enable` has the last word",
    "OnDemand": "replaced by KeepAlive",
    "AbandonProcessGroup": "true would let a worker live on after the daemon; launchd kills the process group",
    "LaunchOnlyOnce": "it would never be started again",
    "StartInterval": "the daemon keeps the schedule itself",
    "EnableTransactions": "launchd might kill it as idle",
}


class TestPlist:
    @pytest.fixture
    def keys(self) -> dict[str, Any]:
        spec = ServiceSpec((PYTHON, "-m", "adapterd"), Path("/home/ada/state"), Path("/home/ada/state/logs"))
        keys: dict[str, Any] = plistlib.loads(LaunchdService(spec).plist())
        return keys

    def test_there_are_these_keys_and_no_others(self, keys: dict[str, Any]) -> None:
        assert set(keys) == set(FACTS)
        assert not set(keys) & set(WITHOUT)

    @pytest.mark.parametrize("key", FACTS)
    def test_a_key_is_of_the_type_that_launchd_takes_and_says_what_we_want(
        self, keys: dict[str, Any], key: str
    ) -> None:
        fact = FACTS[key]

        assert type(keys[key]) in fact.types, fact.says
        assert fact.wanted(keys[key]), fact.says

    def test_output_and_errors_are_kept_apart(self, keys: dict[str, Any]) -> None:
        assert keys["StandardOutPath"] != keys["StandardErrorPath"]

    @given(st.text())
    @example("a & b <c> ]]> é 猫 %h \"q\" 'q' $HOME")
    @example("\ufffe")
    def test_any_path_comes_back_as_it_was_or_is_refused(self, name: str) -> None:
        folder = Path(f"/x/{name}.")
        try:
            spec = ServiceSpec((PYTHON, f"{name}."), folder, folder)
        except InputError:
            return
        keys = plistlib.loads(LaunchdService(spec).plist())

        assert keys["ProgramArguments"] == [PYTHON, f"{name}."]
        assert keys["EnvironmentVariables"]["ADAPTERD_HOME"] == keys["WorkingDirectory"] == str(folder)
        assert keys["StandardErrorPath"] == f"{folder}/adapterd.err.log"

    @given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"])))
    def test_no_plain_path_is_refused(self, name: str) -> None:
        assert ServiceSpec((PYTHON,), Path(f"/x/.{name}."), Path("/x"))


class TestInstall:
    def test_installing_writes_the_file_and_loads_it(self, spec: ServiceSpec, user: Path) -> None:
        run = Commands(bootout=NOTHING_BOOTED, print=[NOT_LOADED, UP])
        agent = LaunchdService(spec, run)
        agent.install()

        assert agent.file == user / "Library" / "LaunchAgents" / "dev.adapterd.plist"
        assert agent.file.read_bytes() == agent.plist()
        assert run.seen == [
            ["launchctl", "bootout", TARGET],
            ["launchctl", "print", TARGET],
            ["launchctl", "enable", TARGET],
            ["launchctl", "bootstrap", DOMAIN, str(agent.file)],
            ["launchctl", "print", TARGET],
        ]

    def test_the_file_and_the_folders_are_private(self, spec: ServiceSpec) -> None:
        agent = LaunchdService(spec, Commands(print=[NOT_LOADED, UP]))
        agent.install()

        assert mode(agent.file) == 0o600
        assert mode(spec.home) == mode(spec.log_folder) == 0o700

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
        run = Commands(bootout=answer, print=[NOT_LOADED, UP])
        LaunchdService(spec, run).install()

        assert run.verbs[-2:] == ["bootstrap", "print"]

    def test_installing_waits_for_the_old_daemon_to_end(self, spec: ServiceSpec) -> None:
        run, slept = Commands(print=[UP, UP, NOT_LOADED, UP]), list[float]()
        LaunchdService(spec, run, slept.append).install()

        assert run.verbs == ["bootout", "print", "print", "print", "enable", "bootstrap", "print"]
        assert slept == list(STOP_DELAYS_S[:2])

    @pytest.mark.parametrize(
        "refusal", [ALREADY_LOADED, Completed(37, stderr="Bootstrap failed: 37: Operation already in progress")]
    )
    def test_a_refusal_that_may_pass_is_tried_again(self, spec: ServiceSpec, refusal: Completed) -> None:
        run, slept = Commands(bootstrap=[refusal, refusal, OK], print=[NOT_LOADED, UP]), list[float]()
        LaunchdService(spec, run, slept.append).install()

        assert run.verbs.count("bootstrap") == 3
        assert slept == list(BOOTSTRAP_DELAYS_S[:2])

    def test_a_refusal_names_the_command_its_message_and_where_to_look(self, spec: ServiceSpec) -> None:
        run, slept = Commands(bootstrap=ALREADY_LOADED, print=NOT_LOADED), list[float]()
        with pytest.raises(AdapterdError, match=r"launchctl bootstrap .*failed: .*Input/output error") as caught:
            LaunchdService(spec, run, slept.append).install()

        assert slept == list(BOOTSTRAP_DELAYS_S)
        assert run.verbs.count("bootstrap") == len(BOOTSTRAP_DELAYS_S) + 1
        assert "Login Items" in caught.value.hint

    def test_without_a_graphical_session_it_says_so_at_once(self, spec: ServiceSpec) -> None:
        refusal = Completed(125, stderr="Bootstrap failed: 125: Domain does not support specified action\n")
        run = Commands(bootstrap=refusal, print=NOT_LOADED)
        with pytest.raises(AdapterdError, match="125: Domain does not support") as caught:
            LaunchdService(spec, run).install()

        assert run.verbs.count("bootstrap") == 1
        assert "log in at the screen" in caught.value.hint

    def test_a_failure_to_unload_is_told(self, spec: ServiceSpec) -> None:
        with pytest.raises(AdapterdError, match=r"launchctl bootout .*Not privileged"):
            LaunchdService(spec, Commands(bootout=Completed(1, stderr="Not privileged"))).install()

    def test_a_daemon_that_launchd_does_not_start_does_not_keep_it(self, spec: ServiceSpec) -> None:
        run, slept = Commands(print=[NOT_LOADED, Completed(0, WAITING)]), list[float]()
        LaunchdService(spec, run, slept.append).install()

        assert slept == list(START_DELAYS_S)

    def test_a_folder_that_cannot_be_made_is_told(self, spec: ServiceSpec, user: Path) -> None:
        (user / "Library").touch()
        run = Commands()
        with pytest.raises(AdapterdError, match=r"dev\.adapterd\.plist cannot be written: Not a directory"):
            LaunchdService(spec, run).install()

        assert run.seen == []


class TestUse:
    @pytest.fixture
    def launchd_service(self, spec: ServiceSpec) -> LaunchdService:
        agent = LaunchdService(spec, Commands(print=[NOT_LOADED, UP]))
        agent.install()
        return agent

    def test_uninstall_unloads_and_removes(self, launchd_service: LaunchdService) -> None:
        run = Commands(print=NOT_LOADED)
        replace(launchd_service, run=run).uninstall()

        assert run.verbs == ["bootout", "print"]
        assert not launchd_service.file.exists()

    def test_start_leaves_a_running_daemon_alone(self, launchd_service: LaunchdService) -> None:
        run = Commands(print=UP)
        replace(launchd_service, run=run).start()

        assert run.verbs == ["print"]

    def test_start_kicks_a_loaded_agent(self, launchd_service: LaunchdService) -> None:
        run = Commands(print=[Completed(0, WAITING), UP])
        replace(launchd_service, run=run).start()

        assert run.spoken[1] == f"launchctl kickstart {TARGET}"

    @pytest.mark.parametrize("command", ["start", "restart"])
    def test_an_agent_that_is_not_loaded_is_loaded(self, launchd_service: LaunchdService, command: str) -> None:
        run = Commands(print=[NOT_LOADED, UP])
        getattr(replace(launchd_service, run=run), command)()

        assert run.spoken[1:3] == [f"launchctl enable {TARGET}", f"launchctl bootstrap {DOMAIN} {launchd_service.file}"]

    def test_restart_ends_the_daemon_first(self, launchd_service: LaunchdService) -> None:
        run = Commands(print=UP)
        replace(launchd_service, run=run).restart()

        assert run.spoken[1] == f"launchctl kickstart -k {TARGET}"

    @pytest.mark.parametrize("command", ["start", "restart"])
    def test_a_service_that_is_not_installed_cannot_be_started(self, spec: ServiceSpec, command: str) -> None:
        run = Commands()
        with pytest.raises(NotFoundError, match="not installed") as caught:
            getattr(LaunchdService(spec, run), command)()

        assert caught.value.hint == "adapterctl service install"
        assert run.seen == []

    def test_stop_unloads_so_that_a_crashing_daemon_stays_down_too(self, launchd_service: LaunchdService) -> None:
        run = Commands(print=NOT_LOADED)
        replace(launchd_service, run=run).stop()

        assert run.spoken == [f"launchctl bootout {TARGET}", f"launchctl print {TARGET}"]
        assert launchd_service.file.exists()

    def test_a_daemon_that_does_not_end_is_told(self, launchd_service: LaunchdService) -> None:
        run, slept = Commands(print=UP), list[float]()
        with pytest.raises(AdapterdError, match="has not ended yet"):
            replace(launchd_service, run=run, sleep=slept.append).stop()

        assert slept == list(STOP_DELAYS_S)

    def test_a_failed_kickstart_is_told(self, launchd_service: LaunchdService) -> None:
        run = Commands(print=UP, kickstart=Completed(1, stderr="Operation not permitted\n"))
        with pytest.raises(AdapterdError, match=f"launchctl kickstart -k {TARGET} failed: Operation not permitted$"):
            replace(launchd_service, run=run).restart()


class TestStatus:
    @pytest.mark.parametrize(
        ("printed", "running", "pid", "last_exit", "detail"),
        [
            (RUNNING, True, 48213, None, "running"),
            (WAITING, False, None, "status 3", "spawn scheduled"),
            (ended("last exit code = 0"), False, None, "status 0", "not running"),
            (ended("last exit code = 78: EX_CONFIG"), False, None, "status 78 (EX_CONFIG)", "not running"),
            (ended("last exit code = (never exited)"), False, None, None, "not running"),
            (ended("last terminating signal = Killed: 9"), False, None, "signal 9 (Killed)", "not running"),
            (
                ended("pid = 9\n\tlast terminating signal = Segmentation fault: 11", "running"),
                True,
                9,
                "signal 11 (Segmentation fault)",
                "running",
            ),
            (ended("last exit reason = OS_REASON_JETSAM"), False, None, "OS_REASON_JETSAM", "not running"),
            (ended("pid = 12", "xpcproxy"), False, None, None, "xpcproxy"),
            (ended("pid = many", "running"), True, None, None, "running"),
            ("a format of tomorrow", False, None, None, "unknown"),
        ],
    )
    def test_the_status_is_read_from_what_launchctl_prints(
        self, spec: ServiceSpec, printed: str, running: bool, pid: int | None, last_exit: str | None, detail: str
    ) -> None:
        run = Commands(print=Completed(0, printed))
        found = LaunchdService(spec, run).status()

        assert (found.running, found.pid, found.last_exit, found.detail) == (running, pid, last_exit, detail)
        assert found.loaded
        assert run.spoken == [f"launchctl print {TARGET}"]

    def test_an_agent_that_launchd_does_not_know_is_not_loaded(self, spec: ServiceSpec) -> None:
        found = LaunchdService(spec, Commands(print=NOT_LOADED)).status()

        assert (found.installed, found.loaded, found.running, found.detail) == (False, False, False, "not loaded")
        assert found.log == spec.errors

    @given(st.text())
    def test_whatever_launchctl_prints_there_is_a_status(self, printed: str) -> None:
        spec = ServiceSpec((PYTHON,), Path("/x"), Path("/x"))

        assert LaunchdService(spec, Commands(print=Completed(0, printed))).status().loaded


MODULE = (sys.executable, "-P", "-m", "adapterd", "--service")
DISABLED = """	disabled services = {
		"com.apple.ManagedClientAgent.enrollagent" => disabled
		"dev.adapterd" => %s
		"dev.adapterd.other" => disabled
	}
	login item associations = {
	}
"""
"""As macOS 13 and later print it; earlier ones say true and false."""


class TestName:
    """System Settings name a background item after the program that it starts."""

    @pytest.fixture
    def named(self, spec: ServiceSpec) -> ServiceSpec:
        return replace(spec, program=MODULE)

    def test_the_agent_starts_a_script_that_is_called_adapterd(self, named: ServiceSpec) -> None:
        service = LaunchdService(named, Commands())
        assert plistlib.loads(service.plist())["ProgramArguments"] == [str(named.home / "bin/adapterd"), "--service"]

    def test_the_script_runs_the_daemon_with_this_interpreter(self, named: ServiceSpec) -> None:
        service = LaunchdService(named, Commands(print=NOT_LOADED), sleep=lambda _: None)
        service.install()
        assert stat.S_IMODE(service.launcher.stat().st_mode) == 0o700
        said = subprocess.run([service.launcher, "--version"], capture_output=True, text=True, check=True, cwd="/")
        assert said.stdout.startswith("adapterd, version ")
        assert service.launcher.read_text().startswith(f"#!{sys.executable} -P\n")

    def test_it_goes_with_the_service(self, named: ServiceSpec) -> None:
        service = LaunchdService(named, Commands(print=NOT_LOADED), sleep=lambda _: None)
        service.install()
        service.uninstall()
        assert not service.launcher.parent.exists()
        assert named.home.is_dir()

    def test_one_of_another_installation_is_outdated(self, named: ServiceSpec) -> None:
        service = LaunchdService(named, Commands(print=NOT_LOADED), sleep=lambda _: None)
        service.install()
        assert not service.status().outdated
        service.launcher.write_text("#!/old/python\n")
        assert service.status().outdated
        service.launcher.unlink()
        assert service.status().outdated

    @pytest.mark.parametrize("interpreter", ["/with a space/python3", "/" + "long/" * 60 + "python3"])
    def test_where_no_script_can_name_the_interpreter_it_is_started_itself(
        self, spec: ServiceSpec, interpreter: str
    ) -> None:
        program = (interpreter, *MODULE[1:])
        service = LaunchdService(replace(spec, program=program), Commands())
        assert plistlib.loads(service.plist())["ProgramArguments"] == list(program)


class TestSwitchedOff:
    @pytest.mark.parametrize("word", ["disabled", "true"])
    def test_an_agent_that_was_switched_off_says_where_to_switch_it_on(self, spec: ServiceSpec, word: str) -> None:
        run = Commands(print=NOT_LOADED, print_disabled=Completed(0, DISABLED % word))
        service = LaunchdService(spec, run, sleep=lambda _: None)
        service.install()
        said = service.status().why_not
        assert said.startswith(
            "launchd was told not to start it: switch it on in System Settings, General, Login Items"
        )
        assert f"launchctl print-disabled {DOMAIN}" in run.spoken

    @pytest.mark.parametrize("word", ["enabled", "false"])
    def test_one_that_is_not_loaded_may_have_been(self, spec: ServiceSpec, word: str) -> None:
        run = Commands(print=NOT_LOADED, print_disabled=Completed(0, DISABLED % word))
        service = LaunchdService(spec, run, sleep=lambda _: None)
        service.install()
        assert service.status().why_not.startswith(
            "launchd has not loaded its service: give `adapterctl service start`"
        )

    def test_one_that_runs_or_is_not_installed_has_nothing_to_explain(self, spec: ServiceSpec) -> None:
        switched_off = Completed(0, DISABLED % "disabled")
        assert LaunchdService(spec, Commands(print=NOT_LOADED, print_disabled=switched_off)).status().why_not == ""
        service = LaunchdService(spec, Commands(print=Completed(0, RUNNING), print_disabled=switched_off))
        service.file.parent.mkdir(parents=True, exist_ok=True)
        service.file.write_bytes(service.plist())
        assert service.status().why_not == ""

    def test_a_launchctl_that_says_nothing_of_it_is_no_fault(self, spec: ServiceSpec) -> None:
        run = Commands(print=Completed(0, WAITING), print_disabled=Completed(64, stderr="Unrecognized subcommand"))
        service = LaunchdService(spec, run, sleep=lambda _: None)
        service.file.parent.mkdir(parents=True, exist_ok=True)
        service.file.write_bytes(service.plist())
        assert service.status().why_not == ""
