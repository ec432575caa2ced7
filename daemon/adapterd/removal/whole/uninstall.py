"""adapterd removed from a machine: its service, its home, and its tags if that is wanted.

Whatever is broken (no runtime, a damaged database, a configuration with faults), the rest goes all the same. Feedback
stays unless it is told to go, also what came over HTTP and is in no file.
"""

import html
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from adapterd import config
from adapterd.config import RuntimeKind, Settings
from adapterd.errors import AdapterdError, ConfigError
from adapterd.home import Home, make_private
from adapterd.housekeeping import leftovers
from adapterd.housekeeping.backup.contents import copies
from adapterd.housekeeping.rebuild import move_database
from adapterd.removal.recovery.places import kept_beside
from adapterd.serving.runtimes import runtime_for
from adapterd.serving.tags import BASE, SEMVER, ModelTags
from adapterd.store import Store
from adapterd.store.whole_model import known_models
from adapterd.system.files import write_atomic
from adapterd.system.locks import exclusive
from adapterd.system.service_manager import Service

LABELS = frozenset({"latest", "previous", "candidate", BASE})
LOCK_TIMEOUT_S = 10.0
POSTED = "http"
Progress = Callable[[str, float], object]


@dataclass(frozen=True)
class Uninstallation:
    """What goes, or went: the files of the daemon's service and of capture's, files and folders with their size, and
    tags. `kept` are sentences on what stays, and on how the rest goes."""

    home: Path
    service: Path | None
    paths: tuple[Path, ...]
    size_bytes: int
    tags: tuple[str, ...]
    kept: tuple[str, ...]
    capture: Path | None = None


