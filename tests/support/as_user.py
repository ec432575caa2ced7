"""The tests that touch files, once more as a user without rights: `make test-as-user`.

Root reads and writes everything, so a suite that runs as root meets no permission. Here root gives its rights up before
pytest begins: it becomes another user where that one can reach the checkout and its Python, else it stays root without
any capability, to whom permissions are what they are to others. Where neither can be had, one sentence says why.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.without_rights import DROP_ALL, cannot_be_had

NOBODY = 65_534
PLACES = (
    "tests/unit/cli", "tests/unit/config", "tests/unit/deployment", "tests/unit/feedback", "tests/unit/housekeeping",
    "tests/unit/intake", "tests/unit/removal", "tests/unit/store", "tests/unit/supervisor", "tests/unit/system",
    "tests/unit/test_home.py", "tests/unit/web", "tests/integration/removal", "tests/integration/permissions",
    "tests/integration/test_service_install.py", "tests/integration/test_terminal.py",
    "tests/acceptance/test_gc.py",
)  # fmt: skip
"""What touches homes, inboxes, stores, sockets and service files."""
OPTIONS = ("-q", "-p", "no:cacheprovider", "-m", "not long and not ollama", "--hypothesis-profile", "quick")
KEPT = ("LANG", "LC_ALL", "PATH", "VIRTUAL_ENV")
PROBE = "import adapterd, adapterctl, pytest, tests.conftest"
BECOME_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *DROP_ALL[:1], "--no-new-privs")


def main(arguments: list[str]) -> int:
    """Run pytest as a user without rights, on PLACES unless the arguments name others; its exit status."""
    if os.geteuid() != 0:
        sys.stderr.write(f"user {os.geteuid()} is not root: `make test` meets permissions by itself\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="as-user-") as folder:
        environment = _environment(Path(folder))
        for who, command in _ways(Path(folder), environment):
            sys.stderr.write(f"running as {who}\n")
            argv = [*command, sys.executable, "-m", "pytest", *OPTIONS, *arguments]
            places = () if any(Path(argument.partition("::")[0]).exists() for argument in arguments) else PLACES
            code = subprocess.run([*argv, *places], env=environment, check=False).returncode
            return 0 if arguments and code == pytest.ExitCode.NO_TESTS_COLLECTED else code
    sys.stderr.write(f"no test ran as a user without rights: {cannot_be_had()}\n")
    return 0


def _ways(folder: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Who the tests can run as here, and the command that becomes them; the best first."""
    folders = (folder, folder / "home", folder / "tmp")
    with suppress(PermissionError):  # a root that may give nothing away cannot become another user either
        for each in folders:
            os.chown(each, NOBODY, NOBODY)
        if _works(BECOME_NOBODY, environment):
            yield f"user {NOBODY}", BECOME_NOBODY
        for each in folders:
            os.chown(each, 0, 0)
    if not cannot_be_had():
        yield "root without capabilities: no other user can reach this checkout or its Python", ("setpriv", *DROP_ALL)


def _works(command: tuple[str, ...], environment: Mapping[str, str]) -> bool:
    """Whether that user can start this Python, import what the tests need, and write where they write.

    A shell starts it: what `setpriv` itself starts is still looked up with root's rights.
    """
    probe = f"{PROBE}; open({environment['TMPDIR']!r} + '/probe', 'x').close()"
    argv = [*command, "sh", "-c", 'exec "$0" "$@"', sys.executable, "-c", probe]
    try:
        return subprocess.run(argv, env=environment, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _environment(folder: Path) -> dict[str, str]:
    """A home and a folder for temporary files of their own, and nothing written into the checkout."""
    for name in ("home", "tmp"):
        (folder / name).mkdir(mode=0o700)
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {
        **kept, "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "home" / ".hypothesis"),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
