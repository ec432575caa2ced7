"""The release whose files are on disk: an upgrade replaces them under a process, which has its own in memory.

What such a process has not imported yet, and every worker that it starts, is of the other release. So nothing is begun
from then on: a command ends with a sentence, and the daemon ends so that its service manager starts the new release.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import adapterd
from adapterd import __version__
from adapterd.errors import OtherReleaseError

PACKAGE = Path(adapterd.__file__).parent
_VERSION = re.compile(r'^__version__ = "([^"]+)"', re.MULTILINE)
SETTLED_S = 10.0
"""So long the files of another release have to lie there: an installer writes them one after the other."""
GONE_S = 60.0
"""So long there may be none: an installer removes those of the old release first."""

Stamp = tuple[int, int, int]


def release_on_disk(package: Path = PACKAGE) -> str | None:
    """The version that the files of the package have now; None where there are none, or no whole ones."""
    try:
        found = _VERSION.search((package / "__init__.py").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found[1] if found else None


def require_same_release(package: Path = PACKAGE) -> None:
    """Raise OtherReleaseError if the files on disk are not of this process's release."""
    on_disk = release_on_disk(package)
    if on_disk != __version__:
        raise OtherReleaseError(sentence(on_disk), hint="give the command again")


def sentence(on_disk: str | None) -> str:
    """What is wrong where the files are of another release, or gone."""
    if on_disk is None:
        return f"the files of adapterd {__version__} are gone from {PACKAGE} while it runs"
    return f"adapterd {on_disk} was installed while {__version__} runs"


@dataclass
class ReleaseWatch:
    """Tells the daemon when the files on disk are of another release. A look costs one `stat` while nothing changes."""

    package: Path = PACKAGE
    clock: Callable[[], float] = time.monotonic
    _stamp: Stamp | None = None
    _on_disk: str | None = field(default=__version__)
    _since: float = 0.0

    def differs(self) -> bool:
        """Whether the files are of another release at this moment, or gone."""
        stamp = _stamp(self.package)
        if stamp != self._stamp or stamp is None:
            on_disk = release_on_disk(self.package)
            if on_disk != self._on_disk:
                self._since = self.clock()
            self._stamp, self._on_disk = stamp, on_disk
        return self._on_disk != __version__

    def replaced(self) -> str | None:
        """What is wrong, once it has been so for long enough that no installer is still at it; None before."""
        if not self.differs():
            return None
        lasts_s = self.clock() - self._since
        return sentence(self._on_disk) if lasts_s >= (SETTLED_S if self._on_disk else GONE_S) else None


def _stamp(package: Path) -> Stamp | None:
    try:
        found = (package / "__init__.py").stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
