"""The reading of many files by a process of its own, so that what it has read is stored while it reads on.

To read a record takes a little longer than to store it, and Python does one thing at a time. The first files are read
here while the process starts, and a few more so that both sides have as much to do; so is all of a small inbox.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import accumulate, chain

from adapterd.feedback.following.open_file import Look, go_on
from adapterd.feedback.listing import InboxFile
from adapterd.intake.file_reading import FileToRead, PieceBatch, ReadingRules, read_files
from adapterd.intake.rare_collections import rare_collections
from adapterd.store.database import utc_now
from adapterd.system.child.stream import ChildStream
from adapterd.system.processors import processors

APART_FROM_BYTES = 16 << 20
"""For less, the start of the process costs about what it saves."""
HEAD_START_BYTES = 4 << 20


def divided(files: Sequence[InboxFile]) -> tuple[Sequence[InboxFile], Sequence[InboxFile]]:
    """The files that are read here, and those behind them that are read apart."""
    if processors() < 2 or sum(file.size_bytes for file in files) < APART_FROM_BYTES:
        return files, []
    here = sum(read <= HEAD_START_BYTES for read in accumulate(file.size_bytes for file in files))
    return files[:here], files[here:]


def reading_apart(
    files: Iterator[Sequence[FileToRead]], rules: ReadingRules, clock: Callable[[], datetime], look: Look
) -> ChildStream[Sequence[FileToRead], PieceBatch]:
    """What `read_files` gives, as it comes from a process; `look` is called while it is waited for."""
    return ChildStream(_read, files, rules, clock() - utc_now(), look=look)


def _read(files: Iterable[Sequence[FileToRead]], rules: ReadingRules, ahead: timedelta) -> Iterator[PieceBatch]:
    with rare_collections():
        yield from read_files(chain.from_iterable(files), rules, lambda: utc_now() + ahead, go_on)
