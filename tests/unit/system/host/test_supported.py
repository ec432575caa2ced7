"""Which machines the compiled parts are made for."""

import pytest

from adapterd.system.host.supported import Machine, this_machine, unsupported

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
