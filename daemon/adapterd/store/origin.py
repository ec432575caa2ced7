"""Who said a statement, and which file it stands in through all changes of that file."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

POSTED = "http"
"""The file name that the store keeps of posted records; the line is the place in the post, from 1."""

_IMPORTED = re.compile(r"(?:.*/)?import-[^/]{16}-([^/]*)", re.DOTALL)
_ADDED = re.compile(r"(?:.*/)?feedback-[^/]{32}\.jsonl", re.DOTALL)


class OriginKind(StrEnum):
    """The way on which a statement came: a file of the inbox, an import, `feedback add`, a post."""

    FILE = "file"
    IMPORT = "import"
    ADD = "add"
    HTTP = "http"


@dataclass(frozen=True)
class Origin:
    """The way on which a statement came, and the `document` that it stands in: the file's path, or `import:` and the
    name that an imported file has outside, so that a corrected file is still the same; empty for a post."""

    kind: OriginKind
    document: str


def is_import(file: str) -> bool:
    """Whether a file of the inbox is a copy that `feedback import` made: all imports of a name are one document."""
    return origin_of(file).kind is OriginKind.IMPORT


@lru_cache(maxsize=1024)
def origin_of(file: str) -> Origin:
    """The origin of what a file of the inbox says, by the file's name."""
    if file == POSTED:
        return Origin(OriginKind.HTTP, "")
    if imported := _IMPORTED.fullmatch(file):
        return Origin(OriginKind.IMPORT, f"import:{imported[1]}")
    return Origin(OriginKind.ADD if _ADDED.fullmatch(file) else OriginKind.FILE, file)
