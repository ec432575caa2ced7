"""Names in the runtime: which tag means what."""

import re
from dataclasses import dataclass

from adapterd.errors import InputError

SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
BASE = "base"


@dataclass(frozen=True)
class ModelTags:
    """The tags of one model. `base` names the untouched base, so that it stays in the store whatever happens to its
    own tag."""

    name: str

    @property
    def live(self) -> str:
        return f"{self.name}:latest"

    @property
    def previous(self) -> str:
        return f"{self.name}:previous"

    @property
    def candidate(self) -> str:
        return f"{self.name}:candidate"

    @property
    def base(self) -> str:
        return f"{self.name}:{BASE}"

    def version(self, version: str) -> str:
        """The tag that keeps one version; `base` is accepted as the name of the base.

        Raises InputError for anything else that is not MAJOR.MINOR.PATCH.
        """
        if version != BASE and not SEMVER.fullmatch(version):
            raise InputError(f"{version!r} is not a version; versions look like 1.4.0")
        return f"{self.name}:{version}"


def full_name(tag: str) -> str:
    """The tag as the runtime lists it: `llama3` is `llama3:latest`."""
    return tag if ":" in tag.rpartition("/")[2] else f"{tag}:latest"
