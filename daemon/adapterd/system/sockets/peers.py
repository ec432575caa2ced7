"""Which user is at the other end of a connection from this machine.

A Unix socket tells it by itself: SO_PEERCRED on Linux (socket(7)), LOCAL_PEERCRED on macOS (unix(4)). Of a TCP
connection Linux tells it by netlink (sock_diag(7)): the socket at the other end is of this machine, and has an owner.
"""

import socket
import struct
import sys
from asyncio.trsock import TransportSocket

Connection = socket.socket | TransportSocket

_SOL_LOCAL = 0  # this and the next from macOS's sys/un.h
_LOCAL_PEERCRED = 1
_XUCRED = struct.Struct("=IIhxx16I")  # version, user, number of groups, groups; from macOS's sys/ucred.h
_UCRED = struct.Struct("=iII")  # process, user, group
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_REQUEST = struct.Struct("=BBBxI")  # struct inet_diag_req_v2 up to its socket
_ENDS = struct.Struct("!HH16s16s")
_ANY_DEVICE_AND_COOKIE = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
_ALL_STATES = 0xFFFFFFFF
_USER_AT = _HEADER.size + 4 + 48 + 12  # of struct inet_diag_msg: four bytes, the socket, three numbers


def unix_peer_user(connection: Connection) -> int:
    """The user id of the process that connected to a Unix socket; raises OSError where the system does not tell."""
    if sys.platform == "darwin":
        data = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size)
        return int(struct.unpack_from("=II", data)[1])
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(data)[1])


def tcp_peer_user(connection: Connection) -> int | None:
    """The user id of the process at the other end of a TCP connection over loopback; None where it cannot be known."""
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        here, there = connection.getsockname(), connection.getpeername()
        return _asked(connection.family, there[:2], here[:2])
    except (OSError, struct.error, ValueError):
        return None


def _asked(family: int, source: tuple[str, int], target: tuple[str, int]) -> int | None:
    """The owner of the socket with these ends, as the kernel tells it."""
    if sys.platform != "linux":
        return None
    ends = _ENDS.pack(source[1], target[1], _address(family, source[0]), _address(family, target[0]))
    request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, _ALL_STATES) + ends + _ANY_DEVICE_AND_COOKIE
    header = _HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as netlink:
        netlink.setblocking(False)  # the kernel replies before `send` returns
        netlink.send(header + request)
        reply = netlink.recv(4096)
    kind = _HEADER.unpack_from(reply)[1]
    return int(struct.unpack_from("=I", reply, _USER_AT)[0]) if kind == _SOCK_DIAG_BY_FAMILY else None


def _address(family: int, text: str) -> bytes:
    return socket.inet_pton(family, text).ljust(16, b"\0")
