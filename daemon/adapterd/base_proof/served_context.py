"""Models with two sets of rotary factors: trained and judged by those of the context that applications get.

llama.cpp takes the long ones for every text as soon as the context is longer than the model's original one (Phi 3.5,
Phi-4-mini, phi3:128k: 4096 tokens). Which context that is, the base's num_ctx says, or else Ollama, by the memory that
there is. Everything here goes by `evaluation.num_ctx`; so it has to be on the same side.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from adapterd.config import ModelSettings
from adapterd.errors import InputError
from adapterd.serving.runtime import Runtime

if TYPE_CHECKING:
    from adapterd.base.gguf.gguf_file import GgufFile

SETTING = "evaluation.num_ctx"


def settled_context(
    runtime: Runtime, tag: str, gguf: Path, settings: ModelSettings, *, chosen: bool, notify: Callable[[str], object]
) -> ModelSettings:
    """The settings with an `evaluation.num_ctx` in which the base computes as it is served; `notify` gets a sentence
    about it for a person. Raises InputError if a person has `chosen` a context on the other side."""
    file = _with_two_factors(gguf)
    if file is None:
        return settings
    original, served = _original(file), _served(runtime, tag, settings)
    asked = settings.evaluation.num_ctx
    if (asked > original) != (served > original):
        if chosen:
            raise _differs(tag, original, served, asked)
        asked = min(served, 2 * original) if served > original else original
        settings = replace(settings, evaluation=replace(settings.evaluation, num_ctx=asked))
    side = f"longer than {original} tokens" if served > original else f"of at most {original} tokens"
    notify(
        f"{tag} computes otherwise in a context longer than {original} tokens. It is served with {served}, so it is "
        f"trained and judged for contexts {side}; applications should not ask for a num_ctx on the other side."
    )
    return settings


def require_judged_context(runtime: Runtime, tag: str, gguf: Path, settings: ModelSettings) -> None:
    """Raise InputError where what is trained and judged is not what applications are served with, as it may come to be
    when Ollama's default changes."""
    file = _with_two_factors(gguf)
    if file is None:
        return
    original, served = _original(file), _served(runtime, tag, settings)
    if (settings.evaluation.num_ctx > original) != (served > original):
        raise _differs(tag, original, served, settings.evaluation.num_ctx)


def uses_long_factors(gguf: Path, num_ctx: int) -> bool | None:
    """Whether a context of `num_ctx` tokens takes the long rotary factors; None for a model that has one set only."""
    file = _with_two_factors(gguf)
    return None if file is None else num_ctx > _original(file)


def _with_two_factors(gguf: Path) -> "GgufFile | None":
    from adapterd.base.gguf.gguf_file import GgufFile
    from adapterd.base.hyperparameters import has_two_factors

    file = GgufFile.open(gguf)
    return file if has_two_factors(file) else None


def _original(file: "GgufFile") -> int:
    from adapterd.base.hyperparameters import original_context

    return original_context(file)


def _served(runtime: Runtime, tag: str, settings: ModelSettings) -> int:
    return runtime.context_tokens(tag) or settings.evaluation.num_ctx


def _differs(tag: str, original: int, served: int, asked: int) -> InputError:
    wanted = f"more than {original}" if served > original else f"at most {original}"
    return InputError(
        f"{tag} computes otherwise in a context longer than {original} tokens: applications get one of {served}, and "
        f"{SETTING} = {asked} would train and judge the other",
        hint=f"set {SETTING} to {wanted}, or give the base a num_ctx (PARAMETER num_ctx in a Modelfile)",
    )
