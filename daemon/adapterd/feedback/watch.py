"""Hints that a feedback folder has changed. They may come late, twice or never: a rescan of the inbox is the truth.

Nothing is polled here, for the rescan is a poll already. A folder for which events are not enough is `blind`.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adapterd.system import mounts

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers.api import BaseObserver, ObservedWatch


MOST_CHANGES = 5_000
"""Paths that are remembered for a folder; of more, that it is to be looked at as a whole."""


class Changes:
    """What has changed in each folder since that was taken: single paths, or anything at all (None)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed: dict[Path, set[str] | None] = {}

    def add(self, folder: Path, paths: Iterable[str] | None) -> None:
        """Note that these paths have changed, or that anything may have."""
        with self._lock:
            known = self._changed.get(folder, set())
            both = None if known is None or paths is None else known.union(paths)
            self._changed[folder] = None if both is None or len(both) > MOST_CHANGES else both

    def take(self, folder: Path) -> frozenset[str] | None:
        """What has changed since this was asked last."""
        with self._lock:
            changed = self._changed.pop(folder, set())
        return None if changed is None else frozenset(changed)


@dataclass(frozen=True)
class _Followed:
    watch: "ObservedWatch"
    identity: tuple[int, int]
    is_shared: bool


class FolderWatch:
    """Calls `on_hint` soon after something was written in one of the folders or below them.

    `on_hint` runs in a thread of the watch; it should only set a flag. A folder that is missing, or was removed and
    made again, is picked up by `refresh`. `changes` says what was written.
    """

    def __init__(self, folders: Sequence[Path], on_hint: Callable[[], None]) -> None:
        self._folders = tuple(dict.fromkeys(folders))
        self._on_hint = on_hint
        self.changes = Changes()
        self._is_on = False
        self._observer: BaseObserver | None = None
        self._followed: dict[Path, _Followed] = {}

    def start(self) -> None:
        """Begin to watch the folders that exist."""
        self._is_on = True
        self._follow_all()

    def refresh(self) -> None:
        """Watch the folders that have appeared since, and hint at them: files may have come before the watch."""
        if self._follow_all():
            self._on_hint()

    @property
    def blind(self) -> tuple[Path, ...]:
        """The folders whose changes only a rescan finds.

        They are missing, or on a share to which other machines write, or the system has no more watches to give.
        """
        return tuple(each for each in self._folders if each not in self._followed or self._followed[each].is_shared)

    def stop(self) -> None:
        """Ask the watch to end; `join` waits until it has."""
        self._is_on = False
        if self._observer is not None:
            self._observer.stop()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait until the watch has ended."""
        if self._observer is not None and self._observer.is_alive():
            self._observer.join(timeout_s)
        self._observer = None

    def _follow_all(self) -> bool:
        """Whether any folder is watched that was not before."""
        if self._is_on and self._observer is None:
            self._observer = _started_observer()
        if not self._is_on or self._observer is None:
            return False
        followed = [self._follow(self._observer, folder) for folder in self._folders]
        return any(followed)

    def _follow(self, observer: "BaseObserver", folder: Path) -> bool:
        identity = _identity(folder)
        followed = self._followed.get(folder)
        if followed:
            if followed.identity == identity and _is_alive(observer, followed.watch):
                return False
            del self._followed[folder]
            with suppress(KeyError):  # two names of one folder share a watch
                observer.unschedule(followed.watch)
        return identity is not None and self._schedule(observer, folder, identity)

    def _schedule(self, observer: "BaseObserver", folder: Path, identity: tuple[int, int]) -> bool:
        place = folder.resolve()

        def note(paths: Iterable[str] | None) -> None:
            self.changes.add(folder, paths if paths is None else _below(folder, place, paths))
            self._on_hint()

        handler, kinds = _handler(note)
        try:
            watch = observer.schedule(handler, str(place), recursive=True, event_filter=kinds)
        except OSError:  # it went away, or the system has no more watches: the next refresh tries again
            return False
        self.changes.add(folder, None)
        self._followed[folder] = _Followed(watch, identity, mounts.is_shared(folder))
        return True


def _started_observer() -> "BaseObserver | None":
    """None if the system has no more observers to give."""
    from watchdog.observers import Observer

    try:
        observer = Observer()
        observer.start()
    except OSError:
        return None
    return observer


def _is_alive(observer: "BaseObserver", watch: "ObservedWatch") -> bool:
    """Whether the watch still works: it ends by itself when its folder is removed."""
    return any(emitter.watch == watch and emitter.is_alive() for emitter in observer.emitters)


def _identity(folder: Path) -> tuple[int, int] | None:
    """Device and inode of a folder; None if there is none."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if folder.is_dir() else None


def _below(folder: Path, place: Path, paths: Iterable[str]) -> list[str]:
    """The paths as they are below the folder, whose real place this is."""
    return [f"{folder}/{Path(path).relative_to(place)}" for path in paths if Path(path).is_relative_to(place)]


def _handler(
    note: Callable[[Iterable[str] | None], None],
) -> "tuple[FileSystemEventHandler, list[type[FileSystemEvent]]]":
    """A handler that notes the paths of every event, None where a folder has changed, and the kinds of event after
    which there may be something to do."""
    from watchdog import events

    class Hint(events.FileSystemEventHandler):
        def on_any_event(self, event: "FileSystemEvent") -> None:
            paths = [os.fsdecode(path) for path in (event.src_path, event.dest_path) if path]
            note(None if event.is_directory else paths)

    written = [events.FileCreatedEvent, events.FileModifiedEvent, events.FileMovedEvent, events.FileClosedEvent]
    return Hint(), [*written, events.DirCreatedEvent, events.DirMovedEvent, events.DirDeletedEvent]


class FileWatch:
    """Calls `on_change` soon after one file was written, replaced or removed, in a thread of its own.

    Like every hint it may come late or never: the file's own time is the truth.
    """

    def __init__(self, file: Path, on_change: Callable[[], object]) -> None:
        self._file = file
        self._on_change = on_change
        self._observer: BaseObserver | None = None

    def start(self) -> None:
        """Begin to watch; nothing happens where the system has no more watches to give."""
        from watchdog import events

        self._observer = _started_observer()
        if self._observer is None:
            return
        kinds: list[type[FileSystemEvent]] = [events.FileCreatedEvent, events.FileMovedEvent, events.FileDeletedEvent]
        # Where the end of a writing is told there is no need to be woken by every other write in the folder.
        kinds.append(events.FileClosedEvent if sys.platform == "linux" else events.FileModifiedEvent)
        with suppress(OSError):
            folder = str(self._file.parent.resolve())
            self._observer.schedule(_of_file(self._file.name, self._on_change), folder, event_filter=kinds)

    def stop(self) -> None:
        """End the watch."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None


def _of_file(name: str, on_change: Callable[[], object]) -> "FileSystemEventHandler":
    """A handler for what happens to the file of that name."""
    from watchdog import events

    class Change(events.FileSystemEventHandler):
        def on_any_event(self, event: "FileSystemEvent") -> None:
            if name in (Path(os.fsdecode(each)).name for each in (event.src_path, event.dest_path)):
                on_change()

    return Change()
