"""The daemon as a service of the user: a launch agent on macOS, a systemd user unit on Linux, never as root."""

import os
import plistlib
import re
import shlex
import string
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from adapterd.errors import AdapterdError, InputError, NotFoundError
from adapterd.home import HOME_VARIABLE, make_private
from adapterd.system.files import write_atomic

FOREGROUND = "run `adapterd` in the foreground instead"
NO_BUS = f"log in as this very user, not through su or sudo, or {FOREGROUND}"
COMMAND_TIMEOUT_S = 60.0
BOOTSTRAP_DELAYS_S = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)

_NOT_LOADED = frozenset({3, 113})  # launchctl: no such process, could not find service
_STILL_LEAVING = frozenset({5, 37})  # launchctl: input/output error, operation already in progress
_BOOTOUT_IN_PROGRESS = 36
_UNIT_NOT_LOADED = 5  # systemctl


@dataclass(frozen=True)
class ServiceSpec:
    """What is to run: an absolute program with its arguments, on which home, with its output in which folder.

    Raises InputError for a text that a service file cannot hold.
    """

    program: tuple[str, ...]
    home: Path
    log_folder: Path
    label: str = "dev.adapterd"

    def __post_init__(self) -> None:
        if not Path(self.program[0]).is_absolute():
            raise InputError(f"the service's program {self.program[0]!r} is not an absolute path")
        for text in (*self.program, str(self.home), str(self.log_folder)):
            if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]|^\s|[\s\\]$", text):
                raise InputError(f"{text!r} cannot stand in a service file", hint="choose a path of plain characters")

    @property
    def output(self) -> Path:
        return self.log_folder / "adapterd.out.log"

    @property
    def errors(self) -> Path:
        return self.log_folder / "adapterd.err.log"


@dataclass(frozen=True)
class ServiceStatus:
    """How the service stands; `detail` is the service manager's own word for it, `pid` is None unless it runs."""

    installed: bool
    running: bool
    pid: int | None
    detail: str
    file: Path


@dataclass(frozen=True)
class Completed:
    """How a command ended and what it said."""

    returncode: int
    stdout: str = ""
    stderr: str = ""

    @property
    def message(self) -> str:
        return self.stderr.strip() or self.stdout.strip() or f"exit status {self.returncode}"


Run = Callable[[Sequence[str]], Completed]


