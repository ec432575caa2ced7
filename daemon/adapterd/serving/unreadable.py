"""Files of the runtime's store that this user may not read: whose they are, and the ways out.

Ollama in Docker keeps its models below /root, the service on Linux in the home of its user `ollama`, the app of another
user in theirs. What may not be looked at is never an error by itself: Python 3.11 to 3.13 raise PermissionError from
`Path.is_file`, 3.14 does not.
"""

import grp
import os
import pwd
import stat
import sys
from enum import Enum, auto
from pathlib import Path

_SERVICE_GROUP = "ollama"
_BY_FILE = "give the base as a file: adapterctl init {model} --base FILE.gguf"


class Access(Enum):
    """What this user can do with a path."""

    READABLE = auto()
    MISSING = auto()
    DENIED = auto()


def access(path: Path) -> Access:
    """Whether a file can be opened by this user, is not there, or is not for them."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return Access.MISSING
        with path.open("rb"):
            return Access.READABLE
    except PermissionError:
        return Access.DENIED
    except (OSError, ValueError):
        return Access.MISSING


def is_folder(path: Path) -> bool:
    """Whether there is a folder, as far as this user can see."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def why(path: Path) -> str:
    """What keeps this user from a file: `/root is root's (group root, mode 0700)`, by name where they have one."""
    obstacle = _obstacle(path)
    try:
        status = obstacle.stat()
    except OSError:
        return f"{obstacle} cannot be looked at"
    owner, group, mode = _user(status.st_uid), _group(status.st_gid), stat.S_IMODE(status.st_mode)
    return f"{obstacle} belongs to {owner} (group {group}, mode {mode:04o})"


def ways_out(path: Path, model: str = "NAME", platform: str = sys.platform) -> str:
    """What a person can do about it: join a group where that helps, or do without the store."""
    by_file = _BY_FILE.format(model=model)
    if platform == "darwin":
        return f"{by_file}; or have the owner of the folder let you read it"
    obstacle = _obstacle(path)
    try:
        status = obstacle.stat()
    except OSError:
        return by_file
    group = _group(status.st_gid)
    if 0 in (status.st_uid, status.st_gid) and group != _SERVICE_GROUP:  # nobody should join root's group for that
        return (
            f"{by_file} (Ollama in a container always needs that; where it is a service of its own user, "
            f"join the group {_SERVICE_GROUP} and log in again)"
        )
    opened = status.st_mode & stat.S_IXGRP and (obstacle.is_dir() or status.st_mode & stat.S_IRGRP)
    first = "" if opened else f"have the group let in (sudo chmod g+rX {obstacle}), "
    join = f"join the group {group} (sudo usermod -a -G {group} {_user(os.getuid())}) and log in again"
    return f"{first}{join}; or {by_file}"


def _obstacle(path: Path) -> Path:
    """The uppermost folder that this user may not enter, behind links too, else the file itself."""
    for part in (*reversed(path.parents), path):
        try:
            part.stat()
        except PermissionError:
            target = _linked(part)
            return _obstacle(target) if target else part.parent
        except OSError:
            return part
    return path


def _linked(path: Path) -> Path | None:
    """Where a link leads; None for what is no link, or cannot be looked at itself."""
    try:
        return path.parent / path.readlink()
    except OSError:
        return None


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
