"""Whether an address is one of this very machine, whatever it is called."""

import ipaddress
import socket
from functools import lru_cache


@lru_cache(maxsize=16)
def is_this_machine(host: str) -> bool:
    """Whether requests to a host name or an IP address stay on this machine: its own names and addresses, loopback.

    A name is looked up as a client would, and every address that it has must be ours. False where it has none.
    """
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost") or name in _own_names():
        return True
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(_is_own(family, address) for family, _, _, _, address in found)


def _own_names() -> set[str]:
    """What this machine is called, with and without its domain; on a Mac also by the name that others find it by."""
    full = socket.gethostname().lower()
    short = full.partition(".")[0]
    return {full, short, f"{short}.local"} - {""}


def _is_own(family: int, address: tuple[object, ...]) -> bool:
    """A socket can be bound to the machine's own addresses only."""
    if ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
        return True
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True
