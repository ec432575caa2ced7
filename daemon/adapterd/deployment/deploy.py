"""Promote and rollback: which version the `latest` tag is. Never half done (law 7), and quick (law 5).

Every change is written down as an intent first. Both actions only copy version tags, which never change, so an
interrupted one is simply done again: `reconcile` does that before anything else touches the tags. A version tag that
is gone or damaged is put back first (version_tags.py), where something in the runtime is the same.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from adapterd.deployment.base_change import BaseChange, NewBase
from adapterd.deployment.history import newest_base, other_base, promotion_stack, require_version
from adapterd.deployment.live_tag import LOST, has_our_tags, is_foreign, require_our_store
from adapterd.deployment.version_tags import VersionTags
from adapterd.errors import InputError, NotFoundError, RuntimeRefusedError
from adapterd.home import Home
from adapterd.serving.runtime import Runtime
from adapterd.serving.tags import BASE, ModelTags, is_base
from adapterd.store import Store
from adapterd.store.versions import PROMOTE, ROLLBACK, Deployment, Intent, VersionState
from adapterd.system.locks import tags_lock

INIT = "init"
WHAT_WAS_THERE = "what was there instead"


@dataclass(frozen=True)
class Swap:
    """A finished change: what is live now, what was before, and how long copying and checking the tag took. `kept` is
    the tag of what somebody else had put under the live one."""

    model: str
    live: str
    replaced: str
    swap_ms: float
    kept: str | None = None

    @property
    def note(self) -> str:
        """A sentence on what is kept, empty if there is nothing."""
        return _kept_as(ModelTags(self.model), self.kept) if self.kept else ""


@dataclass(frozen=True)
class Deployer:
    """Changes tags of the runtime and records it; one at a time over all processes."""

    store: Store
    home: Home
    runtime: Runtime

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock for changing tags; raises BusyError when another process keeps it too long."""
        with tags_lock(self.home):
            yield

    def start_with_base(self, model: str) -> None:
        """Make the untouched base live, so that applications can use the model's name from the first day."""
        tags = ModelTags(model)
        with self.exclusive():
            self.runtime.copy(tags.base, tags.live)
            digest = self._verify(tags.live, tags.base)
            with self.store.transaction():
                self.store.versions.deploy(model, INIT, live=BASE, live_digest=digest)
                self.store.events.add(
                    "model.created", f"{model} serves its base until a version is better", model=model
                )

    def promote(self, model: str, version: str, reason: str) -> Swap:
        """Make a version live. It is loaded first, so that no request meets a cold model.

        Loading takes seconds, in which a rollback must not wait; so most of it is done before the lock is taken.
        """
        target = self._require(model, version)
        with suppress(NotFoundError, RuntimeRefusedError):  # what is wrong is told below
            self.runtime.load(ModelTags(model).version(target))
        with self.exclusive():
            finished = self._reconcile(model).get(PROMOTE)
            if finished and finished.live == target:
                return finished
            if self._deployment(model).live == target:
                raise InputError(f"{target} is live already")
            self._require_tag(model, target)
            self._require_proven(model, target)
            self.runtime.load(ModelTags(model).version(target))
            intent = self._begin(model, PROMOTE, target)
            return self._change_tags(intent, reason)

    def rollback(self, model: str, to: str | None = None, reason: str = "") -> Swap:
        """Make the previous version live again, or one that was live before. It is loaded by whoever asks it.

        `base` is the base that was live last. The version that is taken back is marked, so that it is not promoted
        again by itself; `reason` says why, where it is not a person who does it. A rollback that was interrupted is
        finished by giving it again, and does not go back twice. A live tag that somebody else changed is put back by
        going back to the live version itself.
        """
        with self.exclusive():
            finished = self._reconcile(model).get(ROLLBACK)
            to = newest_base(self.store.versions.deployments(model)) if to == BASE else to
            if finished and to in (None, finished.live):
                return finished
            current = self._deployment(model)
            target = to or current.previous
            if to == current.live and self._is_changed(current):
                return self._serve_again(current)
            if target is None or target == current.live:
                raise InputError(
                    f"{model} has nothing to go back to: {current.live} is live, and nothing was live before it"
                    if to is None
                    else f"{to} is live already"
                )
            if all(target != past.live for past in self.store.versions.deployments(model)):
                raise InputError(
                    f"{target} was never live, so there is no way back to it",
                    hint=f"adapterctl promote {target} makes it live for the first time",
                )
            self._require_tag(model, target)
            intent = self._begin(model, ROLLBACK, target, withdrawn=current.live)
            return self._change_tags(intent, reason or f"taken back in favour of {target}")

    def change_base(self, model: str, new: NewBase) -> Swap | None:
        """Put `NAME:next-base` in the place of the base; where the base was live, and a person changed it, the new one
        is. Returns that change of what is live. Raises ConfigError or BusyError, and changes nothing then."""
        with self.exclusive():
            self._reconcile(model)
            BaseChange(self.store, self.home, self.runtime, model).carry_out(new)
            return self._finish(model, "its base was changed").get(PROMOTE)

    def reconcile(self, model: str) -> list[str]:
        """Finish what an earlier process began and could not finish; returns sentences on what was done."""
        with self.exclusive():
            said = BaseChange(self.store, self.home, self.runtime, model).finish()
            begun = self.store.versions.begun_intents(model)
            finished = self._reconcile(model)
        return said + [
            f"{model}: the {intent.action} of {intent.target} was interrupted, and is "
            + ("finished" if intent.action in finished else "given up: its tag is gone")
            for intent in begun
            if intent.id not in {left.id for left in self.store.versions.begun_intents(model)}
        ]

    def fall_back(self, model: str, lost: str) -> Swap | None:
        """Where the live version is `lost` for good, serve what was live before it; None if nothing of that is left, or
        if another version went live meanwhile."""
        with self.exclusive():
            live, tags = self._deployment(model).live, self._version_tags(model)
            if live != lost:
                return None
            left = (name for name in [*self._below(model), BASE] if tags.ensure(name))
            target = next((name for name in left if not tags.file_is_lost(name)), None)
            if target is None:
                return None
            intent = self._begin(model, ROLLBACK, target, withdrawn=live)
            return self._change_tags(intent, LOST)

    def restore(self, model: str) -> None:
        """Make `latest` and `previous` again what is recorded, where somebody removed or changed them."""
        with self.exclusive():
            self._reconcile(model)
            self._restore(model)

    def _reconcile(self, model: str) -> dict[str, Swap]:
        """Finish every begun change, or give it up if its target is gone for good; returns what was done by action.

        Where the runtime has nothing of the model it waits for the right store.
        """
        BaseChange(self.store, self.home, self.runtime, model).finish()
        if self._is_elsewhere(model):
            return {}
        return self._finish(model, "finished after an interruption")

    def _finish(self, model: str, reason: str) -> dict[str, Swap]:
        finished: dict[str, Swap] = {}
        for intent in self.store.versions.begun_intents(model):
            if self._version_tags(model).ensure(intent.target):
                finished[intent.action] = self._change_tags(intent, reason)
            else:
                self._give_up(intent)
        return finished

    def _is_elsewhere(self, model: str) -> bool:
        tags, begun = self._version_tags(model), self.store.versions.begun_intents(model)
        if not begun or has_our_tags(self.store, model, self.runtime.tags()):
            return False
        return not any(tags.is_torn(tags.tags.version(intent.target)) for intent in begun)

    def _give_up(self, intent: Intent) -> None:
        recorded = self._restore(intent.model)
        text = f"{intent.model}: {intent.action} of {intent.target} given up, its tag is gone; {recorded.live} is live"
        with self.store.transaction():
            self.store.versions.finish_intent(intent.id, "undone")
            self.store.events.add("version.given-up", text, model=intent.model)

    def _restore(self, model: str) -> Deployment:
        recorded, tags = self._deployment(model), ModelTags(model)
        wanted = {tags.live: recorded.live, tags.previous: recorded.previous}
        sources = {tag: name for tag, name in wanted.items() if name and self._version_tags(model).ensure(name)}
        for tag, name in sources.items():
            self.runtime.copy(tags.version(name), tag)
        return recorded

    def _begin(self, model: str, action: str, target: str, withdrawn: str = "") -> Intent:
        intent_id = self.store.versions.begin_intent(model, action, target, withdrawn)
        return Intent(intent_id, model, action, target, withdrawn)

    def _change_tags(self, intent: Intent, reason: str) -> Swap:
        before = self._deployment(intent.model)
        tags, version_tags = ModelTags(intent.model), self._version_tags(intent.model)
        below = self._below(intent.model, intent.target if intent.action == ROLLBACK else None)
        ways_back = [before.live, *below] if intent.action == PROMOTE else below
        previous = next((name for name in ways_back if name != intent.target and version_tags.ensure(name)), None)
        kept = self._keep_what_is_foreign(intent.model) if intent.action == PROMOTE else None
        if intent.action == PROMOTE and previous:
            self.runtime.copy(tags.version(previous), tags.previous)
        source = tags.version(intent.target)
        started = time.perf_counter()
        self.runtime.copy(source, tags.live)
        digest = self._verify(tags.live, source)
        swap_ms = (time.perf_counter() - started) * 1000
        if intent.action == ROLLBACK and previous:
            self.runtime.copy(tags.version(previous), tags.previous)
        self._record(intent, before, previous, digest, reason)
        return Swap(intent.model, live=intent.target, replaced=before.live, swap_ms=swap_ms, kept=kept)

    def _keep_what_is_foreign(self, model: str) -> str | None:
        """Give what somebody else put under the live tag a name of its own; returns that, None if there is nothing."""
        tags, present = ModelTags(model), self.runtime.tags()
        if not is_foreign(self.store, model, present.get(tags.live), present):
            return None
        kept = tags.by_hand(present)
        self.runtime.copy(tags.live, kept)
        self.store.events.add("tag.kept", _kept_as(tags, kept), model=model)
        return kept

    def _version_tags(self, model: str) -> VersionTags:
        return VersionTags(self.store, self.home, self.runtime, model)

    def _below(self, model: str, rolled_back_to: str | None = None) -> list[str]:
        """What was live before, the latest first; after one more rollback, if one is given."""
        return promotion_stack(self.store.versions.deployments(model), rolled_back_to)[-2::-1]

    def _is_changed(self, recorded: Deployment) -> bool:
        return self.runtime.tags().get(ModelTags(recorded.model).live) != recorded.live_digest

    def _serve_again(self, recorded: Deployment) -> Swap:
        """Put the live tag back to what is recorded."""
        started, tags = time.perf_counter(), ModelTags(recorded.model)
        self._require_tag(recorded.model, recorded.live)
        self.runtime.copy(tags.version(recorded.live), tags.live)
        self._verify(tags.live, tags.version(recorded.live))
        swap_ms = (time.perf_counter() - started) * 1000
        text = f"{tags.live} is {recorded.live} again as recorded"
        self.store.events.add("version.restored", text, model=recorded.model)
        return Swap(recorded.model, live=recorded.live, replaced=WHAT_WAS_THERE, swap_ms=swap_ms)

    def _record(self, intent: Intent, before: Deployment, previous: str | None, digest: str, reason: str) -> None:
        tags = ModelTags(intent.model)
        previous_digest = self.runtime.tags().get(tags.version(previous)) if previous else None
        versions = self.store.versions
        with self.store.transaction():
            versions.deploy(
                intent.model, intent.action, live=intent.target, live_digest=digest,
                previous=previous, previous_digest=previous_digest,
            )  # fmt: skip
            if intent.action == PROMOTE:
                versions.set_state(intent.model, intent.target, VersionState.PROMOTED, reason)
            else:
                versions.set_state(intent.model, intent.withdrawn, VersionState.WITHDRAWN, reason)
                again = versions.get(intent.model, intent.target)
                if again and again.state is VersionState.WITHDRAWN:
                    versions.set_state(intent.model, intent.target, VersionState.PROMOTED, "live again")
            versions.finish_intent(intent.id)
            self.store.events.add(
                f"version.{intent.action}",
                f"{intent.model}: {intent.target} is live, {before.live} was before ({reason})"
                f"{self._of(intent, before)}",
                model=intent.model,
            )

    def _of(self, intent: Intent, before: Deployment) -> str:
        """Words on the base of a version that goes live, where what was live is of another one."""
        version = self.store.versions.get(intent.model, before.live)
        if version is None or is_base(intent.target):
            return ""
        other = other_base(self.store, self.home, intent.model, intent.target, version.base_digest)
        return f"; it is made of another base, {other}" if other else ""

    def _verify(self, tag: str, same_as: str) -> str:
        digests = self.runtime.tags()
        if digests.get(tag) is None or digests.get(tag) != digests.get(same_as):
            raise RuntimeRefusedError(f"{tag} is not the same as {same_as} after copying it: {digests.get(tag)}")
        return digests[tag]

    def _deployment(self, model: str) -> Deployment:
        deployment = self.store.versions.deployment(model)
        if deployment is None:
            raise NotFoundError(f"nothing of {model} was ever live", hint=f"adapterctl init {model} --base TAG")
        return deployment

    def _require_tag(self, model: str, name: str) -> None:
        if self._version_tags(model).ensure(name):
            return
        require_our_store(self.store, model, self.runtime)
        tag, hint = ModelTags(model).version(name), self._version_tags(model).remedy(name)
        known = self.store.versions.get(model, name)
        if known and known.state is VersionState.COLLECTED:
            raise NotFoundError(f"{tag} was collected: {known.reason}", hint=hint)
        raise NotFoundError(f"{tag} is gone from the runtime", hint=hint)

    def _require_proven(self, model: str, name: str) -> None:
        """What is promoted must be what was registered and judged; a tag can be overwritten by anyone."""
        tag = ModelTags(model).version(name)
        known = self.store.versions.get(model, name)
        if known and self.runtime.tags().get(tag) != known.digest:
            raise InputError(
                f"{tag} is not what was registered under this name, so nothing is known of it",
                hint="`adapterctl retrain --now` makes a new version",
            )

    def _require(self, model: str, version: str) -> str:
        return version if is_base(version) else require_version(self.store, model, version).version


def _kept_as(tags: ModelTags, kept: str) -> str:
    return f"{tags.live} had been changed by somebody; what it was is kept as {kept}"
