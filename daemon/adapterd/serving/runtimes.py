"""Which runtime the settings ask for, and the base as it is served there."""

import hashlib
import re
from pathlib import Path

from adapterd.base.model import BaseModel
from adapterd.config import ModelSettings, RuntimeKind, Settings
from adapterd.errors import InputError, NotFoundError, RuntimeRefusedError, UnsupportedModelError
from adapterd.home import Home
from adapterd.serving.runtime import Runtime, ServedModel
from adapterd.serving.tags import ModelTags, is_address
from adapterd.serving.usable_base import require_one_gguf
from adapterd.system.files import sha256_file

_BLOB = re.compile(r"sha256-([0-9a-f]{64})")


def runtime_for(settings: Settings, home: Home) -> Runtime:
    """The runtime that serves the models; nothing is asked of it yet."""
    if settings.runtime is RuntimeKind.EMBEDDED:
        from adapterd.serving.embedded import EmbeddedRuntime

        return EmbeddedRuntime(home.embedded_store)
    from adapterd.serving.ollama import OllamaRuntime

    return OllamaRuntime(settings.ollama.host, settings.ollama.timeout_s)


def file_digest(path: Path) -> str:
    """`sha256:<hex>` of a file; a blob's name is believed, for the runtime checked it when it was stored."""
    named = _BLOB.fullmatch(path.name)
    return f"sha256:{named.group(1) if named else sha256_file(path)}"


def is_file(base: str) -> bool:
    """Whether a base is named by its file rather than by a tag; those of Hugging Face may end like a file."""
    return base.lower().endswith(".gguf") and not is_address(base)


def served_base(runtime: Runtime, tag: str, settings_base: str) -> BaseModel:
    """The base behind a tag. Raises UnsupportedModelError if its file is not on this machine, or not all of it."""
    served = runtime.show(tag)
    require_one_gguf(served, settings_base or tag)
    file = _file_of(served, settings_base)
    return BaseModel(tag=tag, gguf=file, digest=file_digest(file), modelfile=served.modelfile)


def _file_of(served: ServedModel, settings_base: str) -> Path:
    if served.gguf is not None:
        return served.gguf
    if is_file(settings_base) and Path(settings_base).is_file():
        return Path(settings_base)
    raise UnsupportedModelError(
        f"the file of {served.tag} is not on this machine, and training needs to read it",
        hint="give the base as a file: adapterctl init NAME --base FILE.gguf",
    )


def pinned_base(runtime: Runtime, model: str, settings: ModelSettings) -> BaseModel:
    """The base of a configured model, through its own `NAME:base` tag; raises InputError if it is not what was
    pinned at init, NotFoundError if it is gone, RuntimeRefusedError if it is damaged."""
    tag = ModelTags(model).base
    what, hint = f"{tag}, the pinned base of {model},", f"adapterctl init {model} --base {settings.base} puts it back"
    try:
        base = served_base(runtime, tag, settings.base)
    except NotFoundError as exc:
        raise NotFoundError(f"{what} is gone from the runtime", hint=hint) from exc
    except RuntimeRefusedError as exc:
        raise type(exc)(f"{what} cannot be used: {exc}", hint=hint) from exc
    if base.digest != settings.base_digest:
        raise InputError(
            f"the base of {model} is {base.digest[:19]}…, but {settings.base_digest[:19]}… was pinned at init",
            hint=f"to train on the new one, set models.{model}.base_digest to {base.digest} in the configuration",
        )
    return base


def fingerprint(text: str) -> str:
    """A short identity of a text: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
