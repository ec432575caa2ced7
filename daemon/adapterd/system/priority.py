"""Heavy work that the daemon starts is not the daemon: it may use the whole machine, for it only begins when that is
free."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

TASKPOLICY = Path("/usr/sbin/taskpolicy")


def unthrottled(argv: Sequence[str], platform: str = sys.platform, taskpolicy: Path = TASKPOLICY) -> list[str]:
    """The command as it is to be started by a daemon in the background, so that it runs like one of a terminal.

    On macOS a process of the type Background hands that on to its children: they are kept to the efficiency cores, and
    Metal is throttled for them (eightfold, by reports). `taskpolicy -a` gives the type of an application instead, then
    becomes the command: same process id, same files. How nice it is, and the priority of its I/O, stay as they are.
    """
    lifts = platform == "darwin" and os.access(taskpolicy, os.X_OK)
    return [str(taskpolicy), "-a", *argv] if lifts else list(argv)
