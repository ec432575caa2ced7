"""Version numbers: major = the base changed, minor = a new adapter, patch = an earlier version's adapter merged or
evaluated again, or one registered by hand."""

from collections.abc import Sequence
from enum import StrEnum

from adapterd.store.versions import Version

FIRST = "1.0.0"


class Increment(StrEnum):
    """Which number counts as long as the base is the same."""

    MINOR = "minor"
    PATCH = "patch"


def next_version(known: Sequence[Version], base_digest: str, increment: Increment = Increment.MINOR) -> str:
    """The number of the next version; numbers are never used twice, held versions keep theirs."""
    if not known:
        return FIRST
    newest = max(known, key=lambda version: number(version.version))
    major, minor, patch = number(newest.version)
    if newest.base_digest != base_digest:
        return f"{major + 1}.0.0"
    return f"{major}.{minor + 1}.0" if increment is Increment.MINOR else f"{major}.{minor}.{patch + 1}"


def number(version: str) -> tuple[int, int, int]:
    """The version as numbers, for comparing."""
    major, minor, patch = map(int, version.split("."))
    return major, minor, patch
