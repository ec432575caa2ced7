"""A base before anything is made of it: which tag or file is meant, whether it can be trained, by all that its tag and
its file's header say, and the proof that it can be served. `init`, `rebase` and `bases` ask here."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.base_proof.proof import Proof, prove_registered
from adapterd.config import Settings, Think
from adapterd.deployment.whole_file import is_joined, whole_file
from adapterd.errors import InputError, NotFoundError, UnsupportedModelError
from adapterd.home import Home
from adapterd.serving.runtime import Runtime, ServedModel, digest_of_name
from adapterd.serving.runtimes import base_of, file_digest, given_file, is_file, require_undamaged, served_base
from adapterd.serving.tags import labels_of, listed_name, short_name
from adapterd.serving.unreadable import ways_out, why
from adapterd.serving.usable_base import JOIN_FIRST, require_one_gguf, require_usable
from adapterd.serving.verified import verified_digest
from adapterd.system.locks import tags_lock


@dataclass(frozen=True)
class GivenBase:
    """What a person gives as the base of a model; `template` and `system` only matter for a .gguf file."""

    model: str
    base: str
    template: str | None = None
    system: str | None = None


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


def require_another_model(given: GivenBase, base: BaseModel) -> None:
    """Raise InputError for a tag of the very model that is to be made of it."""
    if base.tag.rpartition(":")[0] == given.model:
        raise InputError(
            f"{base.tag} cannot be the base of a model of the same name",
            hint=f"choose another name; `ollama cp {shlex.quote(base.tag)} OTHER` gives one to this base",
        )


@contextmanager
def found_base(
    home: Home, runtime: Runtime, given: GivenBase, present: Mapping[str, str], notify: Callable[[str], object]
) -> Iterator[BaseModel]:
    """The tag or the file, checked; nothing is changed yet. Parts of a model are one file for as long as this lasts."""
    if is_file(given.base):
        from adapterd.base.gguf.split_file import parts_of

        path = given_file(given.base)
        modelfile = Modelfile(template=given.template, system=given.system)
        with whole_file(home, parts_of(path), str(path), notify) as whole:
            require_usable(whole, modelfile, str(path))
            yield BaseModel("", whole, file_digest(whole, home), modelfile)
        return
    tag = listed_tag(runtime, given.base, present)
    served = runtime.show(tag)
    if served.parts:
        require_parts(served, given.base)
        require_undamaged_parts(home, served, given.base)
        with whole_file(home, served.parts, given.base, notify) as whole:
            require_usable(whole, served.modelfile, given.base)
            yield BaseModel(tag, whole, file_digest(whole), served.modelfile)
        return
    base = checked_base(served, given.base, home, model=given.model)
    require_undamaged(home, base, given.base)
    yield base


def mark(given: GivenBase) -> tuple[int, ...] | None:
    """Which file the base is and how it was last changed; None for a tag, and for what is not there."""
    try:
        status = Path(given.base).expanduser().stat() if is_file(given.base) else None
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns) if status else None


def name_of(given: GivenBase, base: BaseModel) -> str:
    """What the configuration calls the base: the file as it was given, which may be the first of several parts."""
    return str(given_file(given.base)) if is_file(given.base) else base.tag


def register_base(home: Home, runtime: Runtime, tag: str, base: BaseModel, report: Callable[[float], object]) -> None:
    """Make a tag that keeps the base's file in the store whatever happens to its own tag."""
    with tags_lock(home):
        if base.tag and not is_joined(base.gguf):
            runtime.copy(base.tag, tag)
            return
        runtime.create(tag, base.gguf, base.digest, base.modelfile, progress=report)


def prove_base(
    home: Home,
    settings: Settings,
    runtime: Runtime,
    tag: str,
    given: GivenBase,
    base: BaseModel,
    think: Think,
    notify: Callable[[str], object],
) -> Proof:
    """Compare what a version would be served as with the base, registered as `tag`, before anything is trained on it.

    Raises UnsupportedModelError or RuntimeRefusedError with what would be lost or changed, InputError where it is to
    `think` and cannot.
    """
    served = runtime.show(tag)
    if served.stored_digest not in (None, base.digest):
        raise UnsupportedModelError(
            f"{runtime.name} {runtime.version()} stored another file than {given.base}: it rewrites what it is given",
            hint="Ollama 0.30.0 to 0.34.0 do that; update it, then give the command again",
        )
    if served.gguf is None and is_joined(base.gguf):
        unreadable = served.unreadable
        where = f"may not be read by this user: {why(unreadable)}" if unreadable else "is not on this machine"
        raise UnsupportedModelError(
            f"{given.base} is stored in parts, and the whole file that {runtime.name} has now {where}",
            hint=ways_out(unreadable, given.model) if unreadable else JOIN_FIRST,
        )
    registered = served_base(runtime, served.tag, str(base.gguf), home)
    proof = prove_registered(home, settings, given.model, served.tag, base.gguf, given.base)
    proof.require_thinking(think, given.base)
    for sentence in proof.notes(registered, think):
        notify(sentence)
    return proof
