"""What a process reaches outside of the places it needs, as Python's audit hooks tell."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
_READABLE = tuple(
    {
        str(Path(place).resolve())
        for place in (
            sys.prefix,
            sys.base_prefix,
            ROOT,
            "/usr/lib",
            "/usr/share/zoneinfo",
            "/etc/localtime",
            "/lib",
            "/dev/null",
            "/proc",
            "/sys/devices",
            "/dev/urandom",
        )
    }
)
_NEVER = (
    "socket.connect",
    "socket.bind",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "socket.getaddrinfo",
    "urllib.Request",
    "ctypes.dlopen/late",
)
_CHANGES = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.chmod",
    "os.truncate",
    "shutil.rmtree",
    "shutil.move",
    "os.chown",
    "os.utime",
    "os.listdir",
    "os.scandir",
)


def begin(folder: Path | None, told: Callable[[str], object], *, starts_children: bool = False) -> None:
    """From now on, tell of everything that is opened or changed elsewhere than in `folder` and, to be read, in the
    libraries; of connections; and of processes unless it `starts_children`."""
    own = str(folder.resolve()) if folder else None

    def hook(event: str, values: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = (*values, None, None, None)[:3]
            writes = bool(flags and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)) or (
                isinstance(mode, str) and bool(set(mode) & set("wax+"))
            )
            if not isinstance(path, int) and not _may(path, own, writes=writes):
                told(f"{event} {path!r} {mode} {flags}")
        elif event in ("os.listdir", "os.scandir"):
            if not isinstance(values[0], int) and not _may(values[0], own, writes=False):
                told(f"{event} {values[0]!r}")
        elif event in _CHANGES:
            changed = values[1] if event in ("os.link", "os.symlink") else values[0]
            if not isinstance(changed, int) and not _may(changed, own, writes=True):
                told(f"{event} {changed!r}")
        elif event in _NEVER and not (starts_children and event == "subprocess.Popen"):
            told(f"{event} {values!r:.200}")

    sys.addaudithook(hook)


def _may(path: Any, own: str | None, *, writes: bool) -> bool:
    if path in (None, os.devnull):
        return True
    name = os.path.normpath(os.path.join(os.getcwd(), os.fsdecode(path)))  # noqa: PTH118, PTH109 (links as they are)
    if own and (name == own or name.startswith(own + os.sep)):
        return True
    return not writes and name.startswith(_READABLE)
