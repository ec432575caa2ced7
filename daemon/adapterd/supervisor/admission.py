"""Whether the machine is free for a run, and what blocks one if it is not: a good citizen of a laptop (law 10).

`blockers` is a function of what `measure_machine` found; so every reason can be tested without a battery.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from pathlib import Path

from adapterd.config import ScheduleSettings
from adapterd.providers.provider import Needs
from adapterd.system.machine import Power, available_memory_bytes, file_system, free_bytes, memory_is_short, power

RUN_FOLDER_BYTES = 256 << 20
"""What a run keeps beside the candidate: encoded data, the adapter, checkpoints, logs."""
MEMORY_FLOOR_BYTES = 1 << 30
MEMORY_FACTOR = 4 if sys.platform == "darwin" else 8
"""Of the base's file: a 4-bit file becomes 16-bit weights on Metal, 32-bit ones on a CPU."""


@dataclass(frozen=True)
class Disk:
    """A file system: a folder on it, and its bytes free and needed."""

    folder: Path
    free_bytes: int
    needed_bytes: int


@dataclass(frozen=True)
class MachineState:
    """The machine at a moment (aware, local); `idle_s` is how long the runtime was not asked for anything."""

    now: datetime
    power: Power
    memory_bytes: int
    memory_needed_bytes: int
    disks: tuple[Disk, ...]
    idle_s: float
    memory_is_short: bool = False


def measure_machine(now: datetime, idle_s: float, base: Path, base_bytes: int, home: Path) -> MachineState:
    """Measure battery, memory and disks for a run on a base that is stored at `base`."""
    return MachineState(
        now=now,
        power=power(),
        memory_bytes=available_memory_bytes(),
        memory_needed_bytes=MEMORY_FLOOR_BYTES + MEMORY_FACTOR * base_bytes,
        disks=disks([(home, base_bytes + RUN_FOLDER_BYTES), (base.parent, base_bytes)]),
        idle_s=idle_s,
        memory_is_short=memory_is_short() is True,
    )


def disks(needs: Iterable[tuple[Path, int]]) -> tuple[Disk, ...]:
    """What each file system needs: where two folders are on the same one, a version is linked and not copied, so the
    larger need holds for both."""
    largest: dict[int, tuple[Path, int]] = {}
    for folder, needed in needs:
        system = file_system(folder)
        if needed > largest.get(system, (folder, -1))[1]:
            largest[system] = (folder, needed)
    return tuple(Disk(folder, free_bytes(folder), needed) for folder, needed in largest.values())


def as_needed(needs: Needs, wanted: ScheduleSettings, found: MachineState) -> tuple[ScheduleSettings, MachineState]:
    """What a run is to wait for, and how the machine is, where its training provider needs less of this machine."""
    if not needs.ac_power:
        wanted = replace(wanted, on_ac_power=False)
    if not needs.memory:
        found = replace(found, memory_needed_bytes=min(found.memory_needed_bytes, MEMORY_FLOOR_BYTES))
    return wanted, found


def blockers(wanted: ScheduleSettings, found: MachineState) -> list[str]:
    """What a run that nobody asked for has to wait for; empty if it may begin."""
    return [
        *_power(wanted, found.power),
        *_hours(wanted, found.now),
        *_busy(wanted, found.idle_s),
        *_space(found),
    ]


def _power(wanted: ScheduleSettings, found: Power) -> Sequence[str]:
    if found.on_ac is not False:
        return ()
    if wanted.on_ac_power:
        return ("on battery",)
    low = found.battery_percent is not None and found.battery_percent < wanted.min_battery_percent
    return (f"battery at {found.battery_percent:.0f} % (below {wanted.min_battery_percent:.0f} %)",) if low else ()


def _hours(wanted: ScheduleSettings, now: datetime) -> Sequence[str]:
    quiet = wanted.quiet_hours
    at = time(now.hour, now.minute)
    return (f"quiet hours until {quiet.end:%H:%M}",) if quiet and at in quiet else ()


def _busy(wanted: ScheduleSettings, idle_s: float) -> Sequence[str]:
    if idle_s >= wanted.idle_minutes * 60:
        return ()
    return (f"the runtime was used {idle_s:.0f} s ago (waits for {wanted.idle_minutes:g} min of rest)",)


def _space(found: MachineState) -> Sequence[str]:
    reasons = [
        f"{disk.folder} has {_gb(disk.free_bytes)} free, a run may need {_gb(disk.needed_bytes)}"
        for disk in found.disks
        if disk.free_bytes < disk.needed_bytes
    ]
    if found.memory_bytes < found.memory_needed_bytes:
        reasons.append(f"{_gb(found.memory_bytes)} of memory are free, a run may need {_gb(found.memory_needed_bytes)}")
    elif found.memory_is_short:
        reasons.append("other programs wait for memory")
    return reasons


def _gb(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:.1f} GB"
