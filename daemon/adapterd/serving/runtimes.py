"""Which runtime the settings ask for, and the base as it is served there."""

import hashlib
import os
from pathlib import Path

from adapterd.base.model import BaseModel
from adapterd.config import ModelSettings, RuntimeKind, Settings
from adapterd.errors import InputError, NotFoundError, RuntimeRefusedError, UnsupportedModelError
from adapterd.home import Home
from adapterd.serving.runtime import Runtime, ServedModel, digest_of_name
from adapterd.serving.tags import ModelTags, is_address
from adapterd.serving.unreadable import Access, access, ways_out, why
from adapterd.serving.usable_base import require_one_gguf
from adapterd.serving.verified import verified_digest
from adapterd.system.files import open_given, sha256_file


def runtime_for(settings: Settings, home: Home) -> Runtime:
    """The runtime that serves the models; nothing is asked of it yet."""
    if settings.runtime is RuntimeKind.EMBEDDED:
        from adapterd.serving.embedded import EmbeddedRuntime

        return EmbeddedRuntime(home.embedded_store)
    from adapterd.serving.ollama import OllamaRuntime

    return OllamaRuntime(settings.ollama.host, settings.ollama.timeout_s)


def file_digest(path: Path, home: Home | None = None) -> str:
    """`sha256:<hex>` of a file; a blob's name is believed, for the runtime checked it when it was stored.

    With the home a file that did not change since is not read again.
    """
    return digest_of_name(path) or (verified_digest(home, path) if home else f"sha256:{sha256_file(path)}")


def is_file(base: str) -> bool:
    """Whether a base is named by its file rather than by a tag; those of Hugging Face may end like a file."""
    return base.lower().endswith(".gguf") and not is_address(base)


def given_file(base: str) -> Path:
    """The file that a person gives as a base; raises NotFoundError or InputError where it cannot be read."""
    path = Path(base).expanduser().absolute()
    found = access(path)
    if found is Access.MISSING:
        if os.path.lexists(path):
            open_given(path).close()  # says what is there instead of a file
        raise NotFoundError(f"{path} does not exist")
    if found is Access.DENIED:
        raise InputError(f"{path} may not be read by this user: {why(path)}", hint="give a file that you may read")
    return path


def served_base(
    runtime: Runtime, tag: str, settings_base: str, home: Home | None = None, *, model: str = "NAME"
) -> BaseModel:
    """The base behind a tag. Raises UnsupportedModelError if its file cannot be read here, or is not all of it,
    InputError if the file that was given in its place is another one."""
    return base_of(runtime.show(tag), settings_base, home, model=model)


def base_of(served: ServedModel, settings_base: str, home: Home | None = None, *, model: str = "NAME") -> BaseModel:
    """The same of a tag that was looked at already."""
    require_one_gguf(served, settings_base or served.tag)
    file = base_file(served, settings_base, model)
    digest = file_digest(file, home)
    if served.stored_digest and served.stored_digest != digest:
        raise InputError(
            f"{file} is {digest[:19]}…, and the runtime keeps {served.stored_digest[:19]}… as {served.tag}",
            hint="put the file back of which the model was made; Ollama 0.30.0 to 0.34.0 rewrite what they are given: "
            "update Ollama then",
        )
    return BaseModel(tag=served.tag, gguf=file, digest=digest, modelfile=served.modelfile)


def base_file(served: ServedModel, settings_base: str, model: str = "NAME") -> Path:
    """Where the base of a tag can be read: the runtime's own file, else the one that a person gave as the base.

    Raises UnsupportedModelError, which says whose the runtime's file is, where neither can be.
    """
    if served.gguf is not None:
        return served.gguf
    if is_file(settings_base):
        return given_file(settings_base)
    if served.unreadable:
        raise UnsupportedModelError(
            f"the file of {served.tag}, {served.unreadable}, may not be read by this user: {why(served.unreadable)}",
            hint=ways_out(served.unreadable, model),
        )
    raise UnsupportedModelError(
        f"the file of {served.tag} is not on this machine, and training needs to read it",
        hint=f"give the base as a file: adapterctl init {model} --base FILE.gguf",
    )


def pinned_base(runtime: Runtime, model: str, settings: ModelSettings, home: Home | None = None) -> BaseModel:
    """The base of a configured model, through its own `NAME:base` tag; with the home, its bytes are verified, too.

    Raises InputError if it is not what was pinned at init or its file is damaged, NotFoundError if it is gone,
    RuntimeRefusedError if its tag is damaged.
    """
    tag = ModelTags(model).base
    what, hint = f"{tag}, the pinned base of {model},", f"adapterctl init {model} --base {settings.base} puts it back"
    try:
        base = served_base(runtime, tag, settings.base, home, model=model)
    except NotFoundError as exc:
        if is_file(settings.base) and tag in runtime.tags():
            raise
        raise NotFoundError(f"{what} is gone from the runtime", hint=hint) from exc
    except RuntimeRefusedError as exc:
        raise type(exc)(f"{what} cannot be used: {exc}", hint=hint) from exc
    if base.digest != settings.base_digest:
        raise InputError(
            f"the base of {model} is {base.digest[:19]}…, but {settings.base_digest[:19]}… was pinned at init",
            hint=f"`adapterctl rebase {model} --base TAG` takes another base, with all that belongs to it",
        )
    if home:
        require_undamaged(home, base, settings.base)
    return base


def require_undamaged(home: Home, base: BaseModel, name: str) -> None:
    """Raise InputError if the bytes of the base's file are not those of its digest (any more)."""
    try:
        found = verified_digest(home, base.gguf)
    except OSError as exc:
        raise InputError(f"{base.gguf}, the file of {name}, cannot be read: {exc.strerror}") from exc
    if found != base.digest:
        again = f"`ollama pull {name}`" if not is_file(name) else "a copy of that file in its place"
        raise InputError(
            f"{base.gguf}, the file of {name}, is damaged: its bytes are {found[:19]}…, not {base.digest[:19]}…",
            hint=f"remove that file; {again} brings the right one. Check the disk, too",
        )


def fingerprint(text: str) -> str:
    """A short identity of a text: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
