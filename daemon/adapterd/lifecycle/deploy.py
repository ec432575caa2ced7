"""Promote and rollback: which version the `latest` tag is. Never half done (law 7), and quick (law 5).

Every change is written down as an intent first. Both actions only copy version tags, which never change, so an
interrupted one is simply done again: `reconcile` does that before anything else touches the tags.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from adapterd.errors import InputError, NotFoundError, RuntimeRefusedError
from adapterd.home import Home
from adapterd.lifecycle.locks import exclusive
from adapterd.serving.runtime import Runtime
from adapterd.serving.tags import BASE, ModelTags
from adapterd.store import Store
from adapterd.store.versions import Deployment, Intent, VersionState

LOCK_TIMEOUT_S = 20.0
PROMOTE, ROLLBACK, INIT = "promote", "rollback", "init"


@dataclass(frozen=True)
class Swap:
    """A finished change: what is live now, what was before, and how long copying and checking the tag took."""

    model: str
    live: str
    replaced: str
    swap_ms: float


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
        """Make a version live. It is loaded first, so that no request meets a cold model."""
        target = self._require(model, version)
        with self.exclusive():
            self._reconcile(model)
            if self._deployment(model).live == target:
                raise InputError(f"{target} is live already")
            self.runtime.load(ModelTags(model).version(target))
            intent = self._begin(model, PROMOTE, target)
            return self._carry_out(intent, reason)

    def rollback(self, model: str, to: str | None = None) -> Swap:
        """Make the previous version live again, or one that was live before; call `warm` afterwards.

        The version that is taken back is marked, so that it is not promoted again by itself.
        """
        with self.exclusive():
            self._reconcile(model)
            current = self._deployment(model)
            target = to or current.previous
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
            intent = self._begin(model, ROLLBACK, target, withdrawn=current.live)
            return self._carry_out(intent, f"taken back in favour of {target}")

    def warm(self, model: str) -> None:
        """Load what is live."""
        self.runtime.load(ModelTags(model).live)

    def reconcile(self, model: str) -> None:
        """Finish what an earlier process began and could not finish."""
        with self.exclusive():
            self._reconcile(model)

    def _reconcile(self, model: str) -> None:
        for intent in self.store.versions.begun_intents(model):
            self._carry_out(intent, "finished after an interruption")

    def _begin(self, model: str, action: str, target: str, withdrawn: str = "") -> Intent:
        intent_id = self.store.versions.begin_intent(model, action, target, withdrawn)
        return Intent(intent_id, model, action, target, withdrawn)

    def _carry_out(self, intent: Intent, reason: str) -> Swap:
        before = self._deployment(intent.model)
        tags = ModelTags(intent.model)
        previous = before.live if intent.action == PROMOTE else self._live_before(intent.model, intent.target)
        if intent.action == PROMOTE and before.live != intent.target:
            self.runtime.copy(tags.version(before.live), tags.previous)
        source = self._source(tags, intent.target, before)
        started = time.perf_counter()
        self.runtime.copy(source, tags.live)
        digest = self._verify(tags.live, source)
        swap_ms = (time.perf_counter() - started) * 1000
        if intent.action == ROLLBACK and previous:
            self.runtime.copy(tags.version(previous), tags.previous)
        self._record(intent, before, previous, digest, reason)
        return Swap(intent.model, live=intent.target, replaced=before.live, swap_ms=swap_ms)

    def _source(self, tags: ModelTags, target: str, before: Deployment) -> str:
        """The tag to copy from: the version's own, or `previous` if someone removed that one."""
        own = tags.version(target)
        return tags.previous if target == before.previous and own not in self.runtime.tags() else own

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
            elif intent.withdrawn != BASE:
                versions.set_state(intent.model, intent.withdrawn, VersionState.WITHDRAWN, reason)
            versions.finish_intent(intent.id)
            self.store.events.add(
                f"version.{intent.action}",
                f"{intent.model}: {intent.target} is live, {before.live} was before ({reason})",
                model=intent.model,
            )

    def _live_before(self, model: str, target: str) -> str | None:
        """What was live before the target became live by promotion: where a second rollback would go."""
        for past in reversed(self.store.versions.deployments(model)):
            if past.live == target and past.action != ROLLBACK:
                return past.previous
        return None

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

    def _require(self, model: str, version: str) -> str:
        if version != BASE and self.store.versions.get(model, version) is None:
            known = ", ".join(v.version for v in self.store.versions.all(model)) or "none yet"
            raise NotFoundError(f"{model} has no version {version}; there are: {known}")
        return version


@contextmanager
def tags_lock(home: Home) -> Iterator[None]:
    """One process at a time may change tags: Ollama itself has no lock around its manifests."""
    busy = "another process is changing tags and does not finish"
    with exclusive(home.tags_lock, timeout_s=LOCK_TIMEOUT_S, busy=busy):
        yield
