"""Collecting: versions beyond the number to be kept, and what finished runs and dead processes left behind.

What is needed to go back is never collected, and nothing that we did not make. Of a collected version only the tag and
the answers of its evaluation go; its adapter and its lineage stay, so that it can be made again.
"""

import os
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from adapterd.config import Settings
from adapterd.deployment.history import needed
from adapterd.deployment.version_tags import MergedFile, VersionTags
from adapterd.errors import AdapterdError, NotFoundError, reason
from adapterd.home import Home
from adapterd.housekeeping import leftovers
from adapterd.housekeeping.leftovers import Leftover
from adapterd.housekeeping.policy import collectable
from adapterd.serving import blob_link
from adapterd.serving.runtime import Runtime, StoredFile
from adapterd.serving.tags import SEMVER, ModelTags
from adapterd.store import Store
from adapterd.store.versions import VersionState
from adapterd.system.locks import is_held, tags_lock
from adapterd.system.permissions.owners import refusal

REQUESTS_STAY = timedelta(days=30)
"""So long a request to a teacher or a judge that was never answered stays in the journal, for the next try."""
OTHERS = "it may be newer than a home that was put back, or be somebody else's"


class ItemKind(StrEnum):
    """What sort of thing is collected."""

    VERSION = "version"
    CANDIDATE = "candidate"
    BASE = "base"
    FILE = "file"
    REQUESTS = "requests"


@dataclass(frozen=True)
class Item:
    """One thing that goes: `what` names it for people, `size_bytes` is what that gives back."""

    kind: ItemKind
    what: str
    why: str
    size_bytes: int
    model: str | None = None
    version: str | None = None
    paths: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Collection:
    """What goes, or went; `notes` are sentences on what stays although nobody seems to need it."""

    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """What all of it gives back."""
        return sum(item.size_bytes for item in self.items)


def plan_collection(
    store: Store, home: Home, settings: Settings, runtime: Runtime, *, only: str | None = None, versions: bool = True
) -> Collection:
    """What would go now, of one model or of all; nothing is changed.

    Without `versions` only leftovers. Raises RuntimeUnavailableError when the runtime does not answer.
    """
    return _Search(store, home, settings, runtime).find(only, versions=versions)


def run_collection(
    store: Store, home: Home, settings: Settings, runtime: Runtime, *, only: str | None = None, versions: bool = True
) -> Collection:
    """Find out what may go, and remove it, with the tags locked; what could not be removed is in the notes.

    Raises RuntimeUnavailableError when the runtime does not answer, BusyError while others change tags for long.
    """
    with tags_lock(home):
        planned = plan_collection(store, home, settings, runtime, only=only, versions=versions)
        gone, notes = [], list(planned.notes)
        for item in planned.items:
            try:
                _remove(store, home, runtime, item)
            except (AdapterdError, OSError) as exc:
                notes.append(f"{item.what} could not be removed: {_why(home, item, exc)}")
            else:
                gone.append(item)
    return Collection(tuple(gone), tuple(notes))


def _why(home: Home, item: Item, exc: AdapterdError | OSError) -> str:
    """Why something could not be removed; where the system forbids it, also what to do."""
    if not isinstance(exc, PermissionError):
        return reason(exc)
    named = [Path(exc.filename)] if isinstance(exc.filename, str) else []
    for path in (*named, *item.paths):
        whose, remedy = refusal(path, home.root)
        if remedy:
            return f"{whose}; `{remedy}` mends it"
    return reason(exc)