@dataclass
class Uninstaller:
    """Finds and removes everything of one home. `service` manages its daemon, `capture` its pass-through; None where
    there is no service manager."""

    home: Home
    service: Service | None
    capture: Service | None = None
    with_tags: bool = False
    with_feedback: bool = False
    notes: list[str] = field(default_factory=list)
    _fault: str = field(default="", init=False)

    def plan(self) -> Uninstallation:
        """What would go; nothing is changed, and nothing is raised."""
        self.notes.clear()
        tags, paths = self._tags(), self._paths()
        installed, capture = self._installed(self.service), self._installed(self.capture)
        going = tuple(tags) if self.with_tags else ()
        kept = (*self._kept_tags(tags), *self._kept_files(), *self.notes, *filter(None, [self._fault]))
        size = leftovers.size_of(paths)
        return Uninstallation(self.home.root, installed, tuple(paths), size, going, kept, capture)

    def run(self, *, progress: Progress = lambda _what, _share: None) -> Uninstallation:
        """Remove it; returns what went. Raises BusyError while a daemon that is no service, or a run, is at work."""
        found = self.plan()
        if found.service and self.service:
            self.service.uninstall()
        if found.capture and self.capture:
            self.capture.uninstall()
        if not self.home.root.is_dir():
            return found
        with ExitStack() as locks:
            for lock, busy in (
                (self.home.daemon_lock, f"adapterd works on {self.home.root}; end it first"),
                (self.home.run_lock, "a run is in progress; `adapterctl cancel` ends it"),
            ):
                locks.enter_context(exclusive(lock, timeout_s=LOCK_TIMEOUT_S, busy=busy))
            self._delete_tags(found.tags, progress)
            if not self.with_feedback:
                self._keep_posted()
            going = self._paths()
            for done, path in enumerate(going):
                progress(path.name, done / len(going))
                leftovers.remove([path])
        for rest in (self.home.daemon_lock, self.home.run_lock):
            rest.unlink(missing_ok=True)
        with suppress(OSError):  # others have something there, or it is a link
            self.home.root.rmdir()
        progress("done", 1.0)
        return found

    @cached_property
    def settings(self) -> Settings:
        """What the configuration says; the defaults where it cannot be read."""
        try:
            return config.load(self.home)
        except ConfigError as exc:
            self._fault = f"the configuration cannot be read, so folders that it names are not listed: {exc}"
            return Settings()

    def _models(self) -> list[str]:
        folders = {path.name for path in (self.home.root / "models").glob("*") if path.is_dir()}
        return sorted({*self.settings.models, *folders, *self._recorded_models()})

    def _recorded_models(self) -> set[str]:
        if not self.home.database.is_file():
            return set()
        try:
            with Store(self.home.database) as store:
                return known_models(store)
        except AdapterdError:
            return set()

    def _installed(self, service: Service | None) -> Path | None:
        """The service's file where it is installed."""
        if service is None:
            return None
        try:
            status = service.status()
        except AdapterdError as exc:
            self.notes.append(f"it cannot be told whether the service is installed: {exc}")
            return None
        if not status.installed:
            return None
        if status.outdated and not _names(status.file, self.home.root):
            self.notes.append(f"the service {status.file} is for another home, so it stays")
            return None
        return status.file

    def _tags(self) -> list[str]:
        """The tags of our models, as far as the runtime tells."""
        models = set(self._models())
        if not models:
            return []
        try:
            present = runtime_for(self.settings, self.home).tags()
        except AdapterdError as exc:
            names = ", ".join(sorted(models))
            self.notes.append(f"the runtime does not tell its tags, so those of {names} stay: {exc}")
            return []
        split = [(tag, *tag.rpartition(":")[::2]) for tag in sorted(present)]
        by_hand = [tag for tag, name, _ in split if name in models and ModelTags(name).is_by_hand(tag)]
        if by_hand and self.settings.runtime is not RuntimeKind.EMBEDDED:
            names = " ".join(by_hand)
            self.notes.append(f"Ollama keeps {names}, which somebody else had made; `ollama rm {names}` removes it")
        found = [tag for tag, name, label in split if name in models and (label in LABELS or SEMVER.fullmatch(label))]
        found += [tag for name in models for tag in ModelTags(name).other_bases(present)]
        return sorted(found, key=lambda tag: tag.endswith(f":{BASE}"))

    def _delete_tags(self, tags: tuple[str, ...], progress: Progress) -> None:
        runtime = runtime_for(self.settings, self.home)
        for done, tag in enumerate(tags):
            progress(tag, done / len(tags))
            try:
                runtime.delete(tag)
            except AdapterdError as exc:
                self.notes.append(f"{tag} could not be deleted: {exc}")

    def _kept_tags(self, tags: list[str]) -> Iterator[str]:
        if self.settings.runtime is RuntimeKind.EMBEDDED:
            return  # they are in the home, and go with it
        if tags and not self.with_tags:
            yield f"Ollama keeps {', '.join(tags)}; `ollama rm {' '.join(tags)}` removes them, or --with-tags here"
        bases = sorted({model.base for model in self.settings.models.values()})
        if bases:
            yield f"what the models were made from stays: {', '.join(bases)}"

    def _paths(self) -> list[Path]:
        feedback = self.home.root / "feedback"
        stay = {self.home.daemon_lock, self.home.run_lock}
        if not self.with_feedback and _has_files(feedback):
            stay.add(feedback)
        if self._feedback_stays():
            stay.add(self.home.removed_statements)
        return [path for path in self.home.own_entries() if path not in stay]

    def _feedback_stays(self) -> bool:
        """Whether there is feedback that may be taken in again, in the home or elsewhere."""
        return not self.with_feedback and (_has_files(self.home.root / "feedback") or bool(self._folders_elsewhere()))

    def _folders_elsewhere(self) -> list[Path]:
        """Feedback folders outside of the home."""
        named = {model.feedback.folder for model in self.settings.models.values() if model.feedback.folder}
        ours = (self.home.root / "feedback").resolve()
        return sorted(folder for folder in named if not folder.resolve().is_relative_to(ours))

    def _kept_files(self) -> Iterator[str]:
        feedback = self.home.root / "feedback"
        if not self.with_feedback and (_has_files(feedback) or self._has_posted()):
            yield f"feedback stays in {feedback}; --with-feedback removes it, too"
        if self._feedback_stays() and self.home.removed_statements.exists():
            yield f"{self.home.removed_statements} stays, so that what was taken back is not taken in again"
        for folder in self._folders_elsewhere():
            yield f"{folder}, where applications put feedback, stays as it is"
        if self.home.root.is_dir():
            others = sorted({*self.home.root.iterdir()} - {*self.home.own_entries()})
            if others:
                yield f"not made by adapterd, so it stays: {', '.join(map(str, others))}"
        for copy in self._copies():
            yield f"{copy} holds feedback and stays: a backup, or what was kept aside"
        yield "`pip uninstall adapterd` (or pipx) removes the program itself"

    def _copies(self) -> list[str]:
        """Backups, and homes that were kept aside, as far as anything tells of them; what lies in the home goes."""
        beside = [str(path) for path in kept_beside(self.home)]
        try:
            with ExitStack() as opened:
                there = self.home.database.is_file()
                known = copies(opened.enter_context(Store(self.home.database))) if there else []
        except AdapterdError:
            known = []
        return sorted({path for path in (*known, *beside) if not Path(path).is_relative_to(self.home.root)})

    def _has_posted(self) -> bool:
        try:
            return any(self._posted())
        except AdapterdError:
            return self.home.database.is_file()

    def _posted(self) -> Iterator[tuple[str, str]]:
        """Records that came over HTTP, which are in no file: the model and the record in JSON."""
        if not self.home.database.is_file():
            return
        with Store(self.home.database) as store:
            rows = store.rows("SELECT model, record FROM feedback_in_force WHERE origin = ? ORDER BY id", (POSTED,))
        yield from ((row["model"], row["record"]) for row in rows)

    def _keep_posted(self) -> None:
        """Write what came over HTTP into files beside the rest; where the database cannot be read, keep it there."""
        lines: dict[str, list[str]] = {}
        stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
        try:
            for model, record in self._posted():
                lines.setdefault(model, []).append(record)
        except AdapterdError as exc:
            kept = make_private(self.home.root / "feedback") / f"state-{stamp}.db"
            move_database(self.home.database, kept)
            self.notes.append(f"the database cannot be read, so it is kept as {kept}: {exc}")
            return
        for model, records in lines.items():
            write_atomic(make_private(self.home.inbox(model)) / f"http-{stamp}.jsonl", "\n".join(records) + "\n")


def _names(file: Path, home: Path) -> bool:
    """Whether a service file is for that home, however it has to write the path."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    path = str(home)
    quoted = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return any(each in text for each in (path, quoted, html.escape(path, quote=False), html.escape(path)))


def _has_files(folder: Path) -> bool:
    return any(path.is_file() for path in folder.rglob("*")) if folder.is_dir() else False
