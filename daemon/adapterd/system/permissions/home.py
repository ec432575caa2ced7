"""A home that others may change, or that holds files of others.

Whoever writes into the configuration or the database decides what runs as its user, so others must not. The model is
StrictModes of sshd(8). Looking costs a few system calls, and a bounded number of them in a large home.
"""

import os
import shlex
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from adapterd.errors import ConfigError
from adapterd.home import HOME_VARIABLE, Home
from adapterd.system.files import no_file
from adapterd.system.permissions.owners import chmod, chown, user_name

OTHERS_MAY_WRITE = 0o022
OTHERS_MAY_ENTER = 0o011
EVERYBODY_MAY_WRITE = 0o002
MOST_FILES_LOOKED_AT = 5000
WANTED = {"r": stat.S_IRUSR, "w": stat.S_IWUSR, "x": stat.S_IXUSR}
SHALLOW = frozenset({"cache", "feedback"})
"""Folders whose contents are not looked into: too many files, and files of applications, which may be other users."""
NO_PERMISSIONS = "is on a file system that keeps no permissions, so other users of this machine may change it"
ELSEWHERE = f"move it to a disk that keeps them, and set {HOME_VARIABLE}, unless you are the machine's only user"
ANOTHER = f"set {HOME_VARIABLE} to a folder of yours"


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with who may change a home; `refused` where nothing works until it is mended."""

    text: str
    hint: str
    refused: bool = False


def require_own_home(home: Home) -> list[Finding]:
    """What is wrong, but lets one go on; raises ConfigError for the first thing that does not."""
    found = look_at_home(home)
    for finding in found:
        if finding.refused:
            raise ConfigError(finding.text, hint=finding.hint)
    return found


def look_at_home(home: Home) -> list[Finding]:
    """Everything that is wrong with who owns and who may change this home, the most important first."""
    try:
        status = home.root.stat()
    except FileNotFoundError:
        return list(_not_there(home))
    except PermissionError:
        return [Finding(f"{home.root} cannot be reached: a folder above it is closed to you", ANOTHER, True)]
    except OSError:
        return []
    if not stat.S_ISDIR(status.st_mode):
        return []  # whoever makes the home says so
    looks = (_root(home, status), _no_files(home), _files(home, status), _others_files(home))
    return next((found for found in map(list, looks) if found), [])


def look_at_inbox(inbox: Path) -> Finding | None:
    """Whether every user of this machine can put feedback there."""
    try:
        mode = inbox.stat().st_mode
    except (OSError, ValueError):  # ValueError: a name that this locale cannot write
        return None
    if not mode & EVERYBODY_MAY_WRITE:
        return None
    text = f"every user of this machine can put feedback into {inbox}, which models learn from"
    return Finding(text, f"{chmod('o-w', inbox)}; give a group of its own the right to write where others need it")


def _not_there(home: Home) -> Iterator[Finding]:
    """Under sudo, a home that is made below a user's folder would be root's for ever after."""
    user = os.environ.get("SUDO_USER") or "root"
    above = next((folder for folder in home.root.parents if folder.exists()), Path("/"))
    if os.geteuid() == 0 and user != "root" and above.stat().st_uid != 0:
        text = f"{home.root} would belong to root, in a folder of {user_name(above.stat().st_uid)}"
        yield Finding(text, f"give the command as {user}, without sudo", True)


def _root(home: Home, status: os.stat_result) -> Iterator[Finding]:
    """The folder itself: whose it is, and who may write into it. Not refused where modes and owners say nothing."""
    root, others = home.root, status.st_mode & OTHERS_MAY_WRITE
    foreign = status.st_uid != os.geteuid()
    if (foreign or others) and not _keeps_permissions(root):
        yield Finding(f"{root} {NO_PERMISSIONS}", ELSEWHERE)
    elif foreign:
        yield _foreign_home(home, user_name(status.st_uid))
    elif others:
        text = f"{root} can be changed by other users of this machine (its mode is {_octal(status)})"
        yield Finding(text, chmod("700", root), True)
    elif not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        yield _closed(root, status, "cannot be written", "u+rwx")


def _foreign_home(home: Home, owner: str) -> Finding:
    if os.geteuid() == 0:
        text = f"{home.root} belongs to {owner}, and root would leave files there that {owner} cannot change"
        return Finding(text, f"give the command as {owner}, without sudo", True)
    return Finding(f"{home.root} belongs to {owner}, not to you", f"{chown(home.root)}, or {ANOTHER}", True)


def _no_files(home: Home) -> Iterator[Finding]:
    """Pipes, sockets and devices in the place of files: who opens one waits for ever, or reads without an end. The
    database and the token are opened so that it is not waited for, and have their own ways out."""
    for file in (
        home.config_file, home.config_lock, home.daemon_lock, home.run_lock, home.tags_lock, home.teach_lock,
        home.judge_lock, home.daemon_release, home.removed_statements, home.verified_digests,
    ):  # fmt: skip
        with suppress(OSError):
            what = no_file(file.stat().st_mode)
            if what not in (None, "a folder"):
                yield Finding(f"{file} is {what}, not a file", f"rm {shlex.quote(str(file))}", True)


def _files(home: Home, root: os.stat_result) -> Iterator[Finding]:
    """The files from which somebody could make us do something. Modes that only the folder around them makes private
    are good enough: with a umask of 002 editors write them so."""
    database = home.database
    for file in (
        home.config_file, home.root / "http-token", database,
        database.with_name(f"{database.name}-wal"), database.with_name(f"{database.name}-shm"),
        home.config_lock, home.daemon_lock, home.run_lock, home.tags_lock, home.teach_lock, home.judge_lock,
    ):  # fmt: skip
        try:
            status = file.stat()
        except OSError:
            continue
        if status.st_uid != os.geteuid() and not _is_installed(file, status):
            yield Finding(f"{file} belongs to {user_name(status.st_uid)}, not to you", chown(home.root), True)
        elif status.st_mode & OTHERS_MAY_WRITE and _is_reachable(file, status, root):
            text = f"{file} can be changed by other users of this machine (its mode is {_octal(status)})"
            yield Finding(text, chmod("600", file), True)
        elif not os.access(file, os.R_OK if file == home.config_file else os.R_OK | os.W_OK):
            yield _closed(file, status, "is closed to you", "u+rw")


def _is_reachable(file: Path, status: os.stat_result, root: os.stat_result) -> bool:
    """Whether others come to a file of the home: through the home, or since it has another name or place, too."""
    return bool(root.st_mode & OTHERS_MAY_ENTER) or file.is_symlink() or status.st_nlink > 1


def _closed(path: Path, status: os.stat_result, how: str, wanted: str) -> Finding:
    """What is yours and cannot be used, and the mode that is `wanted`; where it has that mode, no `chmod` helps."""
    bits = sum(WANTED[letter] for letter in wanted.removeprefix("u+"))
    if status.st_mode & bits == bits:
        text = f"{path} {how}, though its mode {_octal(status)} allows it"
        return Finding(
            text, "see whether its disk is mounted read-only, or it is locked (chflags, chattr, an ACL)", True
        )
    return Finding(f"{path} {how}: its mode is {_octal(status)}", chmod(wanted, path), True)


def _is_installed(file: Path, status: os.stat_result) -> bool:
    """A link to a file of root's that only root changes: configuration that a tool has installed."""
    return (
        file.is_symlink() and status.st_uid == 0 and not status.st_mode & OTHERS_MAY_WRITE and os.access(file, os.R_OK)
    )


