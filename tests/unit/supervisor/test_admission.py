"""Whether the machine is free for a run: every reason by itself, all of them together, and none."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.config import ScheduleSettings
from adapterd.hours import Hours
from adapterd.providers.provider import Needs
from adapterd.supervisor import admission
from adapterd.supervisor.admission import (
    MEMORY_FACTOR,
    MEMORY_FLOOR_BYTES,
    RUN_FOLDER_BYTES,
    Disk,
    MachineState,
    as_needed,
    blockers,
    disks,
    measure_machine,
)
from adapterd.system.machine import Power

LOCAL = timezone(timedelta(hours=2))
NIGHT = datetime(2026, 6, 2, 3, 0, tzinfo=LOCAL)
WANTED = ScheduleSettings()
FREE = MachineState(
    now=NIGHT, power=Power(on_ac=True, battery_percent=80), memory_bytes=32 << 30, memory_needed_bytes=20 << 30,
    disks=(Disk(Path("/home/ada"), free_bytes=50 << 30, needed_bytes=5 << 30),), idle_s=3600,
)  # fmt: skip
BATTERY, LOW = Power(on_ac=False, battery_percent=80), Power(on_ac=False, battery_percent=12.4)
DESKTOP, UNKNOWN = Power(on_ac=True, battery_percent=None), Power(on_ac=None, battery_percent=None)


def on(power: Power) -> MachineState:
    return replace(FREE, power=power)


def at(hour: int, minute: int = 0, second: int = 0) -> MachineState:
    return replace(FREE, now=NIGHT.replace(hour=hour, minute=minute, second=second))


def test_a_machine_with_nothing_to_do_is_free() -> None:
    assert blockers(WANTED, FREE) == []


def test_a_machine_on_battery_is_spared() -> None:
    assert blockers(WANTED, on(BATTERY)) == ["on battery"]


@pytest.mark.parametrize("power", [DESKTOP, UNKNOWN, Power(on_ac=True, battery_percent=1)])
def test_a_machine_that_is_not_on_battery_is_not_asked_for_its_charge(power: Power) -> None:
    assert blockers(WANTED, on(power)) == []


def test_who_allows_battery_still_keeps_some_charge() -> None:
    wanted = replace(WANTED, on_ac_power=False)
    assert blockers(wanted, on(BATTERY)) == []
    assert blockers(wanted, on(LOW)) == ["battery at 12 % (below 40 %)"]


@pytest.mark.parametrize(("percent", "free"), [(39.9, False), (40.0, True), (None, True)])
def test_the_level_itself_is_enough_and_one_that_nobody_tells_too(percent: float | None, free: bool) -> None:
    wanted = replace(WANTED, on_ac_power=False)
    assert (blockers(wanted, on(Power(on_ac=False, battery_percent=percent))) == []) is free


@pytest.mark.parametrize(
    ("hours", "when", "reasons"),
    [
        ("08:00-18:00", at(7, 59, 59), []),
        ("08:00-18:00", at(8), ["quiet hours until 18:00"]),
        ("08:00-18:00", at(17, 59, 59), ["quiet hours until 18:00"]),
        ("08:00-18:00", at(18), []),
        ("22:00-06:30", at(23), ["quiet hours until 06:30"]),
        ("22:00-06:30", at(3), ["quiet hours until 06:30"]),
        ("22:00-06:30", at(12), []),
    ],
)
def test_in_quiet_hours_nothing_begins(hours: str, when: MachineState, reasons: list[str]) -> None:
    assert blockers(replace(WANTED, quiet_hours=Hours.parse(hours)), when) == reasons


@pytest.mark.parametrize(("idle_s", "free"), [(0, False), (119.9, False), (120, True), (float("inf"), True)])
def test_a_runtime_that_was_used_just_now_is_left_alone(idle_s: float, free: bool) -> None:
    assert (blockers(WANTED, replace(FREE, idle_s=idle_s)) == []) is free


def test_the_rest_that_is_waited_for_is_told() -> None:
    reasons = blockers(replace(WANTED, idle_minutes=1.5), replace(FREE, idle_s=61.2))
    assert reasons == ["the runtime was used 61 s ago (waits for 1.5 min of rest)"]


def test_who_wants_no_rest_gets_none() -> None:
    assert blockers(replace(WANTED, idle_minutes=0), replace(FREE, idle_s=0)) == []


def test_a_disk_that_is_too_full_is_named_with_its_numbers() -> None:
    full = Disk(Path("/ollama"), free_bytes=1_940_000_000, needed_bytes=4_700_000_000)
    reasons = blockers(WANTED, replace(FREE, disks=(*FREE.disks, full)))
    assert reasons == ["/ollama has 1.9 GB free, a run may need 4.7 GB"]


def test_every_disk_that_is_too_full_is_named() -> None:
    full = tuple(Disk(Path(name), free_bytes=0, needed_bytes=1) for name in ("/a", "/b"))
    assert [reason.split()[0] for reason in blockers(WANTED, replace(FREE, disks=full))] == ["/a", "/b"]


def test_exactly_enough_room_is_enough() -> None:
    exact = (Disk(Path("/a"), free_bytes=7, needed_bytes=7),)
    assert blockers(WANTED, replace(FREE, disks=exact, memory_bytes=7, memory_needed_bytes=7)) == []


def test_memory_that_others_wait_for_is_a_reason() -> None:
    assert blockers(WANTED, replace(FREE, memory_is_short=True)) == ["other programs wait for memory"]


def test_too_little_memory_is_a_reason() -> None:
    found = replace(FREE, memory_bytes=4_000_000_000, memory_needed_bytes=20_500_000_000)
    assert blockers(WANTED, found) == ["4.0 GB of memory are free, a run may need 20.5 GB"]


def test_all_reasons_are_told_together() -> None:
    wanted = replace(WANTED, quiet_hours=Hours.parse("00:00-23:00"))
    full = (Disk(Path("/a"), free_bytes=0, needed_bytes=1),)
    found = replace(FREE, power=LOW, disks=full, memory_bytes=0, idle_s=0)
    beginnings = ("on battery", "quiet hours", "the runtime was used", "/a has", "0.0 GB of memory")
    reasons = blockers(wanted, found)
    assert len(reasons) == len(beginnings)
    assert all(reason.startswith(begin) for reason, begin in zip(reasons, beginnings, strict=True))


SITUATIONS = st.builds(
    MachineState,
    now=st.datetimes(timezones=st.just(LOCAL)),
    power=st.builds(Power, st.none() | st.booleans(), st.none() | st.floats(0, 100)),
    memory_bytes=st.integers(0, 1 << 40),
    memory_needed_bytes=st.integers(0, 1 << 40),
    disks=st.lists(
        st.builds(Disk, st.just(Path("/d")), st.integers(0, 1 << 45), st.integers(0, 1 << 45)), max_size=2
    ).map(tuple),
    idle_s=st.floats(0, float("inf"), allow_nan=False),
)  # fmt: skip


@given(SITUATIONS, st.booleans())
def test_each_blocker_is_named_once_and_a_better_machine_has_no_more_of_them(
    found: MachineState, on_ac_power: bool
) -> None:
    wanted = replace(WANTED, on_ac_power=on_ac_power, quiet_hours=Hours.parse("08:00-18:00"))
    reasons = blockers(wanted, found)
    better = replace(found, power=DESKTOP, memory_bytes=1 << 41, idle_s=float("inf"))
    assert len(set(blockers(wanted, better))) <= len(set(reasons))
    assert set(blockers(wanted, better)) <= set(reasons)
    assert all(reason and "\n" not in reason for reason in reasons)


@pytest.fixture
def file_systems(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Says on which file system each folder is, and how much is free on them."""

    def lay_out(folders: dict[str, int], free: dict[int, int]) -> None:
        monkeypatch.setattr(admission, "file_system", lambda path: folders[str(path)])
        monkeypatch.setattr(admission, "free_bytes", lambda path: free[folders[str(path)]])

    return lay_out


