"""Names in the runtime: which tag means what."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from adapterd.errors import InputError

SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
BASE = "base"
_OLDER_BASE = re.compile(rf"{BASE}-[0-9a-f]{{12}}")


def is_base(name: str) -> bool:
    """Whether a version's name is that of a base: of the one in use, or of one that was in use before."""
    return name == BASE or _OLDER_BASE.fullmatch(name) is not None


def older_base(digest: str) -> str:
    """The name of a base that is no longer in use, by the digest of its tag."""
    return f"{BASE}-{digest.removeprefix('sha256:')[:12]}"


@dataclass(frozen=True)
class ModelTags:
    """The tags of one model. `base` names the untouched base, so that it stays in the store whatever happens to its
    own tag; `next_base` one that is being proven, to take its place."""

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

    @property
    def next_base(self) -> str:
        return f"{self.name}:next-{BASE}"

    def other_bases(self, present: Iterable[str]) -> list[str]:
        """The tags among those present that keep a base that is not in use: older ones, and the next one."""
        split = [(tag, *tag.rpartition(":")[::2]) for tag in present]
        older = [tag for tag, name, label in split if name == self.name and _OLDER_BASE.fullmatch(label)]
        return sorted(older) + [tag for tag, _, _ in split if tag == self.next_base]

    def by_hand(self, present: Iterable[str]) -> str:
        """A tag that is free, for what somebody else put under the live one."""
        known = set(present)
        names = (f"{self.name}:by-hand{f'-{number}' if number > 1 else ''}" for number in count(1))
        return next(name for name in names if name not in known)

    def is_by_hand(self, tag: str) -> bool:
        """Whether a tag is one that `by_hand` gave."""
        return re.fullmatch(rf"{re.escape(self.name)}:by-hand(-\d+)?", tag) is not None

    def version(self, version: str) -> str:
        """The tag that keeps one version; `base` is accepted as the name of the base, and `older_base` of older ones.

        Raises InputError for anything else that is not MAJOR.MINOR.PATCH.
        """
        if not is_base(version) and not SEMVER.fullmatch(version):
            raise InputError(f"{version!r} is not a version; versions look like 1.4.0")
        return f"{self.name}:{version}"


def full_name(tag: str) -> str:
    """The tag as the runtime lists it: `llama3` is `llama3:latest`."""
    return tag if ":" in tag.rpartition("/")[2] else f"{tag}:latest"


def listed_name(typed: str, present: Iterable[str]) -> str | None:
    """The tag among those present that a person means: names are found whatever their case, with or without the
    registry and `library/`, and as the address of a page of ollama.com or Hugging Face. None if there is none."""
    known = list(present)
    if full_name(typed) in known:
        return full_name(typed)
    meant = [tag for tag in known if _comparable(tag) == _comparable(typed)]
    return meant[0] if len(meant) == 1 else None


def short_name(typed: str) -> str:
    """What was typed as the name that Ollama would list and pull: without scheme, registry and `library/`."""
    name = _SCHEME.sub("", typed.strip())
    name = _PAGE_OF_A_FILE.sub("", name).rstrip("/")
    name = _HOSTS.sub("", name)
    return _HUGGING_FACE.sub("hf.co/", name)


def is_address(typed: str) -> bool:
    """Whether a name begins with one of the hosts that models are pulled from."""
    return bool(_KNOWN_HOST.match(typed.strip()))


def labels_of(typed: str, present: Iterable[str]) -> list[str]:
    """The tags among those present that are the same model under another label."""
    meant = _comparable(typed).rpartition(":")[0]
    return sorted(tag for tag in present if _comparable(tag).rpartition(":")[0] == meant)


def _comparable(tag: str) -> str:
    return full_name(short_name(tag)).lower()


_SCHEME = re.compile(r"\A[a-z]+://", re.IGNORECASE)
_PAGE_OF_A_FILE = re.compile(r"(?:/(?:tree|blobs?|resolve)/.*|/tags|[?#].*)\Z")
_HOSTS = re.compile(r"\A(?:(?:registry\.ollama\.ai|(?:www\.)?ollama\.com)/)?(?:library/)?", re.IGNORECASE)
_KNOWN_HOST = re.compile(
    r"\A(?:[a-z]+://)?(?:www\.)?(?:registry\.ollama\.ai|ollama\.com|hf\.co|huggingface\.co)/", re.IGNORECASE
)
_HUGGING_FACE = re.compile(r"\A(?:www\.)?(?:hf\.co|huggingface\.co)/", re.IGNORECASE)
