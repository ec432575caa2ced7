"""A base before anything is made of it: which tag is meant, and whether it can be trained, by all that its tag and its
file's header say. `init` and `bases` ask here."""

from collections.abc import Mapping

from adapterd.base.model import BaseModel
from adapterd.errors import InputError, NotFoundError
from adapterd.home import Home
from adapterd.serving.runtime import Runtime, ServedModel, digest_of_name
from adapterd.serving.runtimes import base_of
from adapterd.serving.tags import labels_of, listed_name, short_name
from adapterd.serving.usable_base import require_one_gguf, require_usable
from adapterd.serving.verified import verified_digest


def listed_tag(runtime: Runtime, typed: str, present: Mapping[str, str]) -> str:
    """The tag among those present that a person means; raises NotFoundError with what to pull."""
    tag = listed_name(typed, present)
    if tag is None:
        others = "".join(f", or --base {tag}, which is there" for tag in labels_of(typed, present)[:1])
        raise NotFoundError(f"{runtime.name} has no {typed}", hint=f"ollama pull {short_name(typed)}{others}")
    return tag


def checked_base(served: ServedModel, name: str, home: Home | None = None, *, model: str = "NAME") -> BaseModel:
    """The base that a tag serves; of the file only the header is read. `name` is what a person calls it, `model` what
    would be made of it.

    Raises UnsupportedModelError or InputError where it cannot be trained, merged and served.
    """
    base = base_of(served, name, home, model=model)
    require_usable(base.gguf, base.modelfile, name)
    return base


def require_trainable(served: ServedModel, name: str, home: Home) -> None:
    """Raise as `checked_base` and `require_parts` do for a tag that cannot be trained; nothing is joined for that."""
    if served.parts:
        require_parts(served, name)
    else:
        checked_base(served, name, home)


def require_parts(served: ServedModel, name: str) -> None:
    """Raise as `checked_base` does for a tag in parts that `init` could not join, by all that is known before that."""
    from adapterd.base.architectures import architecture_of
    from adapterd.base.gguf.gguf_file import GgufFile

    require_one_gguf(served, name)
    architecture_of(GgufFile.open(served.parts[0]))


def require_undamaged_parts(home: Home, served: ServedModel, name: str) -> None:
    """Raise InputError if the bytes of a part are not those of the digest in its name."""
    for part in served.parts:
        wanted, found = digest_of_name(part), verified_digest(home, part)
        if wanted not in (None, found):
            raise InputError(
                f"{part}, a file of {name}, is damaged: its bytes are {found[:19]}…",
                hint=f"remove that file; `ollama pull {name}` brings the right one. Check the disk, too",
            )
