"""The daemon as a unit of the user's own systemd."""

import os
import re
import signal
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from adapterd.errors import InputError
from adapterd.home import HOME_VARIABLE
from adapterd.system.commands import FOREGROUND, Completed, Run, checked, run_command
from adapterd.system.service_manager import (
    ServiceSpec,
    ServiceStatus,
    is_outdated,
    remove_service_file,
    require_installed,
    template,
    write_service_file,
)

NO_BUS = f"log in as this very user, not through su or sudo, or {FOREGROUND}"
PROPERTIES = "LoadState,ActiveState,SubState,MainPID,ExecMainCode,ExecMainStatus,NeedDaemonReload"

_NOT_LOADED = 5
_EXITED = "1"  # ExecMainCode is waitid's si_code: exited, killed, killed with a core dump
_KILLED = ("2", "3")


@dataclass(frozen=True)
class SystemdService:
    """A unit of the user's own systemd."""

    spec: ServiceSpec
    run: Run = run_command

    @property
    def file(self) -> Path:
        given = os.environ.get("XDG_CONFIG_HOME", "")
        config = Path(given) if given.startswith("/") else Path.home() / ".config"
        return config / "systemd" / "user" / self._unit

    @property
    def _unit(self) -> str:
        return f"{self.spec.name}.service"

    def unit(self) -> str:
        """The unit file; raises InputError for a program that systemd refuses to run.

        The colon before the program keeps systemd (244 or later) from replacing `$` in the command.
        """
        program, *arguments = self.spec.program
        if re.search(r"[\\\"']", program):
            raise InputError(f"systemd cannot run {program!r}: there is a quote or a backslash in its path")
        return string.Template(template(self._unit).decode()).substitute(
            command=" ".join(_quoted(word) for word in (f":{program}", *arguments)),
            environment=_quoted(f"{HOME_VARIABLE}={self.spec.home}"),
            folder=_literal(self.spec.home),
            output=_literal(self.spec.output),
            errors=_literal(self.spec.errors),
        )

    def install(self) -> None:
        """Write the unit, enable it and start the daemon, afresh if it runs."""
        unit = self.unit()
        self._show()  # fails where there is no user bus, before anything is written
        write_service_file(self.file, unit.encode(), self.spec)
        self._systemctl("daemon-reload")
        self._systemctl("enable", self._unit)
        self._systemctl("restart", self._unit)

    def uninstall(self) -> None:
        """Stop the daemon, disable the unit and remove it; nothing happens where there is none."""
        self.stop()
        if self.file.exists():
            self._systemctl("disable", self._unit)
            remove_service_file(self.file)
            self._systemctl("daemon-reload")
            self._systemctl("reset-failed", self._unit, unless=lambda _: True)  # it fails if there is nothing to reset

    def start(self) -> None:
        """Start the daemon unless it runs; raises NotFoundError if the service is not installed."""
        require_installed(self.file, self.spec)
        self._systemctl("start", self._unit)

    def stop(self) -> None:
        """Have the daemon end, and wait for it; nothing happens where none runs. It starts again at the next login."""
        self._systemctl("stop", self._unit, unless=lambda done: done.returncode == _NOT_LOADED)

    def restart(self) -> None:
        """Start the daemon, afresh if it runs; raises NotFoundError if the service is not installed."""
        require_installed(self.file, self.spec)
        self._systemctl("restart", self._unit)

    def status(self) -> ServiceStatus:
        """How the unit stands, from systemd's properties of it."""
        shown = self._show()
        state = shown.get("ActiveState", "unknown")
        running = state == "active"
        installed = self.file.exists()
        return ServiceStatus(
            installed=installed,
            outdated=is_outdated(self.file, self.unit().encode())
            or (installed and shown.get("NeedDaemonReload") == "yes"),
            loaded=shown.get("LoadState") == "loaded",
            running=running,
            pid=int(shown.get("MainPID", 0)) or None if running else None,
            last_exit=_last_exit(shown),
            detail=f"{state} ({shown['SubState']})" if shown.get("SubState") else state,
            file=self.file,
            log=self.spec.errors,
        )

    def _show(self) -> dict[str, str]:
        shown = self._systemctl("show", "-p", PROPERTIES, self._unit).stdout
        return dict(re.findall(r"^(\w+)=(.*)$", shown, re.MULTILINE))

    def _systemctl(self, *arguments: str, unless: Callable[[Completed], bool] = lambda _: False) -> Completed:
        return checked(self.run, ("systemctl", "--user", *arguments), unless=unless, hint=_hint)


def _last_exit(shown: Mapping[str, str]) -> str | None:
    """How the daemon last ended; systemd forgets it when it starts the daemon again."""
    code, status = shown.get("ExecMainCode"), shown.get("ExecMainStatus", "")
    if code == _EXITED:
        return f"status {status}"
    if code in _KILLED and status.isdecimal():
        return f"signal {status} ({signal.strsignal(int(status))})"
    return None


def _hint(done: Completed) -> str:
    return NO_BUS if re.search("Failed to connect to .*bus", done.message) else FOREGROUND


def _quoted(word: str) -> str:
    """One word of a unit file's command or environment, so that systemd reads back the same word."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _literal(path: Path) -> str:
    """A path where a unit file takes one unquoted to the end of the line."""
    return str(path).replace("%", "%%")
