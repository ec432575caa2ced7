"""What the runtime's tags say of what is recorded as live: it is so, it was changed, or this is another store.

Ollama may come up with another folder of models for a while: an external disk is away, the app forgot its setting. A
store that has nothing of a model is no reason to change the record: the right one comes back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PureWindowsPath

from adapterd.errors import AdapterdError, NotFoundError
from adapterd.serving.runtime import Runtime
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from adapterd.store.versions import Deployment, Version, VersionState

LOST = "nothing in the runtime is the same as what was live"
"""Why a version was withdrawn whose file was gone; with its tag it may come back."""
_RETURNS = "nothing is changed until the right one is back"


class LiveState(StrEnum):
    """How the live tag and the record go together."""

    AS_RECORDED = "as recorded"
    ELSEWHERE = "elsewhere"
    GONE = "gone"
    RETURNED = "returned"
    CHANGED = "changed"


@dataclass(frozen=True)
class LiveTag:
    """The state, as a sentence that names the model's tag, and what a person can do about it."""

    state: LiveState
    said: str = ""
    hint: str = ""

    @property
    def is_as_recorded(self) -> bool:
        return self.state is LiveState.AS_RECORDED


def look_at_live(
    store: Store,
    recorded: Deployment,
    present: Mapping[str, str],
    place: Callable[[], str | None] = lambda: None,
) -> LiveTag:
    """Compare the record of a model with the tags that the runtime has.

    `place` gives the path under which the runtime keeps the base's file; it is asked only where the live version is
    not there.
    """
    model, tag = recorded.model, ModelTags(recorded.model).live
    digest = present.get(tag)
    if digest == recorded.live_digest:
        return LiveTag(LiveState.AS_RECORDED)
    if is_another_store(store, recorded, present, place):
        return another_store(model, recorded.live)
    back = next((each for each in returned(store, model, present) if each.digest == digest), None)
    if back:
        return LiveTag(
            LiveState.RETURNED,
            f"{tag} is {back.version}, which was withdrawn as lost and is there again; {recorded.live} is recorded",
            promoting(back),
        )
    if digest is None:
        return LiveTag(LiveState.GONE, f"{tag} is gone", f"adapterctl rollback {model} --to {recorded.live}")
    return LiveTag(
        LiveState.CHANGED,
        f"{tag} is not {recorded.live} as recorded, somebody changed it",
        f"adapterctl rollback {model} --to {recorded.live}",
    )


def another_store(model: str, live: str) -> LiveTag:
    """What is said where the runtime has another store than the one that the model was registered in."""
    return LiveTag(
        LiveState.ELSEWHERE,
        f"{model} {live} is not in the store that the runtime has now: it is another one, or was emptied; {_RETURNS}",
        "see whether its disk is there and whether Ollama starts with the right folder (OLLAMA_MODELS, or the app's "
        f"setting); `adapterctl init {model} --base BASE` begins anew in this one",
    )


def is_another_store(
    store: Store, recorded: Deployment, present: Mapping[str, str], place: Callable[[], str | None]
) -> bool:
    """Whether the runtime has another store than ours: no tag of the model is there as we made it, or the live version
    is not there, and was registered in another folder."""
    model = recorded.model
    if not has_our_tags(store, model, present):
        return True
    version = store.versions.get(model, recorded.live)
    if version is None or version.digest in present.values() or ModelTags(model).version(version.version) in present:
        return False
    then, now = _registered_at(store, version), place()
    return bool(then and now and PureWindowsPath(then).parent != PureWindowsPath(now).parent)


def has_our_tags(store: Store, model: str, present: Mapping[str, str]) -> bool:
    """Whether a tag of the model is there as it was when we made it."""
    tags, versions = ModelTags(model), store.versions.all(model)
    names = {tags.live, tags.previous, tags.base, tags.candidate, *(tags.version(each.version) for each in versions)}
    made = {each.digest for each in versions} | {past.live_digest for past in store.versions.deployments(model)}
    return any(present.get(name) in made for name in names)


def returned(store: Store, model: str, present: Mapping[str, str]) -> list[Version]:
    """The versions that were withdrawn as lost and whose tags are there again, the newest first."""
    tags = ModelTags(model)
    return [
        each
        for each in reversed(store.versions.all(model))
        if is_withdrawn_as_lost(each) and present.get(tags.version(each.version)) == each.digest
    ]


def is_withdrawn_as_lost(version: Version) -> bool:
    """Whether a version was taken back for no other reason than that its file was gone."""
    return version.state is VersionState.WITHDRAWN and version.reason == LOST


def promoting(version: Version) -> str:
    """The command that makes it live again."""
    return f"adapterctl promote {version.version} --model {version.model}"


def require_our_store(store: Store, model: str, runtime: Runtime) -> None:
    """Raise NotFoundError where the runtime has another store than the one that the model was registered in."""
    recorded = store.versions.deployment(model)
    if recorded and is_another_store(store, recorded, runtime.tags(), lambda: place_of(runtime, model)):
        found = another_store(model, recorded.live)
        raise NotFoundError(found.said, hint=found.hint)


def place_of(runtime: Runtime, model: str) -> str | None:
    """The path under which the runtime keeps the base's file, as far as it tells."""
    try:
        return runtime.show(ModelTags(model).base).place
    except AdapterdError:
        return None


def is_foreign(store: Store, model: str, digest: str | None, present: Mapping[str, str]) -> bool:
    """Whether the live tag is the only one of something that we never made, by its digest."""
    if digest is None:
        return False
    made = {each.digest for each in store.versions.all(model)}
    made |= {past.live_digest for past in store.versions.deployments(model)}
    others = {other for tag, other in present.items() if tag != ModelTags(model).live}
    return digest not in made | others


def _registered_at(store: Store, version: Version) -> str | None:
    """The path under which the runtime kept the version's file when it was registered."""
    for stage in store.runs.stages(version.run_id):
        if stage.name == "serving" and stage.result:
            return stage.result.get("place") or stage.result.get("stored")
    return None
