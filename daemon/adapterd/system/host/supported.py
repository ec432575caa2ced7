"""Whether this machine has what the compiled parts need: wheels of MLX are made for these systems only."""

import platform
import sys
from dataclasses import dataclass

MACOS = (14,)
GLIBC = (2, 35)


@dataclass(frozen=True)
class Machine:
    """What decides: `system_version` is that of macOS, `libc` the name and version of Linux' C library."""

    system: str
    architecture: str
    system_version: str = ""
    libc: tuple[str, str] = ("", "")


def this_machine() -> Machine:
    """The machine that this runs on."""
    return Machine(sys.platform, platform.machine(), platform.mac_ver()[0], platform.libc_ver())


def described(machine: Machine) -> str:
    """The system in a few words."""
    if machine.system == "darwin":
        return f"macOS {machine.system_version} on {machine.architecture}"
    libc = " ".join(machine.libc).strip() or "another C library than glibc"
    return f"{machine.system} on {machine.architecture}, {libc}"


def unsupported(machine: Machine) -> tuple[str, str] | None:
    """What is wrong with the machine, and what to do; None where nothing is."""
    if machine.system == "darwin":
        return _mac(machine)
    if machine.system == "linux" and (machine.libc[0] != "glibc" or _number(machine.libc[1]) < GLIBC):
        return f"{described(machine)}: glibc 2.35 or newer is needed", (
            "use a system such as Ubuntu 22.04, Debian 12 or Fedora 36, or newer ones"
        )
    return None


def _mac(machine: Machine) -> tuple[str, str] | None:
    if machine.architecture != "arm64":
        return f"{described(machine)}: Apple silicon is needed", (
            "on an Intel Mac there is no MLX; on another one, install a Python for arm64: this one is translated"
        )
    if machine.system_version and _number(machine.system_version) < MACOS:
        return f"{described(machine)}: macOS 14 or newer is needed", "update macOS"
    return None


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
