"""Why this process may not read a folder or a file, and the way out: the mode of files, or the privacy of macOS.

macOS keeps Documents, Desktop, Downloads, iCloud Drive and external disks from programs that were not allowed to read
them; a terminal is, usually, and a program that launchd started is not. It refuses with EPERM, file modes with EACCES.
"""

import errno
import os
import stat
import sys
from pathlib import Path

from adapterd.system.python import interpreter

SAFE = "Documents, Desktop, Downloads, iCloud Drive and external disks"
_PROTECTED = ("Documents", "Desktop", "Downloads", "Library/Mobile Documents")
_VOLUMES = Path("/Volumes")
REFUSED = {code: os.strerror(code) for code in (errno.EACCES, errno.EPERM)}
"""What the system says where something may not be read, by its number."""


def way_to_read(path: Path, code: int | None, platform: str = sys.platform) -> str:
    """What to do so that this process can read the path, which the system refused with that errno; empty for others."""
    if code == errno.EPERM and platform == "darwin":
        return (
            f"allow {interpreter()} in System Settings, Privacy & Security, Full Disk Access, then give `adapterctl "
            f"service restart`; or use a folder outside {SAFE}"
        )
    return _mode_of_what_refuses(path) if code in REFUSED else ""


def code_of(reason: str) -> int | None:
    """The errno of a refusal from the sentence that tells of it; None where it tells of something else."""
    return next((code for code, words in REFUSED.items() if words in reason), None)


def protected(path: Path, platform: str = sys.platform, home: Path | None = None) -> bool:
    """Whether macOS may keep a program in the background from reading what is there."""
    if platform != "darwin":
        return False
    own, place = home or Path.home(), path.absolute()
    return place.is_relative_to(_VOLUMES) or any(place.is_relative_to(own / each) for each in _PROTECTED)


def _mode_of_what_refuses(path: Path) -> str:
    """Which folder on the way, or the path itself, does not let this process in, and whose it is."""
    for each in (*reversed(path.absolute().parents), path.absolute()):
        try:
            status = each.stat()
        except OSError:
            break
        needed = os.R_OK | (os.X_OK if stat.S_ISDIR(status.st_mode) else 0) if each == path.absolute() else os.X_OK
        if not os.access(each, needed):
            mode, owner = stat.S_IMODE(status.st_mode), _name_of(status.st_uid)
            return f"{each} belongs to {owner} and has mode {mode:04o}: let {_name_of(os.geteuid())} read it"
    return f"let {_name_of(os.geteuid())} read it"


def _name_of(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
