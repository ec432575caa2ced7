"""Processor time of a server on this machine and of the processes that it started, seen from outside.

A server that answers spends it, whoever asks; one that waits spends none, or next to none. Of a server of another user
Linux tells it as well, macOS does not.
"""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import psutil

DEFAULT_PORT = 11434


@dataclass(frozen=True)
class Spent:
    """Seconds of processor time by process id, and those of children that have ended (`ended_s`)."""

    by_process: dict[int, float] = field(default_factory=dict)
    ended_s: float = 0.0

    def since(self, before: "Spent") -> float:
        """What was spent since `before`: by those that run, and by those that ran in between and have ended."""
        running = sum(max(0.0, now - before.by_process.get(pid, 0.0)) for pid, now in self.by_process.items())
        known_s = sum(spent for pid, spent in before.by_process.items() if pid not in self.by_process)
        return running + max(0.0, self.ended_s - before.ended_s - known_s)


def spent_by_server(address: str, program: str) -> Spent | None:
    """What the server at the address (`http://HOST:PORT`) has spent, which runs under the name of that program.

    None where that is not known: it is on another machine, there is none, or the system does not tell.
    """
    url = urlsplit(address if "://" in address else f"http://{address}")
    if not _is_here(url.hostname or ""):
        return None
    import psutil

    try:
        found = list(_servers(program, url.port or DEFAULT_PORT))
        return _spent(found) if found else None
    except (psutil.Error, OSError, ValueError):
        return None


def _is_here(host: str) -> bool:
    """Whether an address or a name is of this machine: a socket can only be bound to such a one."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(place)
    except (OSError, UnicodeError):
        return False
    return True


def _servers(program: str, port: int) -> "Iterator[psutil.Process]":
    """Those that listen on the port; where the system does not say who does, all that may."""
    import psutil

    unknown = []
    listening = False
    for process in psutil.process_iter(["name"]):
        if process.info["name"] != program:
            continue
        try:
            connections = process.net_connections(kind="tcp")
        except psutil.AccessDenied:
            unknown.append(process)
            continue
        except psutil.Error:
            continue
        if any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections):
            listening = True
            yield process
    if not listening:
        yield from unknown


def _spent(servers: "list[psutil.Process]") -> Spent:
    import psutil

    by_process: dict[int, float] = {}
    ended_s = 0.0
    for server in servers:
        for process in (server, *server.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.Error:  # it ended meanwhile
                continue
            by_process[process.pid] = times.user + times.system
            ended_s += times.children_user + times.children_system
    return Spent(by_process, ended_s)
