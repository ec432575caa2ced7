"""Commands of the system, run to their end, with what they say."""

import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapterd.errors import AdapterdError

FOREGROUND = "run `adapterd` in the foreground instead"
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Completed:
    """How a command ended and what it said."""

    returncode: int
    stdout: str = ""
    stderr: str = ""

    @property
    def message(self) -> str:
        return self.stderr.strip() or self.stdout.strip() or f"exit status {self.returncode}"


Run = Callable[[Sequence[str]], Completed]


def run_command(argv: Sequence[str]) -> Completed:
    """Run to the end, without a terminal; raises AdapterdError if the command is missing or takes over a minute."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except OSError as exc:
        raise AdapterdError(f"{argv[0]} cannot be run: {exc.strerror}", hint=FOREGROUND) from exc
    except subprocess.TimeoutExpired as exc:
        raise AdapterdError(f"{shlex.join(argv)} did not end within {TIMEOUT_S:g} s", hint=FOREGROUND) from exc
    return Completed(done.returncode, done.stdout, done.stderr)


def checked(
    run: Run, argv: Sequence[str], *, unless: Callable[[Completed], bool], hint: Callable[[Completed], str]
) -> Completed:
    """Run the command; raises AdapterdError with its message if it fails, unless the failure is one of those."""
    done = run(argv)
    if done.returncode and not unless(done):
        raise AdapterdError(f"{shlex.join(argv)} failed: {done.message}", hint=hint(done))
    return done
