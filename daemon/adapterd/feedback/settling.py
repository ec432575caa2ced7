"""When a file that keeps changing is read: a log that is appended to all day must not wait for ever, nor be read as a
whole at every change."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from adapterd.feedback.listing import InboxFile

LONGEST_WAIT_S = 60.0
LONGEST_WAIT_FOR_LINES_S = 5.0
"""Of a file that has only grown, of which no more is read than what is new."""
REREAD_BYTES_PER_S = 1 << 20


@dataclass(frozen=True)
class _Seen:
    stamp: tuple[int, int]
    quiet_since: float
    changing_since: float


class SettleTracker:
    """Remembers from scan to scan since when files that are not read yet have changed; one for the whole process.

    `clock` counts seconds and never goes back. It counts where the times of files are of no use, because they are in
    the future or the wall clock was set back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Path, dict[Path, _Seen]] = {}

    def observe(self, folder: Path, files: Sequence[InboxFile], paths: Collection[str] | None = None) -> None:
        """Remember the files of an inbox that are new or changed, and forget all others of it, or of these paths."""
        now, before = self._clock(), self._seen.get(folder, {})
        others = {} if paths is None else {path: seen for path, seen in before.items() if str(path) not in paths}
        self._seen[folder] = others | {file.path: _update(before.get(file.path), file, now) for file in files}

    def is_settled(self, folder: Path, file: InboxFile, *, age_s: float, needed_s: float) -> bool:
        """Whether a file has not changed for `needed_s` seconds, by its own time (`age_s`) or by the clock."""
        return max(age_s, self._clock() - self._seen[folder][file.path].quiet_since) >= needed_s

    def is_overdue(self, folder: Path, file: InboxFile, *, has_grown: bool = False) -> bool:
        """Whether a file has been changing for so long that it is read although it has not settled."""
        longest_s = LONGEST_WAIT_FOR_LINES_S if has_grown else max(LONGEST_WAIT_S, reread_s(file))
        return self._clock() - self._seen[folder][file.path].changing_since >= longest_s

    def forget(self, folder: Path, file: InboxFile) -> None:
        """Forget a file, which is read now; if it changes again, its time begins anew."""
        del self._seen[folder][file.path]


def reread_s(file: InboxFile) -> float:
    """Seconds that a file has to be settled before it is read again, so that this takes a few hundredths of a core."""
    return file.size_bytes / REREAD_BYTES_PER_S


def _update(seen: _Seen | None, file: InboxFile, now: float) -> _Seen:
    if seen is None:
        return _Seen(file.stamp, now, now)
    return seen if seen.stamp == file.stamp else replace(seen, stamp=file.stamp, quiet_since=now)
