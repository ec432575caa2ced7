"""Specification and status of a background service, and the service file that launchd and systemd have in common."""

import re
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Protocol

from adapterd.errors import AdapterdError, InputError, NotFoundError
from adapterd.home import make_private
from adapterd.system.commands import FOREGROUND
from adapterd.system.files import write_atomic

# Control characters, what is no character at all, spaces at an end, and a backslash that would join two lines.
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]|^\s|[\s\\]$")


@dataclass(frozen=True)
class ServiceSpec:
    """What is to run: an absolute program with its arguments, on which home, with its output in which folder.

    The last part of the `label` names the service, its files and its logs. `install_command` is what installs it.
    Raises InputError for a text that a service file cannot hold.
    """

    program: tuple[str, ...]
    home: Path
    log_folder: Path
    label: str = "dev.adapterd"
    install_command: str = "adapterctl service install"

    def __post_init__(self) -> None:
        if not Path(self.program[0]).is_absolute():
            raise InputError(f"the service's program {self.program[0]!r} is not an absolute path")
        for text in (*self.program, str(self.home), str(self.log_folder)):
            if _UNUSABLE.search(text):
                raise InputError(f"{text!r} cannot stand in a service file", hint="choose a path of plain characters")

    @property
    def name(self) -> str:
        return self.label.rpartition(".")[2]

    @property
    def output(self) -> Path:
        return self.log_folder / f"{self.name}.out.log"

    @property
    def errors(self) -> Path:
        return self.log_folder / f"{self.name}.err.log"


@dataclass(frozen=True)
class ServiceStatus:
    """How the service stands.

    `outdated`: the installed file is not what would be written now, or not what the service manager has loaded.
    `pid` is None unless it runs, `last_exit` None if it never ended or that is not told; `detail` is the service
    manager's own word for its state. `why_not` says what keeps an installed service from running, and what to do;
    empty where it runs, or nothing is known.
    """

    installed: bool
    outdated: bool
    loaded: bool
    running: bool
    pid: int | None
    last_exit: str | None
    detail: str
    file: Path
    log: Path
    why_not: str = ""


class Service(Protocol):
    """A service manager of a user. Every command gives the same when it is given twice.

    What the manager itself refuses is raised as AdapterdError.
    """

    @property
    def file(self) -> Path:
        """The service file; it is there while the service is installed."""

    def install(self) -> None:
        """Write the service file and start the daemon under it, afresh if it runs; from now on at every login."""

    def uninstall(self) -> None:
        """Stop the daemon and remove the service file; nothing happens where there is none."""

    def start(self) -> None:
        """Start the daemon unless it runs; raises NotFoundError if the service is not installed."""

    def stop(self) -> None:
        """Have the daemon end, and wait for it; nothing happens where none runs. It starts again at the next login."""

    def restart(self) -> None:
        """Start the daemon, afresh if it runs; raises NotFoundError if the service is not installed."""

    def status(self) -> ServiceStatus:
        """How the service stands."""


def template(name: str) -> bytes:
    """A service file as it is shipped."""
    return resources.files("adapterd.launchd").joinpath(name).read_bytes()


def is_outdated(file: Path, content: bytes) -> bool:
    """Whether the file is there, but holds something else."""
    try:
        return file.read_bytes() != content
    except FileNotFoundError:
        return False
    except OSError:
        return True


def write_service_file(file: Path, content: bytes, spec: ServiceSpec) -> None:
    """Write the file, and make the folders that the service needs; raises AdapterdError where that is impossible."""
    try:
        make_private(spec.home)
        make_private(spec.log_folder)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, content)
    except OSError as exc:
        reason = f"{exc.strerror} ({exc.filename})"
        raise AdapterdError(f"the service file {file} cannot be written: {reason}", hint=FOREGROUND) from exc


def write_launcher(file: Path, content: bytes) -> None:
    """Write the script that a service starts, for its owner only; raises AdapterdError where that is impossible."""
    try:
        make_private(file.parent)
        write_atomic(file, content)
        file.chmod(0o700)
    except OSError as exc:
        reason = f"{exc.strerror} ({exc.filename})"
        raise AdapterdError(f"{file} cannot be written: {reason}", hint=FOREGROUND) from exc


def remove_launcher(file: Path) -> None:
    """Remove it, and its folder if nothing else is there; raises AdapterdError where that is impossible."""
    remove_service_file(file)
    with suppress(OSError):
        file.parent.rmdir()


def remove_service_file(file: Path) -> None:
    """Remove the file if it is there; raises AdapterdError where that is impossible."""
    try:
        file.unlink(missing_ok=True)
    except OSError as exc:
        raise AdapterdError(f"{file} cannot be removed: {exc.strerror}") from exc


def require_installed(file: Path, spec: ServiceSpec) -> None:
    """Raises NotFoundError if the file is not there."""
    if not file.exists():
        raise NotFoundError("the service is not installed", hint=spec.install_command)
