"""Making record and runtime agree again, at every start of the daemon and before every run.

Nothing is decided here that a person decided otherwise: a tag that is gone or damaged is put back, one that names
something else is only reported.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from adapterd.config import ModelSettings, Settings
from adapterd.deployment.deploy import Deployer
from adapterd.deployment.history import needed
from adapterd.deployment.live_tag import (
    LiveState,
    another_store,
    is_another_store,
    look_at_live,
    place_of,
    promoting,
    returned,
)
from adapterd.deployment.version_tags import VersionTags
from adapterd.errors import AdapterdError, NotFoundError, RuntimeRefusedError, reason
from adapterd.home import Home
from adapterd.housekeeping.collect import run_collection
from adapterd.serving.runtime import Runtime
from adapterd.serving.tags import BASE, full_name
from adapterd.store import Store
from adapterd.store.versions import Deployment, VersionState

DAMAGED, GONE = "damaged", "gone"


def reconcile(store: Store, home: Home, settings: Settings, runtime: Runtime, *, only: str | None = None) -> list[str]:
    """Put right what an earlier process or a crash of the runtime left, of one model or of all.

    Returns sentences on what was repaired and on what is left for a person to do; raises nothing. The second time there
    is nothing to repair.
    """
    said: list[str] = []
    try:
        for model in [only] if only else sorted(settings.models):
            said += _put_right(_Recovery(store, home, runtime, model, settings.models[model]))
        left = run_collection(store, home, settings, runtime, only=only, versions=False)
    except (AdapterdError, OSError) as exc:
        return [*said, f"not everything could be put right: {reason(exc)}"]
    return [*said, *(f"removed {item.what}: {item.why}" for item in left.items)]


def _put_right(recovery: "_Recovery") -> list[str]:
    """Repair one model's tags; where the runtime refuses that, the other models are repaired all the same."""
    try:
        return recovery.repair()
    except (NotFoundError, RuntimeRefusedError) as exc:
        return [f"{recovery.model}: its tags could not be put right: {exc}"]


