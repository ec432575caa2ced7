"""Desktop notifications, where there is a desktop; nothing depends on their being seen."""

import shutil
import subprocess
import sys

TIMEOUT_S = 5.0

# Title and text are arguments of the script, not parts of it, so there is nothing in them to escape.
_SCRIPT = ("on run argv", "display notification (item 2 of argv) with title (item 1 of argv)", "end run")


def notify(title: str, text: str, platform: str = sys.platform) -> bool:
    """Show a notification, within 5 s; never raises; returns whether the desktop took it."""
    argv = _command(title, text, platform)
    if argv is None:
        return False
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):  # ValueError: a NUL or half a character in the text
        return False
    return done.returncode == 0


def _command(title: str, text: str, platform: str) -> list[str] | None:
    if platform == "darwin":
        return ["osascript", *(word for line in _SCRIPT for word in ("-e", line)), title, text]
    program = shutil.which("notify-send") if platform == "linux" else None
    return [program, "--app-name=adapterd", "--", title, _plain(text)] if program else None


def _plain(text: str) -> str:
    """The text so that it is shown as it is: notify-send reads backslashes, desktops read tags."""
    from html import escape  # its table of names stays in the daemon's memory

    return escape(text, quote=False).replace("\\", "\\\\")
