"""Rollback from the tags alone, for a home whose database cannot be used: `NAME:previous` becomes `NAME:latest`.

The database does not learn of it; `adapterctl doctor --repair` reads it from the tags.
"""

import time

from adapterd.deployment.deploy import Swap
from adapterd.errors import InputError, NotFoundError, RuntimeRefusedError
from adapterd.home import Home
from adapterd.serving.runtime import Runtime
from adapterd.serving.tags import SEMVER, ModelTags, is_base
from adapterd.system.locks import tags_lock


def rollback_by_tags(home: Home, runtime: Runtime, model: str, to: str | None = None) -> Swap:
    """Make the previous version live again, or the given one. Raises NotFoundError where its tag is gone, InputError
    where it is live already."""
    tags = ModelTags(model)
    with tags_lock(home):
        before = runtime.tags()
        source = tags.version(to) if to else tags.previous
        others = [name for name in _names(model, before) if before[tags.version(name)] != before.get(tags.live)]
        ways = f"`adapterctl rollback {model} --to …` goes to one of {', '.join(others)}" if others else ""
        if source not in before:
            raise NotFoundError(f"{source} is gone from the runtime, so it cannot be gone back to", hint=ways)
        if before[source] == before.get(tags.live):
            raise InputError(f"{tags.live} is the same as {source} already", hint=ways)
        started = time.perf_counter()
        runtime.copy(source, tags.live)
        swap_ms = (time.perf_counter() - started) * 1000
        if runtime.tags().get(tags.live) != before[source]:
            raise RuntimeRefusedError(f"{tags.live} is not the same as {source} after copying it")
    return Swap(model, name_of(model, before, before[source]), name_of(model, before, before.get(tags.live)), swap_ms)


def name_of(model: str, present: dict[str, str], digest: str | None) -> str:
    """The version that a digest is of, by the tags, newest first; words where it is none of them."""
    tags = ModelTags(model)
    return next((name for name in _names(model, present) if present[tags.version(name)] == digest), "another model")


def _names(model: str, present: dict[str, str]) -> list[str]:
    """The names of the versions that have a tag, the newest first, and the bases at the end."""
    labels = [label for name, _, label in (tag.rpartition(":") for tag in present) if name == model]
    versions = sorted((label for label in labels if SEMVER.fullmatch(label)), key=_number, reverse=True)
    return [*versions, *sorted(filter(is_base, labels))]


def _number(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
