"""A port of this machine's loopback addresses, all of them: who says `localhost` must reach us by either."""

import errno
import socket

from adapterd.errors import AdapterdError, BusyError, ConfigError
from adapterd.system.sockets.listeners import who_listens

IPV4 = "127.0.0.1"
IPV6 = "::1"
TRIES = 10
"""How often another port is tried where any is wanted, and the one that is free on one address is not on the other."""
_NOT_THERE = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT, errno.ENETUNREACH)
_HINT = "end that program, or set http.port in the configuration to another port; it is tried again every 30 s"


def listen_on_loopback(port: int) -> list[socket.socket]:
    """Sockets that listen on this port of 127.0.0.1, and of ::1 where the machine has it; port 0: any that is free.

    Raises BusyError if the port of either is taken, ConfigError if it may not be used.
    """
    for left in reversed(range(TRIES if port == 0 else 1)):
        found: list[socket.socket] = []
        try:
            found.append(_bound(socket.AF_INET, IPV4, port))
            found += _bound_on_ipv6(found[0].getsockname()[1])
            for each in found:
                _listen(each)  # when both are had, so that nobody gets in for a moment where one is not
        except BusyError:
            for each in found:
                each.close()
            if left == 0:
                raise
            continue
        except BaseException:
            for each in found:
                each.close()
            raise
        return found
    raise AssertionError("the last try returns or raises")


def address_of(listening: socket.socket) -> str:
    """The address as it stands in a URL: `127.0.0.1:11480`, `[::1]:11480`."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bound_on_ipv6(port: int) -> list[socket.socket]:
    if not socket.has_ipv6:
        return []
    try:
        return [_bound(socket.AF_INET6, IPV6, port)]
    except _NotThereError:
        return []


class _NotThereError(Exception):
    """The machine does not have such an address."""


def _listen(bound: socket.socket) -> None:
    try:
        bound.listen()
    except OSError as exc:
        host, port = bound.getsockname()[:2]
        raise _fault(host, port, exc) from exc


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    bound = None
    try:
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, port))
    except OSError as exc:
        if bound is not None:
            bound.close()
        if family == socket.AF_INET6 and exc.errno in _NOT_THERE:
            raise _NotThereError from exc
        raise _fault(host, port, exc) from exc
    return bound


def _fault(host: str, port: int, exc: OSError) -> AdapterdError:
    if exc.errno == errno.EADDRINUSE:
        who = who_listens(host, port)
        return BusyError(
            f"port {port} of {host} is taken by another program{f' ({who})' if who else ''}, which gets what "
            "applications post there, and their tokens",
            hint=_HINT,
        )
    return ConfigError(
        f"port {port} of {host} cannot be used: {exc.strerror}",
        hint="set http.port in the configuration to another one",
    )
