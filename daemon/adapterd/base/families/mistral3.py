"""Mistral 3 and Ministral 3: a llama, in the newer ones with scores that grow with the position."""

from collections.abc import Mapping
from typing import Any

from adapterd.base.families.architecture import LLAMA_BLOCK, Architecture
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.hyperparameters import (
    ROPE_FACTORS,
    Heads,
    common_arguments,
    original_context,
    real,
    require_no_attention_factor,
    rope_scaling,
    word,
    yarn,
)


def _arguments(gguf: GgufFile) -> dict[str, Any]:
    """For `mlx_lm.models.llama`, whose blocks are called as other models' are, unlike those of its Ministral class.

    `temperature_scale` is by how much queries grow with the logarithm of how many original contexts came before.
    """
    heads = Heads.of(gguf)
    return common_arguments(gguf, heads) | {
        "head_dim": heads.size,
        "rope_scaling": _rope_scaling(gguf),
        "temperature_scale": real(gguf, "attention.temperature_scale", 0.0),
        "original_context": original_context(gguf),
    }


def _rope_scaling(gguf: GgufFile) -> dict[str, Any] | None:
    """llama.cpp reads more of a yarn scaling here than for most architectures."""
    if word(gguf, "rope.scaling.type", "linear") != "yarn":
        return rope_scaling(gguf)
    require_no_attention_factor(gguf)
    return yarn(gguf) | {
        "beta_fast": real(gguf, "rope.scaling.yarn_beta_fast", 32.0),
        "beta_slow": real(gguf, "rope.scaling.yarn_beta_slow", 1.0),
        "mscale": 1.0,
        "mscale_all_dim": real(gguf, "rope.scaling.yarn_log_multiplier", 0.0),
    }


def _correct(model: Any, arguments: Mapping[str, Any]) -> None:
    """mlx-lm's llama has no scores that grow."""
    from adapterd.base.families.layers.corrections import TemperedAttention

    if not arguments["temperature_scale"]:
        return
    for layer in model.layers:
        layer.self_attn = TemperedAttention(arguments)


MISTRAL3 = Architecture(
    "mistral3",
    mlx_module="llama",
    sizes=_arguments,
    block=LLAMA_BLOCK,
    rope_traditional=True,
    rope_factors=ROPE_FACTORS,
    correct=_correct,
)