def _others_files(home: Home) -> Iterator[Finding]:
    """Files of other users, as a command under sudo leaves them."""
    me = os.geteuid()
    others = [(path, uid) for path, uid in islice(_walk(home.root), MOST_FILES_LOOKED_AT) if uid != me]
    others = [(path, uid) for path, uid in others if path != home.config_file]  # a link of root's
    if not others:
        return
    path, uid = others[0]
    more = f" ({len(others)} files and folders of the home do not)" if len(others) > 1 else ""
    yield Finding(f"{path} belongs to {user_name(uid)}, not to you{more}", chown(home.root))


def _walk(root: Path) -> Iterator[tuple[Path, int]]:
    """Files and folders with their owners, those nearest to the root first."""
    folders = [root]
    while folders:
        below: list[Path] = []
        for folder in folders:
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                yield Path(entry.path), status.st_uid
                if stat.S_ISDIR(status.st_mode) and not (folder == root and entry.name in SHALLOW):
                    below.append(Path(entry.path))
        folders = below


def _keeps_permissions(folder: Path) -> bool:
    """Whether a file that is made there is ours and private when it was made private; True if that cannot be tried."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".permissions-") as probe:
            os.fchmod(probe.fileno(), 0o600)
            status = os.fstat(probe.fileno())
    except PermissionError as exc:
        return exc.filename is not None  # fchmod names no file: it is the file system that refuses modes
    except OSError:
        return True
    return status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == 0o600


def _octal(status: os.stat_result) -> str:
    return f"{stat.S_IMODE(status.st_mode):04o}"
