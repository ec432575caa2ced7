"""What the machine can spare at this moment: power, memory, room on disk. Nothing here waits or changes anything."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

POWER_SUPPLIES = Path("/sys/class/power_supply")
MEMORY_STALLS = Path("/proc/pressure/memory")
STALLED_PERCENT = 10.0
"""Linux: the share of the last ten seconds in which something waited for memory, from which on it is short."""
PRESSURE_WARNING = 2
"""macOS: the kernel's level of memory pressure is 1 (normal), 2 (warning) or 4 (critical)."""


@dataclass(frozen=True)
class Power:
    """Where the electricity comes from; None is what the system does not tell, or the charge where no battery is.

    A machine without a battery is on AC.
    """

    on_ac: bool | None
    battery_percent: float | None


def power(platform: str = sys.platform, supplies: Path = POWER_SUPPLIES) -> Power:
    """How the machine is powered at the moment; never raises."""
    return _power_of_linux(supplies) if platform == "linux" else _power_by_psutil()


def _power_by_psutil() -> Power:
    try:
        import psutil

        battery = psutil.sensors_battery()
    except Exception:  # whatever a driver makes psutil raise: not to know is no reason to stop
        return Power(None, None)
    return Power(True, None) if battery is None else Power(battery.power_plugged, battery.percent)


def _power_of_linux(folder: Path) -> Power:
    """From the kernel rather than psutil, which takes the first battery for the machine's, be it that of a mouse."""
    found = [_attributes(supply) for supply in sorted(folder.glob("*"))]
    own = [supply for supply in found if supply.get("scope") != "Device"]
    batteries = [supply for supply in own if supply.get("type") == "Battery" and supply.get("present") != "0"]
    if not batteries:
        return Power(True, None)
    charges = [float(text) for battery in batteries if (text := battery.get("capacity", "")).isdecimal()]
    return Power(_on_ac(own, batteries), sum(charges) / len(charges) if charges else None)


def _attributes(supply: Path) -> dict[str, str]:
    names = ("type", "scope", "present", "status", "online", "capacity")
    return {name: text for name in names if (text := _read(supply / name))}


def _read(file: Path) -> str:
    """The file's text, empty if it is not there or the driver has nothing to say."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _on_ac(supplies: list[dict[str, str]], batteries: list[dict[str, str]]) -> bool | None:
    """A mains adapter says it outright. USB-C ports may be online while they give power, so there the batteries say."""
    adapters = [supply["online"] for supply in supplies if supply.get("type") == "Mains" and "online" in supply]
    statuses = {battery.get("status") for battery in batteries}
    if any(online != "0" for online in adapters):
        return True
    if "Discharging" in statuses:
        return False
    if statuses & {"Charging", "Full", "Not charging"}:
        return True
    return False if adapters else None


def available_memory_bytes() -> int:
    """Memory that can be had without swapping, caches included that the system would give up for it."""
    import psutil

    return int(psutil.virtual_memory().available)


def memory_bytes() -> int:
    """All memory that this machine has."""
    import psutil

    return int(psutil.virtual_memory().total)


def memory_is_short(platform: str = sys.platform, stalls: Path = MEMORY_STALLS) -> bool | None:
    """Whether the system is busy finding memory at the moment; None if it does not tell."""
    if platform == "darwin":
        level = _sysctl("kern.memorystatus_vm_pressure_level")
        return None if level is None else level >= PRESSURE_WARNING
    some = _read(stalls).partition("avg10=")[2].partition(" ")[0]
    try:
        return float(some) >= STALLED_PERCENT
    except ValueError:
        return None


def _sysctl(name: str) -> int | None:
    """A whole number of the kernel's, by sysctlbyname(3); None if it has none of that name."""
    import ctypes

    value = ctypes.c_int(0)
    size = ctypes.c_size_t(ctypes.sizeof(value))
    failed = ctypes.CDLL(None).sysctlbyname(name.encode(), ctypes.byref(value), ctypes.byref(size), None, 0)
    return None if failed else value.value


def free_bytes(path: Path) -> int:
    """Room for us on the file system that the path is on, or would be; raises OSError if that does not answer."""
    return shutil.disk_usage(_nearest(path)).free


def file_system(path: Path) -> int:
    """Which file system the path is on, or would be: needs of paths with the same number add up.

    Volumes that share their room (APFS, Btrfs) have a number each, though.
    """
    return _nearest(path).stat().st_dev


def _nearest(path: Path) -> Path:
    """The path itself, or the nearest folder above it that is there."""
    absolute = path.absolute()
    return next(each for each in (absolute, *absolute.parents) if _is_there(each))


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return path == Path(path.anchor)
    return True
