"""Where a file that was read is now: grown, renamed, copied and cut off, or written anew.

A file that was renamed is known by its inode, and one that was copied (`copytruncate`) or packed by its content; the
position goes with it, so that its rest is read and nothing of it twice. What has its old name then is a new document.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from adapterd.feedback import quarantine
from adapterd.feedback.following.open_file import Look, OpenFile, go_on
from adapterd.feedback.following.position import Position
from adapterd.feedback.kinds import Layout
from adapterd.feedback.listing import InboxFile
from adapterd.feedback.reader import unpacked
from adapterd.home import Home
from adapterd.store import Store
from adapterd.store.followed.file_read import FileRead


class Rotation:
    """Follows the files of a model's inbox. With `keeps_lost`, what a log said that was cut off stays in force, and so
    do the notes about it. `look` may raise to end a reading."""

    def __init__(self, store: Store, home: Home, model: str, *, keeps_lost: bool, look: Look = go_on) -> None:
        self._store = store
        self._followed = store.feedback.followed
        self._home = home
        self._model = model
        self._keeps_lost = keeps_lost
        self._look = look
        self._judged: dict[tuple[str, tuple[int, int]], bool] = {}

    def follow_renames(self, files: Sequence[InboxFile]) -> bool:
        """Follow files that are known by their inode to their new names; whether there are any."""
        moves = [(old, file.name) for file in files if (old := self._former_name(file))]
        if moves:
            self._move(moves)
        return bool(moves)

    def find_copies(self, files: Sequence[InboxFile]) -> None:
        """Follow logs that were cut off after they were copied, or packed, to these new files."""
        for file in files:
            if _has_lines(file) and self._followed.of(self._model, file.name) is None:
                self._find_original(file)

    def has_grown(self, file: InboxFile) -> bool:
        """Whether a known file has only grown, so that reading it costs no more than what is new."""
        read = self._followed.of(self._model, file.name) if file.has_lines else None
        position = Position.from_json(read.position) if read else None
        if read is None or position is None or not _may_have_grown(read, file):
            return False
        key = (file.name, file.stamp)
        if key not in self._judged:
            self._judged[key] = self._is_in(position, file)
        return self._judged[key]

    def begin(self, file: InboxFile) -> Position | None:
        """The position from which a file is read, None for all of it. A log of which nothing is left is kept apart."""
        read = self._followed.of(self._model, file.name)
        position = Position.from_json(read.position) if read else None
        if read is None or position is None:
            return None
        if _is_packed(file):  # it was found to be the rest of a log, and is read once
            return position if read.mtime_ns == 0 else None
        if self._is_in(position, file):
            return position if _may_have_grown(read, file) else None
        if position.is_log and self._keeps_lost and not self._knows_lines_of(position, file):
            self._park(file.name)
        return None

    def _former_name(self, file: InboxFile) -> str | None:
        """The name under which the file was read, if that is another one and the file is not there any more."""
        if not _has_lines(file) or file.identity is None or file.link_to:
            return None
        inode = "{}:{}".format(*file.identity)
        read = self._followed.of_inode(self._model, inode)
        if read is None or read.path == file.name or _inode_at(read.path) == inode:
            return None
        position = Position.from_json(read.position)
        is_same = (read.size_bytes, read.mtime_ns) == file.stamp or (position and self._is_in(position, file))
        return read.path if is_same else None

    def _find_original(self, file: InboxFile) -> None:
        """Have a new file go on where the log was left of which it is a copy."""
        for read in self._followed.of_log(self._model, file.log):
            position = Position.from_json(read.position)
            if position is None or not self._is_in(position, file):
                continue
            if self._is_still_there(read, position):
                self._copy(read, position, file)
            else:
                self._move([(read.path, file.name)])
                self._begin_at(file.name)
            return

    def _is_still_there(self, read: FileRead, position: Position) -> bool:
        """Whether the file that was read has its name still."""
        try:
            status = os.stat(read.path, follow_symlinks=False)  # noqa: PTH116 - a name as the store has it
        except (OSError, ValueError):
            return False
        return self._is_in(position, InboxFile(Path(read.path), status.st_size, status.st_mtime_ns))

    def _copy(self, read: FileRead, position: Position, file: InboxFile) -> None:
        """A copy of a log that goes on: a document of its own, of which everything up to the position is known. Where
        what a file says no more is withdrawn, the copy is read as a whole: the log may be cut off next."""
        if not self._keeps_lost:
            return
        known = replace(
            read, path=file.name, size_bytes=0, mtime_ns=0, lines=0, accepted=0, duplicates=0, quarantined=0, inode=""
        )
        log = replace(read, position=replace(position, is_log=True).to_json())
        with self._store.transaction():
            for each in (log, known):
                self._store.feedback.record_file(self._model, each, self._followed.document(self._model, each.path))

    def _begin_at(self, name: str) -> None:
        """Have the rest of a file read that was followed to this name."""
        self._store.feedback.change_stamp(self._model, name, 0, 0)

    def _move(self, moves: Sequence[tuple[str, str]]) -> None:
        with self._store.transaction():
            self._followed.move(self._model, moves)
            for old, new in moves:
                self._move_copy(old, new)

    def _park(self, name: str) -> None:
        with self._store.transaction():
            self._move_copy(name, self._followed.park(self._model, name))

    def _move_copy(self, old: str, new: str) -> None:
        """Follow a file with the copy of it that is kept in quarantine."""
        before, after = (f"{self._model}/{quarantine.name_of_copy(name)}" for name in (old, new))
        if before in self._followed.copies_in_quarantine(self._model, new):
            quarantine.move_copy(self._home.quarantine / self._model, old, new)
            self._followed.move_copy(self._model, new, before, after)

    def _is_in(self, position: Position, file: InboxFile) -> bool:
        with suppress(OSError), OpenFile(file, self._look) as opened:
            return position.is_in_stream(unpacked(opened)) if _is_packed(file) else position.is_in(opened)
        return False

    def _knows_lines_of(self, position: Position, file: InboxFile) -> bool:
        with suppress(OSError), OpenFile(file, self._look) as opened:
            return position.knows_lines_of(opened)
        return True


def _has_lines(file: InboxFile) -> bool:
    return file.kind.layout is not Layout.DOCUMENT


def _is_packed(file: InboxFile) -> bool:
    return file.kind.is_packed


def _may_have_grown(read: FileRead, file: InboxFile) -> bool:
    """Whether something may have been appended; what has changed but for its size was changed in its middle."""
    return file.size_bytes > read.size_bytes or read.mtime_ns == 0


def _inode_at(name: str) -> str:
    """Device and inode of what has this name now, empty if nothing has."""
    try:
        status = os.stat(name)  # noqa: PTH116 - a name as the store has it
    except (OSError, ValueError):
        return ""
    return f"{status.st_dev}:{status.st_ino}"
