"""Version numbers: major = the base changed, minor = a new adapter, patch = the same adapter merged again."""

from collections.abc import Sequence

from adapterd.store.versions import Version

FIRST = "1.0.0"


def next_version(known: Sequence[Version], base_digest: str) -> str:
    """The number of the next adapter; numbers are never used twice, held versions keep theirs."""
    if not known:
        return FIRST
    newest = max(known, key=lambda version: number(version.version))
    major, minor, _ = number(newest.version)
    return f"{major}.{minor + 1}.0" if newest.base_digest == base_digest else f"{major + 1}.0.0"


def number(version: str) -> tuple[int, int, int]:
    """The version as numbers, for comparing."""
    major, minor, patch = map(int, version.split("."))
    return major, minor, patch
