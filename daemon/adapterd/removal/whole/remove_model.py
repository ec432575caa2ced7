"""A model removed for good: its tags, files, settings and records.

The settings go first, so that a daemon brings no tag back; the records go last, for they say what else there was. A
removal that was killed is finished by giving it again.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from adapterd.capture.captures import Captures
from adapterd.config import ModelSettings, Settings
from adapterd.deployment.config_file import remove_model as remove_settings
from adapterd.deployment.config_file import written_settings
from adapterd.deployment.version_tags import VersionTags
from adapterd.errors import BusyError, NotFoundError
from adapterd.home import Home
from adapterd.housekeeping import leftovers
from adapterd.housekeeping.backup.contents import copies
from adapterd.runs.by_hand.cancel import cancel
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import is_file
from adapterd.serving.tags import ModelTags, full_name
from adapterd.store import Store
from adapterd.store.runs import Run, RunState
from adapterd.store.whole_model import forget_model, forget_versions, known_models, rows_of
from adapterd.system.locks import is_held, tags_lock

CANCEL_TIMEOUT_S = 120.0
POLL_S = 0.1
WHY = "a whole model was removed"
Progress = Callable[[str, float], object]


@dataclass(frozen=True)
class ModelRemoval:
    """What goes of a model, or went: tags of the runtime, files and folders with their size, rows of the database by
    table, and the unfinished run that is given up. `kept` are sentences on what stays."""

    model: str
    configured: bool
    tags: tuple[str, ...]
    paths: tuple[Path, ...]
    size_bytes: int
    rows: dict[str, int]
    run: str | None
    kept: tuple[str, ...]


@dataclass(frozen=True)
class ModelRemover:
    """Finds and removes what belongs to one model."""

    store: Store
    home: Home
    settings: Settings
    runtime: Runtime
    model: str
    keep_feedback: bool = False

    def plan(self) -> ModelRemoval:
        """What would go; nothing is changed. Raises NotFoundError for a model of which nothing is known, and
        RuntimeUnavailableError when the runtime does not answer."""
        configured = self.model in written_settings(self.home).get("models", {})
        known = (
            configured or (self.home.root / "models" / self.model).is_dir() or self.model in known_models(self.store)
        )
        if not known:
            there = ", ".join(sorted(self.settings.models)) or "none"
            raise NotFoundError(f"nothing is known of a model named {self.model!r}; configured are: {there}")
        tags, paths, run = self._tags(), self._paths(), self._unfinished_run()
        return ModelRemoval(
            self.model, configured, tuple(tags), tuple(paths), leftovers.size_of(paths),
            rows_of(self.store, self.model), run.id if run else None, tuple(self._kept(tags)),
        )  # fmt: skip

    def remove(self, *, progress: Progress = lambda _what, _share: None) -> ModelRemoval:
        """Remove it; returns what went. Raises BusyError if its run does not end when it is cancelled."""
        found = self.plan()
        self._end_run()
        if found.configured:
            remove_settings(self.home, self.model)
        with tags_lock(self.home):
            for done, tag in enumerate(found.tags):
                progress(tag, done / len(found.tags))
                with suppress(NotFoundError):
                    self._version_tags.remove(tag)
            with self.store.transaction():
                forget_versions(self.store, self.model)
        for done, path in enumerate(found.paths):
            progress(path.name, done / len(found.paths))
            leftovers.remove([path])
        if self.home.captures.is_file():
            with Captures(self.home.captures) as captures:
                captures.remove_model(self.model)
        with self.store.transaction():
            forget_model(self.store, self.model)
            leaving = self.store.removals.begin("", WHY, going=(), hashes=(), versions={})
            self.store.removals.cleaned(leaving)
            self.store.events.add(
                "model.removed", f"{self.model} was removed: {len(found.tags)} tags and all its files"
            )
        with suppress(BusyError):  # only free pages of the database still have the text; the daemon does the rest
            self.store.compact()
            self.store.removals.done(leaving)
        if rows_of(self.store, self.model):  # a daemon was taking in feedback by the former settings just then
            with self.store.transaction():
                forget_model(self.store, self.model)
        progress("done", 1.0)
        return found

    @property
    def _version_tags(self) -> VersionTags:
        return VersionTags(self.store, self.home, self.runtime, self.model)

    def _unfinished_run(self) -> Run | None:
        run = self.store.runs.latest(self.model)
        return run if run and run.state.open else None

    def _end_run(self) -> None:
        """Cancel the run, and wait until nobody works on it."""
        run = self._unfinished_run()
        if run is None:
            return
        cancel(self.store, self.home, self.model, f"{self.model} is removed")
        give_up = time.monotonic() + CANCEL_TIMEOUT_S
        while self.store.runs.get(run.id).state is RunState.RUNNING and is_held(self.home.run_lock):
            if time.monotonic() > give_up:
                raise BusyError(
                    f"run {run.id} of {self.model} does not end, so nothing was removed",
                    hint="`adapterctl status` shows what it does; give the command again when it has ended",
                )
            time.sleep(POLL_S)

    def _tags(self) -> list[str]:
        """The tags that were made here, those that are damaged among them; the base last, which damaged ones need."""
        present, tags = self.runtime.tags(), ModelTags(self.model)
        versions = {version.version for version in self.store.versions.all(self.model)}
        run = self.store.runs.latest(self.model)
        ours = [
            tags.version(version) for version in sorted(versions | {run.version if run and run.version else "base"})
        ]
        if self.store.versions.deployment(self.model):
            ours += [tags.live, tags.previous]
        ours += tags.other_bases(present)
        found = [tag for tag in [*ours, tags.candidate] if tag in present or self._version_tags.is_torn(tag)]
        return [tag for tag in found if tag != tags.base] + [tag for tag in (tags.base,) if tag in present]

    def _paths(self) -> list[Path]:
        """Its folders in the home; and cached answers and states, of which it cannot be told whose they are."""
        home = self.home
        runs = [home.run(run.id) for run in leftovers.runs(self.store, home) if run.model == self.model]
        inbox = () if self.keep_feedback or self._readers() else (home.inbox(self.model),)
        others = {name: each for name, each in self.settings.models.items() if name != self.model}
        states = [path for left in leftovers.of_states(home, Settings(models=others)) for path in left.paths]
        wanted = [home.root / "models" / self.model, home.quarantine / self.model, *inbox, *runs, home.answers, *states]
        return [path for path in wanted if path.exists() or path.is_symlink()]

    def _readers(self) -> list[str]:
        """Other models that take feedback from this one's folder in the home: from it, from a folder in it, or from one
        that it is in, for inboxes are read with all below them."""
        inbox = self.home.inbox(self.model).resolve()
        others = {
            name: (each.feedback.folder or self.home.inbox(name)).resolve()
            for name, each in self.settings.models.items()
            if name != self.model
        }
        return sorted(name for name, at in others.items() if at.is_relative_to(inbox) or inbox.is_relative_to(at))

    def _kept(self, going: list[str]) -> Iterator[str]:
        settings = self.settings.models.get(self.model)
        if settings:
            yield from self._kept_of(settings)
        for tag in sorted(self.runtime.tags()):
            if tag.rpartition(":")[0] == self.model and tag not in going:
                by_hand = f"keeps what somebody had put under {ModelTags(self.model).live}"
                why = by_hand if ModelTags(self.model).is_by_hand(tag) else "was not made here"
                yield f"{tag} {why}, so it stays; `ollama rm {tag}` removes it"
        inbox = self.home.inbox(self.model)
        if inbox.is_dir() and (readers := self._readers()):
            yield f"{inbox} stays, with the feedback in it: it is the inbox of {', '.join(readers)}, too"
        elif inbox.is_dir() and self.keep_feedback:
            yield f"{inbox} stays, with the feedback in it"
        for copy in copies(self.store):
            yield f"{copy} is a copy from before, and may have the model and its feedback; it stays"

    def _kept_of(self, settings: ModelSettings) -> Iterator[str]:
        base = full_name(settings.base)
        if is_file(settings.base):
            yield f"{settings.base}, the file of its base, stays"
        elif base in self.runtime.tags():
            yield f"{self.runtime.name} keeps {base}, which it was made from; `ollama rm {base}` removes it"
        folder = settings.feedback.folder
        if folder and not folder.resolve().is_relative_to(self.home.inbox(self.model).resolve()):
            yield f"{folder}, where applications put feedback, stays as it is"
