"""The daemon as a launch agent of macOS, by launchctl's words of today: bootstrap, bootout, kickstart, print."""

import os
import plistlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from adapterd.errors import AdapterdError
from adapterd.home import HOME_VARIABLE
from adapterd.system.commands import FOREGROUND, Completed, Run, checked, run_command
from adapterd.system.python import launcher_of
from adapterd.system.service_manager import (
    ServiceSpec,
    ServiceStatus,
    is_outdated,
    remove_launcher,
    remove_service_file,
    require_installed,
    template,
    write_launcher,
    write_service_file,
)

BOOTSTRAP_DELAYS_S = (0.25, 0.5, 1.0, 2.0)
START_DELAYS_S = (0.1, 0.2, 0.4, 0.8)
STOP_DELAYS_S = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 16.0)
"""Together longer than the plist's ExitTimeOut, after which launchd kills."""

SWITCH_ON = "switch it on in System Settings, General, Login Items & Extensions, if it is switched off there"
_NOT_LOADED = frozenset({3, 113})  # no such process, could not find service
_STILL_LEAVING = frozenset({5, 37})  # input/output error, operation already in progress
_BOOTOUT_IN_PROGRESS = 36
_REFUSALS = {
    5: "allow adapterd in System Settings, General, Login Items & Extensions, if it is switched off there; "
    f"or {FOREGROUND}",
    125: f"a launch agent lives in a graphical session: log in at the screen first, or {FOREGROUND}",
}