@dataclass(frozen=True)
class _Recovery:
    """One model's tags, and how they are put right."""

    store: Store
    home: Home
    runtime: Runtime
    model: str
    settings: ModelSettings

    @property
    def version_tags(self) -> VersionTags:
        return VersionTags(self.store, self.home, self.runtime, self.model)

    @property
    def deployer(self) -> Deployer:
        return Deployer(self.store, self.home, self.runtime)

    def repair(self) -> list[str]:
        """First what the others are copied from, then interrupted changes, then what applications ask for."""
        recorded = self.store.versions.deployment(self.model)
        if recorded is None:
            return []
        if self._is_elsewhere(recorded):
            found = another_store(self.model, recorded.live)
            return [f"{found.said}; {found.hint}"]
        with self.deployer.exclusive():
            said = [*self._base(), *self._versions()]
        said += self.deployer.reconcile(self.model)
        with self.deployer.exclusive():
            lost, sentences = self._live(self._recorded())
        said += sentences
        if lost and (swap := self.deployer.fall_back(self.model, lost)):
            said.append(f"{self.model}: {swap.live} is live instead of {swap.replaced}")
        with self.deployer.exclusive():
            return [*said, *self._previous(self._recorded()), *self._returned(self._recorded())]

    def _is_elsewhere(self, recorded: Deployment) -> bool:
        """Whether the runtime has another store now; one in which a tag of ours is damaged is our own."""
        present, tags = self.runtime.tags(), self.version_tags
        if not is_another_store(self.store, recorded, present, lambda: place_of(self.runtime, self.model)):
            return False
        versions = [tags.tags.version(each.version) for each in self.store.versions.all(self.model)]
        ours = (tags.tags.base, tags.tags.live, tags.tags.previous, *versions)
        return not any(tags.is_torn(tag) for tag in ours)

    def _base(self) -> list[str]:
        tag = self.version_tags.tags.base
        if self.version_tags.is_sound(tag):
            return []
        word = self._what_happened(tag)
        source = next((other for other in self._same_as_base() if self._is_pinned(other)), None)
        if source:
            self.runtime.copy(source, tag)
        else:
            source = self.version_tags.register_base(self.settings.base_digest)
        return [self._repaired(tag, word, source) if source else self._lost(tag, word, BASE)]

    def _same_as_base(self) -> Iterator[str]:
        """What may stand in for the base's tag: whatever is the same, else the base's own."""
        present, digest = self.runtime.tags(), self.version_tags.digest(BASE)
        yield from (tag for tag, other in present.items() if other == digest)
        yield from (tag for tag in (full_name(self.settings.base),) if tag in present)

    def _is_pinned(self, tag: str) -> bool:
        try:
            served = self.runtime.show(tag)
        except (NotFoundError, RuntimeRefusedError):
            return False
        if served.stored_digest is None:
            return served.digest == self.version_tags.digest(BASE)
        return served.stored_digest == self.settings.base_digest

    def _versions(self) -> list[str]:
        said = []
        present, stay = self.runtime.tags(), needed(self.store, self.model)
        for version in self.store.versions.all(self.model):
            tag = self.version_tags.tags.version(version.version)
            if tag not in present and version.state is not VersionState.COLLECTED:
                said += self._version(tag, version.version, needed=version.version in stay)
        return said

    def _version(self, tag: str, name: str, *, needed: bool) -> list[str]:
        """Put a version's tag back. One that cannot be is said once if it is damaged, for then it is taken away; one
        that somebody removed is missed only if it is needed."""
        word = self._what_happened(tag)
        if source := self.version_tags.put_back(name):
            return [self._repaired(tag, word, source)]
        if word == DAMAGED and self.version_tags.is_sound(self.version_tags.tags.base):
            self.version_tags.remove(tag)
        return [self._lost(tag, word, name)] if needed or word == DAMAGED else []

    def _live(self, recorded: Deployment) -> tuple[str | None, list[str]]:
        """What is live, if that is lost for good; and what was found and done."""
        tag = self.version_tags.tags.live
        digest = self.runtime.tags().get(tag)
        word = self._what_happened(tag) if digest is None else "without its file"
        if digest not in (None, recorded.live_digest):
            found = look_at_live(self.store, recorded, self.runtime.tags())
            does = "makes it live again" if found.state is LiveState.RETURNED else "puts it back"
            return None, [f"{found.said}; `{found.hint}` {does}"]
        if self.version_tags.file_is_lost(recorded.live):
            return recorded.live, [self._lost(tag, word, recorded.live)]
        if digest:
            fault = self.version_tags.fault(tag)
            how = f"`adapterctl rollback {self.model}` goes back"
            return None, [f"{tag} cannot be used: {fault}; {how}"] if fault else []
        if source := self._copy_to(tag, recorded.live, recorded.live_digest):
            return None, [self._repaired(tag, word, source)]
        return recorded.live, [self._lost(tag, word, recorded.live)]

    def _returned(self, recorded: Deployment) -> list[str]:
        """Versions that were withdrawn as lost, and are there again while what went live instead is served."""
        present = self.runtime.tags()
        if present.get(self.version_tags.tags.live) != recorded.live_digest:
            return []
        return [
            f"{self.version_tags.tags.version(each.version)}, withdrawn as lost, is there again; "
            f"`{promoting(each)}` makes it live again"
            for each in returned(self.store, self.model, present)
            if not self.version_tags.file_is_lost(each.version)
        ]

    def _previous(self, recorded: Deployment) -> list[str]:
        tag = self.version_tags.tags.previous
        if recorded.previous is None or recorded.previous_digest is None:
            return []
        digest = self.runtime.tags().get(tag)
        if digest not in (None, recorded.previous_digest):
            return [f"{tag} is not {recorded.previous} as recorded, somebody changed it; a rollback does not mind"]
        if digest:
            return []
        word = self._what_happened(tag)
        source = self._copy_to(tag, recorded.previous, recorded.previous_digest)
        return [self._repaired(tag, word, source) if source else self._lost(tag, word, recorded.previous)]

    def _copy_to(self, tag: str, name: str, digest: str) -> str | None:
        """Copy what was recorded over a tag; returns what it was copied from."""
        same = (other for other, its in self.runtime.tags().items() if its == digest and other != tag)
        source = next(same, None) or (self.version_tags.tags.version(name) if self.version_tags.ensure(name) else None)
        if source:
            self.runtime.copy(source, tag)
        return source

    def _recorded(self) -> Deployment:
        recorded = self.store.versions.deployment(self.model)
        if recorded is None:
            raise NotFoundError(f"nothing of {self.model} was ever live")
        return recorded

    def _what_happened(self, tag: str) -> str:
        return DAMAGED if self.version_tags.is_torn(tag) else GONE

    def _repaired(self, tag: str, word: str, source: str) -> str:
        text = f"{tag} was {word}, and is the same as {source} again"
        self.store.events.add("tag.repaired", text, model=self.model)
        return text

    def _lost(self, tag: str, word: str, name: str) -> str:
        remedy = self.version_tags.remedy(name, self.settings.base)
        return f"{tag} is {word}, and nothing in the runtime is the same; {remedy}"
