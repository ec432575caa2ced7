"""Patience with files that keep changing. A log that is appended to all day must not wait for ever, nor be read as a
whole at every change."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from adapterd.feedback.listing import InboxFile

LONGEST_WAIT_S = 60.0
REREAD_BYTES_PER_S = 1 << 20


@dataclass(frozen=True)
class _Seen:
    stamp: tuple[int, int]
    quiet_since: float
    changing_since: float


class Patience:
    """What is remembered from look to look about files that are not read yet; keep one as long as the process runs.

    `clock` counts seconds and never goes back. It is believed where the times of files are of no use, for they are
    ahead, or the wall clock was set back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Path, dict[Path, _Seen]] = {}

    def look(self, folder: Path, files: Sequence[InboxFile]) -> None:
        """Take note of the files of an inbox that are new or changed; whatever else was known of it is forgotten."""
        now, before = self._clock(), self._seen.get(folder, {})
        self._seen[folder] = {file.path: _update(before.get(file.path), file, now) for file in files}

    def is_quiet(self, folder: Path, file: InboxFile, *, age_s: float, needed_s: float) -> bool:
        """Whether a file has not changed for so long, by its own time or by what was seen of it."""
        return max(age_s, self._clock() - self._seen[folder][file.path].quiet_since) >= needed_s

    def is_at_its_end(self, folder: Path, file: InboxFile) -> bool:
        """Whether a file has been changing for so long that it should be read in the midst of it."""
        return self._clock() - self._seen[folder][file.path].changing_since >= max(LONGEST_WAIT_S, reread_s(file))

    def forget(self, folder: Path, file: InboxFile) -> None:
        """A file is read now; if it changes again, its time begins anew."""
        del self._seen[folder][file.path]


def reread_s(file: InboxFile) -> float:
    """How long a file should rest before it is read again: reading all day is to cost a few hundredths of a core."""
    return file.size_bytes / REREAD_BYTES_PER_S


def _update(seen: _Seen | None, file: InboxFile, now: float) -> _Seen:
    if seen is None:
        return _Seen(file.stamp, now, now)
    return seen if seen.stamp == file.stamp else replace(seen, stamp=file.stamp, quiet_since=now)
