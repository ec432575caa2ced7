"""Commands that meet permissions, also where the tests run as root, which may read and write everything.

`without_rights` is for commands: it runs them as the same user, but as root without root's capabilities. Such a root
owns what the test made, as an ordinary user would, and is refused what belongs to another user or what its own modes
forbid:

    secret.chmod(0)
    done = subprocess.run(without_rights(ADAPTERCTL, "status"), env=..., capture_output=True, text=True, check=False)

`give_away` gives a file to another user, which only root can do. Both skip the test, with the reason, where it cannot
be had; neither changes anything for tests that run as an ordinary user, but that these cannot give files away.
"""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

SOMEBODY_ELSE = 61_002
"""A user id that nobody has."""
DROP_ALL = ("--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs")


def without_rights(*argv: str | Path) -> list[str]:
    """The command as one that meets permissions, or what stands before it if none is given; skips the test where root
    cannot give its rights up."""
    if os.geteuid() != 0:
        return [str(each) for each in argv]
    if reason := cannot_be_had():
        pytest.skip(reason)
    return ["setpriv", *DROP_ALL, *map(str, argv)]


@cache
def cannot_be_had() -> str:
    """Why root cannot run a command without its rights here; empty if it can."""
    if shutil.which("setpriv") is None:
        return "root meets no permission, and there is no setpriv (util-linux) to give its rights up"
    tried = ["setpriv", *DROP_ALL, "sh", "-c", "grep -q '^CapEff:[[:space:]]*0*$' /proc/self/status"]
    done = subprocess.run(tried, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"root meets no permission, and cannot give its rights up here: {done.stderr.strip() or 'it keeps them'}"
    return ""


def give_away(*paths: Path) -> None:
    """Make these files and folders another user's; skips the test where it has no right to."""
    try:
        for path in paths:
            os.chown(path, SOMEBODY_ELSE, SOMEBODY_ELSE, follow_symlinks=False)
    except PermissionError:
        pytest.skip("only root gives files away")