@dataclass(frozen=True)
class LaunchdService:
    """A launch agent in the user's graphical session."""

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
        keys = plistlib.loads(template(f"{self.spec.label}.plist"))
        keys |= {
            "Label": self.spec.label,
            "ProgramArguments": self._arguments(),
            "EnvironmentVariables": {HOME_VARIABLE: str(self.spec.home)},
            "WorkingDirectory": str(self.spec.home),
            "StandardOutPath": str(self.spec.output),
            "StandardErrorPath": str(self.spec.errors),
        }
        return plistlib.dumps(keys)

    @property
    def launcher(self) -> Path:
        """The script that the agent starts, in the home: System Settings show the agent by its name."""
        return self.spec.home / "bin" / self.spec.name

    def _arguments(self) -> list[str]:
        found = launcher_of(self.spec.program)
        return [str(self.launcher), *found[1]] if found else list(self.spec.program)

    def install(self) -> None:
        """Write the property list and load it, which starts the daemon; what was loaded before is replaced."""
        if found := launcher_of(self.spec.program):
            write_launcher(self.launcher, found[0].encode())
        write_service_file(self.file, self.plist(), self.spec)
        self._bootout()
        self._bootstrap()

    def uninstall(self) -> None:
        """Stop the daemon, unload it and remove the property list; nothing happens where there is none."""
        self._bootout()
        remove_service_file(self.file)
        remove_launcher(self.launcher)

    def start(self) -> None:
        """Start the daemon unless it runs; raises NotFoundError if the service is not installed."""
        require_installed(self.file, self.spec)
        described = self._print()
        if described is None:
            self._bootstrap()
        elif not _runs(described):
            self._kickstart()

    def stop(self) -> None:
        """Unload the agent, which ends the daemon, and wait for it. It is loaded again at the next login.

        A signal alone would not do: launchd starts a daemon that is between two crashes again.
        """
        self._bootout()

    def restart(self) -> None:
        """Start the daemon, afresh if it runs; raises NotFoundError if the service is not installed."""
        require_installed(self.file, self.spec)
        if self._print() is None:
            self._bootstrap()
        else:
            self._kickstart("-k")

    def status(self) -> ServiceStatus:
        """How the agent stands, from launchctl's description of it."""
        described = self._print()
        known = described or {}
        running, installed = _runs(known), self.file.exists()
        pid = known.get("pid", "") if running else ""
        return ServiceStatus(
            installed=installed,
            outdated=is_outdated(self.file, self.plist()) or self._is_launcher_outdated(),
            loaded=described is not None,
            running=running,
            pid=int(pid) if pid.isdecimal() else None,
            last_exit=_last_exit(known),
            detail="not loaded" if described is None else known.get("state", "unknown"),
            file=self.file,
            log=self.spec.errors,
            why_not=self._why_not(loaded=described is not None) if installed and not running else "",
        )

    def _is_launcher_outdated(self) -> bool:
        """Whether it does not start what would be started now, though the agent is installed."""
        found = launcher_of(self.spec.program)
        if found is None or not self.file.exists():
            return False
        return not self.launcher.exists() or is_outdated(self.launcher, found[0].encode())

    def _why_not(self, *, loaded: bool) -> str:
        if self._is_disabled():
            return f"launchd was told not to start it: {SWITCH_ON}"
        return "" if loaded else f"launchd has not loaded its service: give `adapterctl service start`, or {SWITCH_ON}"

    def _is_disabled(self) -> bool:
        """Whether launchd was told not to start the agent, by `launchctl disable` or by the switch in System Settings.

        What the switch says by itself is in a database of the system's own, which is not read here.
        """
        said = self._launchctl("print-disabled", self._domain, unless=lambda _: True).stdout
        return bool(re.search(rf'"{re.escape(self.spec.label)}" => (disabled|true)\b', said))

    def _print(self) -> dict[str, str] | None:
        """The top-level `key = value` lines that launchctl prints of the agent; None if it is not loaded."""
        done = self._launchctl("print", self._target, unless=_gone)
        if _gone(done):
            return None
        return dict(re.findall(r"^\t(\S[^=\n]*) = ([^{\n]+)$", done.stdout, re.MULTILINE))

    def _bootout(self) -> None:
        """Unload the agent and wait until launchd has let go of it; raises AdapterdError if it does not."""
        self._launchctl("bootout", self._target, unless=lambda done: _gone(done) or _is_leaving(done))
        for delay_s in STOP_DELAYS_S:
            if self._print() is None:
                return
            self.sleep(delay_s)
        raise AdapterdError("the daemon has not ended yet", hint="adapterctl service status shows what it does")

    def _bootstrap(self) -> None:
        """Load the property list; launchd may refuse for a moment after the last agent has ended, so try again."""
        self._launchctl("enable", self._target, unless=lambda _: True)  # what `launchctl disable` once forbade
        for delay_s in BOOTSTRAP_DELAYS_S:
            done = self._launchctl("bootstrap", self._domain, str(self.file), unless=_is_busy)
            if not _is_busy(done):
                break
            self.sleep(delay_s)
        else:
            self._launchctl("bootstrap", self._domain, str(self.file))
        self._settle()

    def _kickstart(self, *options: str) -> None:
        self._launchctl("kickstart", *options, self._target)
        self._settle()

    def _settle(self) -> None:
        """Give launchd a moment to start the daemon, so that a status asked for next tells how that went."""
        for delay_s in START_DELAYS_S:
            if _runs(self._print() or {}):
                return
            self.sleep(delay_s)

    def _launchctl(self, *arguments: str, unless: Callable[[Completed], bool] = lambda _: False) -> Completed:
        return checked(self.run, ("launchctl", *arguments), unless=unless, hint=_hint)


def _runs(described: Mapping[str, str]) -> bool:
    return described.get("state") == "running"


def _last_exit(described: Mapping[str, str]) -> str | None:
    """How the daemon last ended. launchctl prints the signal, with its name first, where a signal ended it, else the
    status, with its name last where it has one, or why the system ended it (`OS_REASON_JETSAM`: out of memory)."""
    if signal := described.get("last terminating signal"):
        return re.sub(r"^(.+): (\d+)$", r"signal \2 (\1)", signal)
    status = re.match(r"(\d+)(?:: (.+))?$", described.get("last exit code", ""))
    if not status:
        return described.get("last exit reason")
    return f"status {status[1]}" + (f" ({status[2]})" if status[2] else "")


def _gone(done: Completed) -> bool:
    return done.returncode in _NOT_LOADED or bool(
        done.returncode and re.search("No such process|Could not find service", done.message)
    )


def _is_leaving(done: Completed) -> bool:
    return done.returncode == _BOOTOUT_IN_PROGRESS


def _is_busy(done: Completed) -> bool:
    return done.returncode in _STILL_LEAVING


def _hint(done: Completed) -> str:
    return _REFUSALS.get(done.returncode, FOREGROUND)
