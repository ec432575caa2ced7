"""Which addresses are those of this very machine."""

import socket

import psutil
import pytest

from adapterd.config.addresses.this_machine import is_this_machine


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "api.localhost", "127.0.0.1", "127.0.1.1"])
def test_loopback_is(host: str) -> None:
    assert is_this_machine(host)


def test_the_machines_own_name_is() -> None:
    assert is_this_machine(socket.gethostname())
    assert is_this_machine(socket.gethostname().partition(".")[0].upper())


def test_the_addresses_of_its_interfaces_are() -> None:
    own = {
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family is socket.AF_INET
    }
    assert own
    assert all(map(is_this_machine, own))


@pytest.mark.parametrize("host", ["192.0.2.1", "198.51.100.7", "2001:db8::1"])
def test_addresses_of_others_are_not(host: str) -> None:
    assert not is_this_machine(host)


@pytest.mark.parametrize("host", ["", "a" * 300, "a..b", "\N{SNOWMAN}" * 80, "no such host"])
def test_a_name_that_nobody_has_is_not(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    is_this_machine.cache_clear()
    assert not is_this_machine(host)
