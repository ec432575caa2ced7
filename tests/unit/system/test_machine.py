"""What the machine can spare, by what macOS and Linux were seen to say."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from adapterd.system import machine
from adapterd.system.machine import (
    Power,
    available_memory_bytes,
    file_system,
    free_bytes,
    memory_is_short,
    power,
)

MAINS_OFF = {"type": "Mains", "online": "0"}
MAINS_ON = {"type": "Mains", "online": "1"}
USB_C = {"type": "USB", "online": "1", "scope": "System"}
BATTERY = {"type": "Battery", "present": "1", "capacity": "71", "scope": "System"}
MOUSE = {"type": "Battery", "present": "1", "capacity": "15", "status": "Discharging", "scope": "Device"}
EMPTY_BAY = {"type": "Battery", "present": "0", "status": "Unknown"}


def battery(status: str, **more: str) -> dict[str, str]:
    return BATTERY | {"status": status} | more


class TestPowerOfLinux:
    @pytest.mark.parametrize(
        ("supplies", "found"),
        [
            ({}, Power(True, None)),
            ({"AC": MAINS_ON, "BAT0": battery("Charging")}, Power(True, 71)),
            ({"AC": MAINS_ON, "BAT0": battery("Full", capacity="100")}, Power(True, 100)),
            ({"ADP1": MAINS_OFF, "BAT0": battery("Discharging")}, Power(False, 71)),
            ({"ACAD": MAINS_OFF, "BAT1": battery("Unknown")}, Power(False, 71)),
            ({"macsmc-battery": battery("Discharging")}, Power(False, 71)),
            ({"macsmc-battery": battery("Not charging")}, Power(True, 71)),
            ({"BAT0": battery("Unknown")}, Power(None, 71)),
            ({"AC": MAINS_ON, "BAT0": battery("Charging"), "BAT1": battery("Full", capacity="99")}, Power(True, 85)),
            ({"AC": MAINS_OFF, "BAT0": battery("Discharging"), "BAT1": battery("Not charging")}, Power(False, 71)),
            ({"BAT0": {"type": "Battery", "status": "Charging"}}, Power(True, None)),
            ({"BAT0": battery("Charging", capacity="?")}, Power(True, None)),
        ],
    )
    def test_the_power_is_what_adapters_and_batteries_say(
        self, tmp_path: Path, supplies: dict[str, dict[str, str]], found: Power
    ) -> None:
        assert self.power(tmp_path, supplies) == found

    def test_the_battery_of_a_mouse_makes_no_laptop(self, tmp_path: Path) -> None:
        assert self.power(tmp_path, {"hidpp_battery_0": MOUSE}) == Power(True, None)

    def test_nor_does_an_empty_bay(self, tmp_path: Path) -> None:
        assert self.power(tmp_path, {"BAT1": EMPTY_BAY}) == Power(True, None)

    def test_a_usb_port_that_gives_power_is_no_adapter(self, tmp_path: Path) -> None:
        supplies = {"ucsi-source-psy-USBC000:001": USB_C, "BAT0": battery("Discharging")}

        assert self.power(tmp_path, supplies) == Power(False, 71)

    def test_charging_by_usb_is_on_ac_though_the_old_socket_is_empty(self, tmp_path: Path) -> None:
        supplies = {"AC": MAINS_OFF, "ucsi-source-psy-USBC000:001": USB_C, "BAT0": battery("Charging")}

        assert self.power(tmp_path, supplies) == Power(True, 71)

    def test_a_kernel_that_knows_no_supplies_is_no_fault(self, tmp_path: Path) -> None:
        assert power("linux", tmp_path / "missing") == Power(True, None)

    def test_an_attribute_that_cannot_be_read_is_left_out(self, tmp_path: Path) -> None:
        (tmp_path / "BAT0" / "capacity").mkdir(parents=True)

        assert self.power(tmp_path, {"BAT0": {"type": "Battery", "status": "Full"}}) == Power(True, None)

    def power(self, folder: Path, supplies: dict[str, dict[str, str]]) -> Power:
        for name, attributes in supplies.items():
            (folder / name).mkdir(exist_ok=True)
            for attribute, text in attributes.items():
                (folder / name / attribute).write_text(f"{text}\n", encoding="utf-8")
        return power("linux", folder)


class TestPowerOfMacos:
    @pytest.mark.parametrize(
        ("said", "found"),
        [
            (SimpleNamespace(percent=76, secsleft=16_380, power_plugged=False), Power(False, 76)),
            (SimpleNamespace(percent=100, secsleft=-2, power_plugged=True), Power(True, 100)),
            (SimpleNamespace(percent=50, secsleft=-1, power_plugged=None), Power(None, 50)),
            (None, Power(True, None)),
        ],
    )
    def test_the_power_is_what_psutil_says(self, monkeypatch: pytest.MonkeyPatch, said: Any, found: Power) -> None:
        monkeypatch.setattr(psutil, "sensors_battery", lambda: said, raising=False)

        assert power("darwin") == found

    @pytest.mark.parametrize("fault", [OSError("I/O"), RuntimeError("no power sources"), SystemError(), KeyError("x")])
    def test_a_fault_of_psutil_is_not_to_know(self, monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
        def fail() -> None:
            raise fault

        monkeypatch.setattr(psutil, "sensors_battery", fail, raising=False)

        assert power("darwin") == Power(None, None)

    def test_nor_is_a_psutil_that_cannot_read_batteries(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(psutil, "sensors_battery", raising=False)

        assert power("darwin") == Power(None, None)


class TestMemory:
    def test_available_is_what_psutil_calls_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        said = SimpleNamespace(total=48 << 30, available=31 << 30, percent=35.4, used=12 << 30, free=9 << 30)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: said)

        assert available_memory_bytes() == 31 << 30

    def test_of_this_machine_some_is_available_and_not_more_than_there_is(self) -> None:
        assert 0 < available_memory_bytes() <= psutil.virtual_memory().total

    @pytest.mark.parametrize(
        ("said", "short"),
        [
            ("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", False),
            (
                "some avg10=9.99 avg60=30.10 avg300=2.00 total=91\nfull avg10=4.00 avg60=9.00 avg300=1.00 total=9\n",
                False,
            ),
            (
                "some avg10=23.50 avg60=4.10 avg300=0.20 total=8123\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n",
                True,
            ),
            ("a format of tomorrow", None),
            ("", None),
        ],
    )
    def test_linux_is_short_when_much_has_waited_for_memory(
        self, tmp_path: Path, said: str, short: bool | None
    ) -> None:
        (tmp_path / "memory").write_text(said, encoding="utf-8")

        assert memory_is_short("linux", tmp_path / "memory") is short

    def test_a_kernel_that_does_not_count_it_does_not_tell(self, tmp_path: Path) -> None:
        assert memory_is_short("linux", tmp_path / "missing") is None

    @pytest.mark.parametrize(("level", "short"), [(1, False), (2, True), (4, True), (None, None)])
    def test_macos_is_short_from_a_warning_on(
        self, monkeypatch: pytest.MonkeyPatch, level: int | None, short: bool | None
    ) -> None:
        monkeypatch.setattr(machine, "_sysctl", {"kern.memorystatus_vm_pressure_level": level}.__getitem__)

        assert memory_is_short("darwin") is short

    @pytest.mark.skipif(sys.platform != "darwin", reason="only macOS has sysctlbyname(3)")
    def test_the_kernel_of_a_mac_tells(self) -> None:
        assert memory_is_short() is not None


class TestDisks:
    def test_free_is_what_the_file_system_has_for_us(self, tmp_path: Path) -> None:
        statistics = os.statvfs(tmp_path)
        at_most = shutil.disk_usage(tmp_path).total

        assert 0 <= free_bytes(tmp_path) <= at_most
        assert free_bytes(tmp_path) == pytest.approx(statistics.f_bavail * statistics.f_frsize, rel=0.05)

    def test_a_folder_that_is_not_there_yet_counts_as_the_one_above_it(self, tmp_path: Path) -> None:
        later = tmp_path / "models" / "newsbrief-synth" / "1.0.0" / "candidate.gguf"

        assert file_system(later) == file_system(tmp_path)
        assert free_bytes(later) >= 0

    def test_below_a_file_there_is_nothing_but_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "f").touch()

        assert file_system(tmp_path / "f" / "g") == file_system(tmp_path)

    def test_a_link_counts_where_it_leads(self, tmp_path: Path) -> None:
        (tmp_path / "proc").symlink_to("/dev")

        assert file_system(tmp_path / "proc" / "later") == Path("/dev").stat().st_dev

    def test_a_relative_path_counts_from_the_working_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)

        assert file_system(Path("later")) == tmp_path.stat().st_dev

    def test_a_folder_that_may_not_be_entered_counts_as_itself(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        forbidden, real = tmp_path / "theirs", Path.stat

        def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
            if forbidden in path.parents:
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, follow_symlinks=follow_symlinks)

        forbidden.mkdir()
        monkeypatch.setattr(Path, "stat", stat)

        assert file_system(forbidden / "inbox" / "deep") == tmp_path.stat().st_dev


def test_psutil_is_not_loaded_before_it_is_asked() -> None:
    code = "import sys, adapterd.system.machine; sys.exit('psutil' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
