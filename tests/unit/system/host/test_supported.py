"""Which machines the compiled parts are made for."""

from pathlib import Path

import pytest

from adapterd.insight import doctor
from adapterd.system.host.supported import GLIBC as GLIBC_NEEDED
from adapterd.system.host.supported import MACOS, Machine, this_machine, unsupported

GLIBC = ("glibc", "2.35")


@pytest.mark.parametrize(
    "machine",
    [
        Machine("darwin", "arm64", "14.0"),
        Machine("darwin", "arm64", "26.1"),
        Machine("linux", "x86_64", libc=GLIBC),
        Machine("linux", "aarch64", libc=("glibc", "2.41")),
    ],
)
def test_these_are_supported(machine: Machine) -> None:
    assert unsupported(machine) is None


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (Machine("darwin", "arm64", "13.7.1"), "macOS 13.7.1 on arm64: macOS 14 or newer is needed"),
        (Machine("darwin", "x86_64", "14.5"), "macOS 14.5 on x86_64: Apple silicon is needed"),
        (
            Machine("linux", "x86_64", libc=("glibc", "2.34")),
            "linux on x86_64, glibc 2.34: glibc 2.35 or newer is needed",
        ),
        (Machine("linux", "x86_64"), "linux on x86_64, another C library than glibc: glibc 2.35 or newer is needed"),
    ],
)
def test_these_are_not_and_it_is_said_why(machine: Machine, said: str) -> None:
    found = unsupported(machine)
    assert found is not None
    assert found[0] == said
    assert found[1]


def test_the_machine_of_this_test_can_be_described() -> None:
    assert this_machine().architecture


def test_doctor_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "this_machine", lambda: Machine("darwin", "x86_64", "14.5"))
    (check,) = [check for check in doctor._installation() if check.what == "machine"]
    assert (check.level, check.detail) == ("fault", "macOS 14.5 on x86_64: Apple silicon is needed")
    assert "there is no MLX" in check.hint


def test_readme_says_it_before_anything_is_installed() -> None:
    readme = (Path(__file__).parents[4] / "README.md").read_text(encoding="utf-8")
    said = " ".join(readme.split())
    assert f"macOS {MACOS[0]} or newer on Apple silicon" in said
    assert "Intel Macs have no MLX" in said
    assert f"glibc {'.'.join(map(str, GLIBC_NEEDED))} or newer" in said