def in_words(size_bytes: int) -> str:
    """A size for people."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= size:
            return f"{size_bytes / size:.1f} {unit}"
    return f"{size_bytes} bytes"


def _remove(store: Store, home: Home, runtime: Runtime, item: Item) -> None:
    """A version is first recorded as collected: killed after that, its tag goes next time."""
    if item.model and item.version:
        _record(store, item.model, item.version, item)
        with suppress(NotFoundError):
            VersionTags(store, home, runtime, item.model).remove(ModelTags(item.model).version(item.version))
    elif item.model and item.kind in (ItemKind.CANDIDATE, ItemKind.BASE):
        with suppress(NotFoundError):
            VersionTags(store, home, runtime, item.model).remove(item.what)
    elif item.model and item.kind is ItemKind.REQUESTS:
        store.teaching.requests.forget_unanswered(item.model, store.clock() - REQUESTS_STAY)
    leftovers.remove(item.paths)
    if item.kind is not ItemKind.VERSION:
        text = f"{item.what} removed ({item.why}), {in_words(item.size_bytes)} given back"
        store.events.add("leftover.collected", text, model=item.model)


def _record(store: Store, model: str, version: str, item: Item) -> None:
    found = store.versions.get(model, version)
    if found is None or found.state is VersionState.COLLECTED:
        return
    with store.transaction():
        store.versions.set_state(model, version, VersionState.COLLECTED, item.why)
        text = f"{model} {version} was collected ({item.why}), {in_words(item.size_bytes)} given back"
        store.events.add("version.collected", text, model=model)


@dataclass(frozen=True)
class _Search:
    """Looks for what may go; changes nothing."""

    store: Store
    home: Home
    settings: Settings
    runtime: Runtime

    def find(self, only: str | None, *, versions: bool) -> Collection:
        present, files = self.runtime.tags(), self.runtime.files()
        models = [only] if only else sorted(self.settings.models)
        tagged = [item for model in models for item in self._tagged(model, present, versions=versions)]
        items = [*self._with_sizes(tagged, present, files), *self._lost_files(models, files or ())]
        items += map(_as_item, self._leftovers(models, general=only is None))
        items += self._requests(only)
        return Collection(tuple(items), tuple(note for model in models for note in self._notes(model, present)))

    def _tagged(self, model: str, present: Mapping[str, str], *, versions: bool) -> Iterator[Item]:
        """The versions and the candidate that go; while the base or the live tag is lost, everything stays."""
        tags = ModelTags(model)
        if versions and tags.base in present and tags.live in present:
            there = [each for each in self.store.versions.all(model) if tags.version(each.version) in present]
            keep = self.settings.models[model].versions.keep
            stay = needed(self.store, model)
            for version, why in collectable(there, stay, keep).items():
                answers = self.home.version(model, version) / "answers"
                paths = (answers,) if answers.is_dir() else ()
                size_bytes = leftovers.size_of(paths)
                yield Item(ItemKind.VERSION, tags.version(version), why, size_bytes, model, version, paths)
            if not is_held(self.home.run_lock):  # `rebase` may be proving one of them
                yield from self._bases(model, present, stay)
        run = self.store.runs.latest(model)
        version_tags = VersionTags(self.store, self.home, self.runtime, model)
        if not (run and run.state.open) and (tags.candidate in present or version_tags.is_torn(tags.candidate)):
            yield Item(ItemKind.CANDIDATE, tags.candidate, "nothing is under test", 0, model)

    def _bases(self, model: str, present: Mapping[str, str], stay: Container[str]) -> Iterator[Item]:
        """Bases of before that no rollback leads to, and of which no version is left that could be gone back to."""
        if self.store.versions.begun_base_changes(model):
            return
        versions = self.store.versions.all(model)
        made_of = {each.base_digest for each in versions if each.state is not VersionState.COLLECTED}
        tags = ModelTags(model)
        for tag in tags.other_bases(present):
            needed_here = tag.removeprefix(f"{model}:") in stay or self._file_of(tag) in (None, *made_of)
            if needed_here and tag != tags.next_base:
                continue
            yield Item(ItemKind.BASE, tag, "no version of that base is left, and no rollback leads to it", 0, model)

    def _file_of(self, tag: str) -> str | None:
        """The digest of a tag's file, None where the runtime does not tell."""
        try:
            return self.runtime.show(tag).stored_digest
        except AdapterdError:
            return None

    def _with_sizes(
        self, items: Sequence[Item], present: Mapping[str, str], files: Sequence[StoredFile] | None
    ) -> Iterator[Item]:
        """The items with what their tags give back: the files that no tag needs after them."""
        going: set[str] = set()
        for item in items:
            going.add(item.what)
            if files is not None:
                freed = sum(file.size_bytes for file in files if item.what in file.tags and file.tags <= going)
            else:
                freed = self._probable_size(item, present, going)
            yield replace(item, size_bytes=item.size_bytes + freed)

    def _probable_size(self, item: Item, present: Mapping[str, str], going: set[str]) -> int:
        """Where the store cannot be read: what was merged, unless a tag that stays is the same."""
        version = self.store.versions.get(item.model, item.version) if item.model and item.version else None
        merged = MergedFile.of_run(self.store, version.run_id) if version else None
        stay = {digest for tag, digest in present.items() if tag not in going}
        return merged.size_bytes if merged and present.get(item.what) not in stay else 0

    def _lost_files(self, models: Sequence[str], files: Sequence[StoredFile]) -> Iterator[Item]:
        """Files that we gave to the runtime and that no tag needs, whole or not."""
        lost = [(file.digest, file.path, "no tag needs it") for file in files if not file.tags]
        for folder in {file.path.parent for file in files}:
            lost += [
                (digest, path, "copying it was interrupted") for digest, path in blob_link.unfinished_blobs(folder)
            ]
        ours = self._merged_by_runs_that_are_over(models) if lost else set()
        for digest, path, why in lost:
            if digest in ours and os.access(path.parent, os.W_OK):
                yield Item(ItemKind.FILE, path.name, why, leftovers.size_of([path]), paths=(path,))

    def _leftovers(self, models: Sequence[str], *, general: bool) -> Iterator[Leftover]:
        """What lies in the home; also what belongs to no model, if `general`."""
        now = self.store.clock()
        for left in leftovers.of_runs(self.store, self.home):
            if left.model in models or (general and left.model is None):
                yield left
        if general:
            yield from leftovers.of_processes(self.home, self.settings, now)
            yield from leftovers.of_evaluations(self.home, now)
            yield from leftovers.of_drafts(self.home, now)
            yield from leftovers.of_states(self.home, self.settings)

    def _requests(self, only: str | None) -> Iterator[Item]:
        """Requests to teachers that nobody answers any more, also of models that are not configured any more."""
        why = f"asked more than {REQUESTS_STAY.days} days ago, and never answered"
        for model, found in self.store.teaching.requests.unanswered(self.store.clock() - REQUESTS_STAY).items():
            if only in (None, model):
                what = f"{found.number} requests of {model} to teachers"
                yield Item(ItemKind.REQUESTS, what, why, found.size_bytes, model)

    def _merged_by_runs_that_are_over(self, models: Sequence[str]) -> set[str]:
        """The digests of the files that they gave to the runtime."""
        runs = [run for run in leftovers.runs(self.store, self.home) if run.model in models]
        merged = [MergedFile.of_run(self.store, run.id) for run in runs if not run.state.open]
        wanted = [MergedFile.of_run(self.store, run.id) for run in runs if run.state.open]
        return {file.digest for file in merged if file} - {file.digest for file in wanted if file}

    def _notes(self, model: str, present: Mapping[str, str]) -> Iterator[str]:
        """Version tags that we do not know: somebody else made them, so they stay."""
        run = self.store.runs.latest(model)
        known = {version.version for version in self.store.versions.all(model)} | {run.version if run else None}
        for tag in sorted(present):
            name, _, label = tag.rpartition(":")
            if name == model and SEMVER.fullmatch(label) and label not in known:
                yield f"{tag} is not in the database, so it stays: {OTHERS}"


def _as_item(left: Leftover) -> Item:
    return Item(ItemKind.FILE, left.what, left.why, left.size_bytes, left.model, paths=left.paths)
