"""Which Host a request may name: those that Ollama itself answers to. Any other is a page on the web that lets a name
of its own point here (DNS rebinding)."""

import ipaddress
import socket

_ENDINGS = (".localhost", ".local", ".internal")


def is_local(host: str) -> bool:
    """Whether a Host header names this machine or one of its private network; so does none at all (HTTP/1.0)."""
    name = _without_port(host.strip().lower())
    if name in ("", "localhost", socket.gethostname().lower()) or name.endswith(_ENDINGS):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_private or address.is_unspecified


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
