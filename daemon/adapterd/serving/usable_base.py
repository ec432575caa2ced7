"""What a base has to be, looked at before anything is made of it: one GGUF that this product can train, and nothing
beside it that a version made of it would lose."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from adapterd.base.modelfile import Modelfile
from adapterd.errors import AdapterdError, UnsupportedModelError
from adapterd.serving.runtime import MODEL, ServedModel

if TYPE_CHECKING:
    from adapterd.base.gguf.gguf_file import GgufFile

_ANSWERS = "completion"
JOIN_FIRST = "join them yourself: llama-gguf-split --merge FIRST-PART.gguf WHOLE.gguf, then give --base WHOLE.gguf"
_LOST = {
    "projector": (
        "has a projector beside the model (it reads images or sound) which the runtime does not name by its digest, so "
        "that a version made of it would lose it",
        "give a base that reads text only: another tag, or a file of the text model alone (llama.cpp's converter "
        "writes one): --base FILE.gguf",
    ),
    "adapter": (
        "has an ADAPTER beside the model, and a version made of it would lose what that adapter was trained for",
        "merge the adapter into the model first (llama-export-lora of llama.cpp does) and give the merged file: "
        "--base FILE.gguf; or give the model without it, and the adapter to `adapterctl register`",
    ),
    "draft": (
        "has a DRAFT beside the model, which guesses tokens ahead of it, and a version made of it would lose that",
        "make a tag without the DRAFT line (`ollama show --modelfile TAG`, then `ollama create`), and give that",
    ),
}


def require_one_gguf(served: ServedModel, name: str) -> None:
    """Raise UnsupportedModelError for a tag that is more or other than one GGUF that answers, whole or in parts that
    are there."""
    if served.remote:
        raise UnsupportedModelError(
            f"{name} is answered by {served.remote}; training needs a file on this machine",
            hint="give a tag that `ollama pull` stores here",
        )
    if served.stored_as != "gguf":
        raise UnsupportedModelError(
            f"{name} is stored as {served.stored_as} (Ollama's MLX format), and versions are made of GGUF files",
            hint="pull a GGUF tag of the same model (one without mlx in its name), and give that",
        )
    if served.files.count(MODEL) > 1 and not served.parts:
        raise _split(name, served.files.count(MODEL))
    for kind, (what, hint) in _LOST.items():
        if served.files.count(kind) > (len(served.modelfile.projectors) if kind == "projector" else 0):
            raise UnsupportedModelError(f"{name} {what}", hint=hint)
    if served.capabilities and _ANSWERS not in served.capabilities:
        raise _no_chat(name)


def require_usable(gguf: Path, modelfile: Modelfile, name: str) -> None:
    """Raise UnsupportedModelError or InputError unless the file can be trained, merged and served.

    A base without a chat template would be trained and served on a made-up one (Ollama takes ChatML), and talk
    nonsense. What is wrong is said of `name`, which a person gave, and not of the file in Ollama's store.
    """
    from adapterd.base.architectures import check_supported
    from adapterd.base.gguf.gguf_file import GgufFile

    with _errors_named(name, gguf):
        file = GgufFile.open(gguf)
        _require_one_model(file, name)
        check_supported(file)
    if not (modelfile.template or modelfile.renderer or file.value("tokenizer.chat_template")):
        raise UnsupportedModelError(
            f"{name} has no chat template", hint="give one: --base FILE.gguf --template FILE (as in a Modelfile)"
        )


def _require_one_model(file: "GgufFile", name: str) -> None:
    """Tell apart what is a GGUF, but not a whole model that answers."""
    if isinstance(parts := file.value("split.count", 0), int) and parts > 1:
        raise _split(name, int(parts))
    if file.value("general.type") == "adapter":
        raise UnsupportedModelError(
            f"{name} is a LoRA adapter, not a model",
            hint="give the model that it was trained on as the base, then this file to `adapterctl register`",
        )
    if file.value(f"{file.value('general.architecture')}.pooling_type") not in (None, 0):
        raise _no_chat(name)


def _split(name: str, parts: int) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{name} is stored in {parts} parts, and training needs one file",
        hint=f"give the first part as a file, which joins them: --base FIRST-PART.gguf; or {JOIN_FIRST}",
    )


def _no_chat(name: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{name} gives embeddings, not answers; only a model that chats can be trained here",
        hint="give a chat model as the base",
    )


@contextmanager
def _errors_named(name: str, gguf: Path) -> Iterator[None]:
    """Put the name that a person gave in the place of the file's in what is raised."""
    try:
        yield
    except AdapterdError as exc:
        said = str(exc).replace(str(gguf), name).replace(gguf.name, name) if str(gguf) != name else str(exc)
        raise type(exc)(said, hint=exc.hint) from exc
