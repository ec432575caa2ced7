"""Hints that a feedback folder has changed. They may come late, twice or never: a rescan of the inbox is the truth."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers.api import BaseObserver, ObservedWatch

POLL_EVERY_S = 5.0


class FolderWatch:
    """Calls `on_hint` soon after something was written in one of the folders or below them.

    `on_hint` runs in a thread of the watch; it should only set a flag. A folder that is missing, or was removed and
    made again, is picked up by `refresh`. Where the system has no more watches to give, the folders are polled.
    """

    def __init__(self, folders: Sequence[Path], on_hint: Callable[[], None]) -> None:
        self._folders = tuple(dict.fromkeys(folders))
        self._on_hint = on_hint
        self._observer: BaseObserver | None = None
        self._polling = False
        self._watches: dict[Path, tuple[ObservedWatch, tuple[int, int]]] = {}

    def start(self) -> None:
        """Begin to watch the folders that exist."""
        from watchdog.observers import Observer

        try:
            self._observe(Observer)
        except OSError:
            self._poll()

    def refresh(self) -> None:
        """Watch the folders that have appeared since, and hint at them: files may have come before the watch."""
        if self._observer is None:
            return
        try:
            appeared = self._follow_all()
        except OSError:
            self._poll()
            appeared = True
        if appeared:
            self._on_hint()

    def stop(self) -> None:
        """Ask the watch to end; `join` waits until it has."""
        if self._observer is not None:
            self._observer.stop()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait until the watch has ended."""
        if self._observer is not None and self._observer.is_alive():
            self._observer.join(timeout_s)
        self._observer = None

    def _poll(self) -> None:
        from watchdog.observers.polling import PollingObserver

        self.stop()
        self.join()
        self._polling = True
        self._observe(lambda: PollingObserver(timeout=POLL_EVERY_S))

    def _observe(self, make: "Callable[[], BaseObserver]") -> None:
        self._observer = make()
        self._observer.start()
        self._follow_all()

    def _follow_all(self) -> bool:
        """Whether any folder is watched that was not before; raises OSError if it should be polled instead."""
        followed = [self._follow(folder) for folder in self._folders]
        return any(followed)

    def _follow(self, folder: Path) -> bool:
        identity = _identity(folder)
        if folder in self._watches:
            watch, watched = self._watches[folder]
            if watched == identity and self._is_alive(watch):
                return False
            self._unfollow(folder)
        return identity is not None and self._schedule(folder, identity)

    def _is_alive(self, watch: "ObservedWatch") -> bool:
        """Whether the watch still works: it ends by itself when its folder is removed."""
        emitters = self._observer.emitters if self._observer else ()
        return any(emitter.watch == watch and emitter.is_alive() for emitter in emitters)

    def _unfollow(self, folder: Path) -> None:
        watch, _ = self._watches.pop(folder)
        with suppress(KeyError):  # two names of one folder share a watch
            if self._observer is not None:
                self._observer.unschedule(watch)

    def _schedule(self, folder: Path, identity: tuple[int, int]) -> bool:
        if self._observer is None:
            return False
        try:
            handler, kinds = _handler(self._on_hint)
            watch = self._observer.schedule(handler, str(folder.resolve()), recursive=True, event_filter=kinds)
        except OSError as exc:
            if self._polling or isinstance(exc, FileNotFoundError):
                return False
            raise
        self._watches[folder] = (watch, identity)
        return True


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from another one of its name; None if there is none."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if folder.is_dir() else None


def _handler(on_hint: Callable[[], None]) -> "tuple[FileSystemEventHandler, list[type[FileSystemEvent]]]":
    """A handler that hints at every event, and the kinds of event that mean that something was written."""
    from watchdog import events

    class Hint(events.FileSystemEventHandler):
        def on_any_event(self, event: "FileSystemEvent") -> None:  # noqa: ARG002
            on_hint()

    written = [events.FileCreatedEvent, events.FileModifiedEvent, events.FileMovedEvent, events.FileClosedEvent]
    return Hint(), [*written, events.DirCreatedEvent, events.DirMovedEvent]
