"""A Unix socket that only its owner can connect to."""

import errno
import os
import socket
import stat
import sys
from pathlib import Path

from adapterd.errors import AdapterdError, BusyError, ConfigError
from adapterd.system.files import PRIVATE_FILE
from adapterd.system.locks import exclusive

LONGEST_PATH = 103 if sys.platform == "darwin" else 107
"""Bytes of a path in `sockaddr_un`, without the NUL at its end (unix(4), unix(7))."""
LOCK_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 2.0


def listen_on_path(path: Path) -> socket.socket:
    """A socket that listens there, 0600. One that a process left behind is replaced, one that answers never.

    Raises ConfigError where there cannot be one (the path is too long, its folder is open to others, something else is
    there), and BusyError where somebody else listens.
    """
    length = len(os.fsencode(path))
    if length > LONGEST_PATH:
        raise ConfigError(
            f"the path of the Unix socket has {length} bytes, and the system allows {LONGEST_PATH}: {path}",
            hint="set http.socket_path in the configuration to a shorter one, in a folder that only you can write to",
        )
    try:
        _check_folder(path.parent)
        lock = path.with_name(path.name + ".lock")
        with exclusive(lock, timeout_s=LOCK_TIMEOUT_S, busy=f"another process is opening {path}"):
            _make_way(path)
            return _listening(path)
    except OSError as exc:
        raise ConfigError(f"there cannot be a Unix socket at {path}: {exc.strerror}", hint=_HINT) from exc


_HINT = "set http.socket_path in the configuration to another place, or http.unix_socket to false"


def remove_own(path: Path, listening: socket.socket, identity: tuple[int, int]) -> None:
    """Close a socket, and remove its name if it is still the name of this one."""
    listening.close()
    if socket_identity(path) == identity:
        path.unlink(missing_ok=True)


def socket_identity(path: Path) -> tuple[int, int] | None:
    """Which socket has this name, None if none has."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISSOCK(status.st_mode) else None


def _check_folder(folder: Path) -> None:
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise ConfigError(
            f"the folder of the Unix socket, {folder}, is not yours, or others may write to it",
            hint=f"chmod 700 '{folder}', or set http.socket_path in the configuration to a path in a folder of yours",
        )


def _make_way(path: Path) -> None:
    """Remove a socket of ours to which nobody listens; raise for anything else that is there."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.getuid():
        raise ConfigError(
            f"{path} is not a socket of yours", hint="look at what it is, and remove it or set http.socket_path"
        )
    if fault := _answer(path):
        raise fault
    path.unlink(missing_ok=True)


def _answer(path: Path) -> AdapterdError | None:
    """What to say if a process listens there; None if it is certain that none does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(ANSWER_TIMEOUT_S)
        try:
            asking.connect(str(path))
        except OSError as exc:
            if exc.errno in (errno.ECONNREFUSED, errno.ENOENT):
                return None
    return BusyError(f"another process listens on the Unix socket {path}", hint=_HINT)


def _listening(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
        path.chmod(PRIVATE_FILE)  # before anybody can connect
        listening.listen()
    except BaseException:
        listening.close()
        raise
    return listening
