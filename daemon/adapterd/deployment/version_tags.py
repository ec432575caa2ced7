"""The tags that the record says are there: which are sound, and how one that is gone or damaged is put back.

Ollama writes a manifest in place. A crash at that moment leaves half of one: the tag answers "EOF" and leaves the list,
and a copy of it is just as damaged. A copy of a sound tag over it repairs it.
"""

import json
import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapterd.base.modelfile import Modelfile
from adapterd.errors import NotFoundError, RuntimeRefusedError
from adapterd.home import Home
from adapterd.serving.runtime import Runtime
from adapterd.serving.tags import BASE, ModelTags, is_base
from adapterd.serving.unreadable import Access, access
from adapterd.store import Store
from adapterd.store.runs import Run


@dataclass(frozen=True)
class MergedFile:
    """What the merging stage of a run made."""

    digest: str
    size_bytes: int

    @classmethod
    def of_run(cls, store: Store, run_id: str) -> "MergedFile | None":
        """None for a run that did not come so far."""
        for stage in store.runs.stages(run_id):
            if stage.name == "merging" and stage.result:
                return cls(stage.result["digest"], stage.result["size_bytes"])
        return None


@dataclass(frozen=True)
class VersionTags:
    """The tags of one model. Whoever changes them holds the lock for that (`system.locks.tags_lock`)."""

    store: Store
    home: Home
    runtime: Runtime
    model: str

    @property
    def tags(self) -> ModelTags:
        return ModelTags(self.model)

    def ensure(self, name: str) -> bool:
        """Whether the own tag of a version (or of the base) is there; put back if it is not and that is possible."""
        return self.tags.version(name) in self.runtime.tags() or self.put_back(name) is not None

    def put_back(self, name: str) -> str | None:
        """Make a version's own tag anew; returns what of, None if nothing in the runtime is the same."""
        digest = self.digest(name)
        same = (tag for tag, other in self.runtime.tags().items() if other == digest and self.is_sound(tag))
        if source := next(same, None):
            self.runtime.copy(source, self.tags.version(name))
            return source
        return self._register_again(name)

    def digest(self, name: str) -> str | None:
        """What the tag of a version, or of the base, was when it was recorded."""
        if version := self.store.versions.get(self.model, name):
            return version.digest
        history = reversed(self.store.versions.deployments(self.model))
        return next((past.live_digest for past in history if past.live == name), None)

    def is_sound(self, tag: str) -> bool:
        """Whether the runtime can show the tag: the list also has tags whose file is gone."""
        return self.fault(tag) is None

    def is_torn(self, tag: str) -> bool:
        """Whether the tag is there but damaged, so that it can neither be used nor deleted."""
        return isinstance(self.fault(tag), RuntimeRefusedError) and tag not in self.runtime.tags()

    def remove(self, tag: str) -> None:
        """Delete a tag. One that is damaged becomes the base first, for else it could not be deleted."""
        if self.is_torn(tag):
            self.runtime.copy(self.tags.base, tag)
        self.runtime.delete(tag)

    def remove_unrecorded(self, run: Run) -> None:
        """Delete the tag that a run has made and that is no version, for the run ended before it was; what somebody
        else made under that name stays."""
        if run.version is None or self.store.versions.get(self.model, run.version):
            return
        tag = self.tags.version(run.version)
        if tag not in self.runtime.tags():
            return
        served, merged = self.runtime.show(tag).gguf, MergedFile.of_run(self.store, run.id)
        if merged and served and served.name == merged.digest.replace(":", "-"):
            self.runtime.delete(tag)

    def file_is_lost(self, name: str) -> bool:
        """Whether the file of a version is known to be missing, in a store on this machine."""
        file = self._file(name)
        return file is not None and access(file) is Access.MISSING

    def remedy(self, name: str, base: str = "TAG") -> str:
        """What a person can do to have a lost version, or the base, again."""
        folder = self.home.version(self.model, name)
        if name != BASE and is_base(name):
            return f"`adapterctl rebase {self.model} --base TAG` takes another base"
        if name == BASE:
            return f"`adapterctl init {self.model} --base {shlex.quote(base)}` puts it back"
        if folder.is_dir():
            return f"`adapterctl register {shlex.quote(str(folder))} --model {self.model}` makes it anew of its adapter"
        return "`adapterctl history` shows which other versions there are"

    def fault(self, tag: str) -> NotFoundError | RuntimeRefusedError | None:
        """Why the runtime cannot show a tag, None if it can."""
        try:
            self.runtime.show(tag)
        except (NotFoundError, RuntimeRefusedError) as exc:
            return exc
        return None

    def register_base(self, digest: str) -> str | None:
        """Where the base's file of that digest is there and only its tag is lost, make the tag as the newest run found
        it; returns what of, None if that is not possible."""
        run = self.store.runs.latest(self.model)
        plan, folder = self._planned_base(run.id) if run else None, self._blob_folder()
        if plan is None or folder is None or plan["digest"] != digest:
            return None
        return self._register(BASE, folder / digest.replace(":", "-"), plan)

    def _register_again(self, name: str) -> str | None:
        """Where the file of a version is there and only its tag is lost, make the tag as the version's run did."""
        version, file = self.store.versions.get(self.model, name), self._file(name)
        plan = self._planned_base(version.run_id) if version else None
        return self._register(name, file, plan) if file and plan else None

    def _register(self, name: str, file: Path, base: dict[str, Any]) -> str | None:
        """Make a tag of a file, with what surrounds the base."""
        from adapterd.serialization import from_plain

        with suppress(NotFoundError, RuntimeRefusedError):
            if access(file) is Access.READABLE:
                modelfile = from_plain(base["modelfile"], Modelfile)
                self.runtime.create(self.tags.version(name), file, file.name.replace("-", ":"), modelfile)
                return file.name
        return None

    def _file(self, name: str) -> Path | None:
        """Where the file of a version belongs in a store on this machine, if its digest is known."""
        version = self.store.versions.get(self.model, name)
        merged = MergedFile.of_run(self.store, version.run_id) if version else None
        folder = self._blob_folder() if merged else None
        return folder / merged.digest.replace(":", "-") if folder and merged else None

    def _planned_base(self, run_id: str) -> dict[str, Any] | None:
        """The base as a run planned with it, in plain values."""
        from adapterd.formats.run_folder import PLAN

        try:
            base = json.loads((self.home.run(run_id) / PLAN).read_text(encoding="utf-8"))["base"]
        except (OSError, ValueError, LookupError, TypeError):  # gone, or damaged
            return None
        return base if isinstance(base, dict) and {"digest", "modelfile"} <= base.keys() else None

    def _blob_folder(self) -> Path | None:
        """Where the runtime keeps the files of this model, if that is on this machine."""
        tags = (self.tags.base, self.tags.live, self.tags.previous)
        shown = (self.runtime.show(tag).gguf for tag in tags if self.is_sound(tag))
        return next((gguf.parent for gguf in shown if gguf), None)