def test_two_file_systems_have_a_need_each(file_systems: Callable[..., None]) -> None:
    file_systems({"/home": 1, "/blobs": 2}, {1: 10, 2: 20})
    found = disks([(Path("/home"), 5), (Path("/blobs"), 3)])
    assert found == (Disk(Path("/home"), 10, 5), Disk(Path("/blobs"), 20, 3))


@pytest.mark.parametrize("needs", [[("/home", 5), ("/blobs", 3)], [("/blobs", 3), ("/home", 5)]])
def test_on_one_file_system_the_larger_need_holds_for_both(
    file_systems: Callable[..., None], needs: list[tuple[str, int]]
) -> None:
    file_systems({"/home": 1, "/blobs": 1}, {1: 10})
    assert disks((Path(folder), needed) for folder, needed in needs) == (Disk(Path("/home"), 10, 5),)


def test_a_need_of_nothing_is_one_as_well(file_systems: Callable[..., None]) -> None:
    file_systems({"/home": 1}, {1: 10})
    assert disks([(Path("/home"), 0)]) == (Disk(Path("/home"), 10, 0),)


def test_the_state_of_this_machine_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "power", lambda: BATTERY)
    monkeypatch.setattr(admission, "available_memory_bytes", lambda: 123)
    (tmp_path / "blobs").mkdir()
    base = tmp_path / "blobs" / "sha256-aa"
    found = measure_machine(NIGHT, 7.5, base, 1000, tmp_path / "home of somebody")
    assert (found.now, found.power, found.idle_s) == (NIGHT, BATTERY, 7.5)
    assert (found.memory_bytes, found.memory_needed_bytes) == (123, MEMORY_FLOOR_BYTES + MEMORY_FACTOR * 1000)
    (disk,) = found.disks
    assert (disk.folder, disk.needed_bytes) == (tmp_path / "home of somebody", 1000 + RUN_FOLDER_BYTES)
    assert disk.free_bytes > 0


def test_a_provider_elsewhere_needs_neither_power_nor_memory_of_this_machine() -> None:
    busy = replace(on(BATTERY), memory_bytes=2 << 30)
    assert len(blockers(*as_needed(Needs(memory=True, ac_power=True, network=False), WANTED, busy))) == 2
    elsewhere = Needs(memory=False, ac_power=False, network=True)
    assert blockers(*as_needed(elsewhere, WANTED, busy)) == []
    assert blockers(*as_needed(elsewhere, WANTED, replace(busy, power=LOW))) == ["battery at 12 % (below 40 %)"]
    assert len(blockers(*as_needed(elsewhere, WANTED, replace(busy, memory_bytes=1 << 29)))) == 1
