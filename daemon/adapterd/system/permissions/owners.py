"""The names of users, and the commands that give a home back to its user."""

import os
import pwd
import shlex
import stat
from pathlib import Path


def user_name(uid: int) -> str:
    """The name of a user, or their number where they have none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def chown(root: Path) -> str:
    """The command that makes a folder, and all that is in it, the caller's."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    return f"sudo chown -R {user} {shlex.quote(str(root.resolve()))}"


def chmod(mode: str, path: Path) -> str:
    """The command that changes the mode of a file or a folder."""
    return f"chmod {mode} {shlex.quote(str(path))}"


def refusal(path: Path, root: Path) -> tuple[str, str]:
    """What keeps the caller from `path`, and the command that mends it: the first thing on the way that belongs to
    another user, or has modes that forbid it. Empty texts where nothing of the kind is found below `root`."""
    for each in (root, *_below(root, path)):
        try:
            status = each.lstat()
        except OSError:
            break
        if status.st_uid != os.geteuid():
            return f"{each} belongs to {user_name(status.st_uid)}", chown(root)
        wanted = 0o700 if stat.S_ISDIR(status.st_mode) else 0o600
        if not stat.S_ISLNK(status.st_mode) and status.st_mode & wanted != wanted:
            return f"the modes of {each} forbid it", chmod("u+rwX", each)
    return "", ""


def _below(root: Path, path: Path) -> list[Path]:
    """The path and the folders above it up to `root`, outermost first."""
    if not path.is_relative_to(root):
        return []
    return [*reversed([folder for folder in path.parents if folder.is_relative_to(root) and folder != root]), path]
