"""Version numbers: major = the base changed, minor = a new adapter, patch = an earlier version's adapter merged or
evaluated again, or one registered by hand."""

from collections.abc import Collection, Sequence
from enum import StrEnum

from adapterd.home import Home
from adapterd.serving.runtime import Runtime
from adapterd.serving.tags import SEMVER
from adapterd.store.versions import Version

FIRST = "1.0.0"


class Increment(StrEnum):
    """Which number counts as long as the base is the same."""

    MINOR = "minor"
    PATCH = "patch"


def next_version(
    known: Sequence[Version],
    base_digest: str,
    increment: Increment = Increment.MINOR,
    taken: Collection[str] = (),
) -> str:
    """The number of the next version; numbers are never used twice, held versions keep theirs. It is above all that are
    `taken`, too: a database that was put back does not know the versions that were made since."""
    newest = max(known, key=lambda version: number(version.version)) if known else None
    numbers = [number(each) for each in (*taken, *([newest.version] if newest else []))]
    if not numbers:
        return FIRST
    major, minor, patch = max(numbers)
    if newest and newest.base_digest != base_digest:
        return f"{major + 1}.0.0"
    return f"{major}.{minor + 1}.0" if increment is Increment.MINOR else f"{major}.{minor}.{patch + 1}"


def taken_numbers(home: Home, runtime: Runtime, model: str) -> set[str]:
    """The numbers of the model's versions that have a folder in the home or a tag in the runtime."""
    folders = (folder.name for folder in (home.root / "models" / model).glob("*") if folder.is_dir())
    labels = (label for name, _, label in (tag.rpartition(":") for tag in runtime.tags()) if name == model)
    return {each for each in (*folders, *labels) if SEMVER.fullmatch(each)}


def number(version: str) -> tuple[int, int, int]:
    """The version as numbers, for comparing."""
    major, minor, patch = map(int, version.split("."))
    return major, minor, patch