def run_command(argv: Sequence[str]) -> Completed:
    """Run to the end, without a terminal; raises AdapterdError if the command is missing or takes over a minute."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
    except OSError as exc:
        raise AdapterdError(f"{argv[0]} cannot be run: {exc.strerror}", hint=FOREGROUND) from exc
    except subprocess.TimeoutExpired as exc:
        raise AdapterdError(f"{shlex.join(argv)} did not end within {COMMAND_TIMEOUT_S:g} s", hint=FOREGROUND) from exc
    return Completed(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class LaunchdService:
    """A launch agent in the user's graphical session. Errors of launchctl are raised as AdapterdError."""

    spec: ServiceSpec
    run: Run = run_command
    sleep: Callable[[float], object] = time.sleep

    @property
    def file(self) -> Path:
        return Path.home() / "Library" / "LaunchAgents" / f"{self.spec.label}.plist"

    @property
    def _domain(self) -> str:
        return f"gui/{os.getuid()}"

    @property
    def _target(self) -> str:
        return f"{self._domain}/{self.spec.label}"

    def plist(self) -> bytes:
        """The agent's property list."""
        keys = plistlib.loads(_template("dev.adapterd.plist"))
        keys["EnvironmentVariables"][HOME_VARIABLE] = str(self.spec.home)
        keys |= {
            "Label": self.spec.label,
            "ProgramArguments": list(self.spec.program),
            "WorkingDirectory": str(self.spec.home),
            "StandardOutPath": str(self.spec.output),
            "StandardErrorPath": str(self.spec.errors),
        }
        return plistlib.dumps(keys)

    def install(self) -> None:
        """Write the property list and load it, which starts the daemon; what was loaded before is replaced."""
        _write_service_file(self.file, self.plist(), self.spec)
        self._bootout()
        self._bootstrap()

    def uninstall(self) -> None:
        """Stop the daemon, unload it and remove the property list; nothing happens where there is none."""
        self._bootout()
        _remove(self.file)

    def start(self) -> None:
        """Start the daemon, afresh if it runs; raises NotFoundError if the service is not installed."""
        _require_installed(self.file)
        if self._print() is None:
            self._bootstrap()
        else:
            self._launchctl("kickstart", "-k", self._target)

    def stop(self) -> None:
        """Ask the daemon to end; nothing happens where none runs. It starts again at the next login."""
        self._launchctl("kill", "SIGTERM", self._target, unless=_gone)

    def status(self) -> ServiceStatus:
        """How the agent stands, from launchctl's description of it."""
        described = self._print()
        if described is None:
            return ServiceStatus(self.file.exists(), False, None, "not loaded", self.file)
        state = described.get("state", "unknown")
        ended = described.get("last exit code")
        detail = state if ended is None or state == "running" else f"{state}, last exit code {ended}"
        pid = described.get("pid") if state == "running" else None
        return ServiceStatus(self.file.exists(), state == "running", int(pid) if pid else None, detail, self.file)

    def _print(self) -> dict[str, str] | None:
        """The top-level `key = value` lines that launchctl prints of the agent; None if it is not loaded."""
        done = self._launchctl("print", self._target, unless=_gone)
        if _gone(done):
            return None
        return dict(re.findall(r"^\t(\S[^=\n]*) = ([^{\n]+)$", done.stdout, re.MULTILINE))

    def _bootout(self) -> None:
        self._launchctl("bootout", self._target, unless=lambda done: _gone(done) or _is_leaving(done))

    def _bootstrap(self) -> None:
        """Load the property list; launchd refuses while the agent that was booted out has not ended, so try again."""
        for delay_s in BOOTSTRAP_DELAYS_S:
            done = self._launchctl("bootstrap", self._domain, str(self.file), unless=_is_busy)
            if not _is_busy(done):
                return
            self.sleep(delay_s)
        self._launchctl("bootstrap", self._domain, str(self.file))

    def _launchctl(self, *arguments: str, unless: Callable[[Completed], bool] = lambda _: False) -> Completed:
        """Run launchctl; raises AdapterdError with its message if it fails, unless the failure is one of those."""
        return _checked(self.run, ("launchctl", *arguments), unless)


def _gone(done: Completed) -> bool:
    return done.returncode in _NOT_LOADED or bool(
        done.returncode and re.search("No such process|Could not find service", done.message)
    )


def _is_leaving(done: Completed) -> bool:
    return done.returncode == _BOOTOUT_IN_PROGRESS


def _is_busy(done: Completed) -> bool:
    return done.returncode in _STILL_LEAVING


