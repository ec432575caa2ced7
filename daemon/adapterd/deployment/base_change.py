"""Another base for the same model: either the old one stays, or the new one takes its place everywhere.

Its place is in three things: the configuration, `NAME:base`, and what the record calls `base`. The configuration
decides: a change that was interrupted before it was written is given up, else it is finished. What was live as `base`
is called `base-DIGEST` from then on, and a tag of that name keeps it, so that a rollback leads to what was served, and
not to another model.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from adapterd.deployment.config_file import change_config, written_settings
from adapterd.deployment.version_tags import VersionTags
from adapterd.errors import AdapterdError, NotFoundError
from adapterd.home import Home
from adapterd.serving.runtime import Runtime
from adapterd.serving.tags import BASE, ModelTags, older_base
from adapterd.store import Store
from adapterd.store.schedule_state import DueReason
from adapterd.store.versions import PROMOTE, REBASE, Intent


@dataclass(frozen=True)
class NewBase:
    """A base that is to take the place of another: `action` is one of `BASE_CHANGES`, `digest` that of its file, and
    `edit` makes the new text of the configuration of the old one."""

    action: str
    digest: str
    edit: Callable[[str], str]


@dataclass(frozen=True)
class BaseChange:
    """Changes the base of one model; whoever does that holds the lock for tags (`system.locks.tags_lock`)."""

    store: Store
    home: Home
    runtime: Runtime
    model: str

    @property
    def tags(self) -> ModelTags:
        return ModelTags(self.model)

    def carry_out(self, new: NewBase) -> None:
        """Put `NAME:next-base` in the place of the base.

        Raises ConfigError or BusyError if the configuration cannot be written, NotFoundError if that tag is gone;
        everything is as before then.
        """
        present = self.runtime.tags()
        if self.tags.next_base not in present:
            if self._pinned() == new.digest:  # the same change was begun before, waited for this tag, and is finished
                change_config(self.home, new.edit)
                return
            raise NotFoundError(f"{self.tags.next_base} is gone from the runtime", hint="give the command again")
        older = self._keep_what_was(present)
        with self.store.transaction():
            for left in self.store.versions.begun_base_changes(self.model):
                self.store.versions.finish_intent(left.id, "undone")
            self.store.versions.begin_intent(self.model, new.action, new.digest, older)
        try:
            change_config(self.home, new.edit)
        except AdapterdError:
            self.finish()
            raise
        self.finish()

    def finish(self) -> list[str]:
        """Finish a change that was begun, or give it up, as the configuration says; returns a sentence on each. Where
        the base was live, and a person changed it, the promotion of the new one is begun with it.

        Where the runtime has not the new base, it waits: this may be another store.
        """
        said = []
        for change in self.store.versions.begun_base_changes(self.model):
            if self._pinned() != change.target:
                self.store.versions.finish_intent(change.id, "undone")
                said.append(f"{self.model}: the change of its base was interrupted, and is given up")
            elif self._is_there(change.target):
                self.runtime.copy(self.tags.next_base, self.tags.base)
                self._record(change)
                said.append(f"{self.model}: the change of its base was interrupted, and is finished")
                with suppress(AdapterdError):  # `gc` removes it
                    self.runtime.delete(self.tags.next_base)
        return said

    def _keep_what_was(self, present: Mapping[str, str]) -> str:
        """Give what is recorded as the base a tag of its own, and `NAME:base` where that is another one; returns the
        name of what is recorded, empty where it is the new base itself."""
        tag, new = present.get(self.tags.base), present[self.tags.next_base]
        recorded = VersionTags(self.store, self.home, self.runtime, self.model).digest(BASE) or tag
        for digest in {tag, recorded} - {None, new}:
            source = next((other for other, its in present.items() if its == digest), None)
            if digest and source:
                self.runtime.copy(source, self.tags.version(older_base(digest)))
        return older_base(recorded) if recorded and recorded != new else ""

    def _is_there(self, digest: str) -> bool:
        """Whether `NAME:next-base` is the base with this file, as far as the runtime tells."""
        tag = self.tags.next_base
        return tag in self.runtime.tags() and self.runtime.show(tag).stored_digest in (None, digest)

    def _record(self, change: Intent) -> None:
        versions, digest, older = self.store.versions, self.runtime.tags()[self.tags.base], change.withdrawn
        deployment = versions.deployment(self.model)
        follows = change.action == REBASE and deployment is not None and deployment.live == BASE
        kept = f"; {older} is what was its base until now" if older else ""
        with self.store.transaction():
            if older:
                versions.rename_base(self.model, BASE, older)
            versions.rename_base(self.model, older_base(digest), BASE)
            if follows:
                versions.begin_intent(self.model, PROMOTE, BASE)
            versions.finish_intent(change.id)
            self._set_due(change)
            text = f"{self.model} is trained on {self._settings().get('base')} from now on{kept}"
            self.store.events.add("base.pinned", text, model=self.model)

    def _set_due(self, change: Intent) -> None:
        """Let the daemon make a version of the new base; by hand, if there is something to learn from."""
        states, name = self.store.schedule_state, self._settings().get("base")
        states.update(self.model, base_drift=None)
        if change.action == REBASE:
            states.not_due(self.model)
            if not self.store.feedback.count(self.model):
                return
        elif states.get(self.model).due_reason:
            return
        text = f"rebased on {name}" if change.action == REBASE else f"{name} changed"
        states.update(
            self.model, due_reason=DueReason.BASE_CHANGED, due_text=text, due_since=self.store.clock(), blocked_by=None
        )

    def _pinned(self) -> object:
        return self._settings().get("base_digest")

    def _settings(self) -> dict[str, object]:
        models = written_settings(self.home).get("models")
        found = models.get(self.model) if isinstance(models, dict) else None
        return found if isinstance(found, dict) else {}