@dataclass(frozen=True)
class SystemdService:
    """A unit of the user's own systemd. Errors of systemctl are raised as AdapterdError."""

    spec: ServiceSpec
    run: Run = run_command

    @property
    def file(self) -> Path:
        given = os.environ.get("XDG_CONFIG_HOME", "")
        config = Path(given) if given.startswith("/") else Path.home() / ".config"
        return config / "systemd" / "user" / self._unit

    @property
    def _unit(self) -> str:
        return f"{self.spec.label.rpartition('.')[2]}.service"

    def unit(self) -> str:
        """The unit file; raises InputError for a program that systemd refuses to run.

        The colon before the program keeps systemd (244 or later) from replacing `$` in the command.
        """
        program, *arguments = self.spec.program
        if re.search(r"[\\\"']", program):
            raise InputError(f"systemd cannot run {program!r}: there is a quote or a backslash in its path")
        return string.Template(_template("adapterd.service").decode()).substitute(
            command=" ".join(_quoted(word) for word in (f":{program}", *arguments)),
            environment=_quoted(f"{HOME_VARIABLE}={self.spec.home}"),
            folder=_literal(self.spec.home),
            output=_literal(self.spec.output),
            errors=_literal(self.spec.errors),
        )

    def install(self) -> None:
        """Write the unit, enable it and start it; a daemon that runs under an older unit is started anew."""
        replaced = self.status().installed  # fails where there is no user bus, before anything is written
        _write_service_file(self.file, self.unit().encode(), self.spec)
        self._systemctl("daemon-reload")
        self._systemctl("enable", "--now", self._unit)
        if replaced:
            self._systemctl("restart", self._unit)

    def uninstall(self) -> None:
        """Stop the daemon, disable the unit and remove it; nothing happens where there is none."""
        if self.file.exists():
            self._systemctl("disable", "--now", self._unit)
            _remove(self.file)
            self._systemctl("daemon-reload")

    def start(self) -> None:
        """Start the daemon, afresh if it runs; raises NotFoundError if the service is not installed."""
        _require_installed(self.file)
        self._systemctl("restart", self._unit)

    def stop(self) -> None:
        """Ask the daemon to end; nothing happens where none runs. It starts again at the next login."""
        self._systemctl("stop", self._unit, unless=lambda done: done.returncode == _UNIT_NOT_LOADED)

    def status(self) -> ServiceStatus:
        """How the unit stands, from systemd's properties of it."""
        shown = self._systemctl("show", "-p", "ActiveState,MainPID", self._unit).stdout
        properties = dict(re.findall(r"^(\w+)=(.*)$", shown, re.MULTILINE))
        state = properties.get("ActiveState", "unknown")
        pid = int(properties.get("MainPID", 0)) if state == "active" else 0
        return ServiceStatus(self.file.exists(), state == "active", pid or None, state, self.file)

    def _systemctl(self, *arguments: str, unless: Callable[[Completed], bool] = lambda _: False) -> Completed:
        """Run systemctl; raises AdapterdError with its message if it fails, unless the failure is one of those."""
        return _checked(self.run, ("systemctl", "--user", *arguments), unless)


def service_for(spec: ServiceSpec, platform: str = sys.platform) -> LaunchdService | SystemdService:
    """The service manager of this platform; raises AdapterdError where none is known."""
    if platform == "darwin":
        return LaunchdService(spec)
    if platform == "linux":
        return SystemdService(spec)
    raise AdapterdError(f"no service manager is known for the platform {platform!r}", hint=FOREGROUND)


def _checked(run: Run, argv: Sequence[str], unless: Callable[[Completed], bool]) -> Completed:
    done = run(argv)
    if done.returncode and not unless(done):
        hint = NO_BUS if re.search("Failed to connect to .*bus", done.message) else FOREGROUND
        raise AdapterdError(f"{shlex.join(argv)} failed: {done.message}", hint=hint)
    return done


def _template(name: str) -> bytes:
    return resources.files("adapterd.launchd").joinpath(name).read_bytes()


def _quoted(word: str) -> str:
    """One word of a unit file's command or environment, so that systemd reads back the same word."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _literal(path: Path) -> str:
    """A path where a unit file takes one unquoted to the end of the line."""
    return str(path).replace("%", "%%")


def _write_service_file(file: Path, content: bytes, spec: ServiceSpec) -> None:
    """Write the file, and make the folders that the service needs; raises AdapterdError where that is impossible."""
    try:
        make_private(spec.home)
        make_private(spec.log_folder)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, content)
    except OSError as exc:
        reason = f"{exc.strerror} ({exc.filename})"
        raise AdapterdError(f"the service file {file} cannot be written: {reason}", hint=FOREGROUND) from exc


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as exc:
        raise AdapterdError(f"{file} cannot be removed: {exc.strerror}") from exc


def _require_installed(file: Path) -> None:
    if not file.exists():
        raise NotFoundError("the service is not installed", hint="adapterctl service install")
