"""Granite, dense: a llama whose embeddings, scores, residuals and logits are multiplied by factors of its own."""

from collections.abc import Mapping
from typing import Any

from adapterd.base.families.architecture import LLAMA_BLOCK, Architecture
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.hyperparameters import (
    Heads,
    common_arguments,
    real,
    require_heads_to_divide_the_width,
    rope_scaling,
)
from adapterd.errors import InputError, UnsupportedModelError


def _arguments(gguf: GgufFile) -> dict[str, Any]:
    """For `mlx_lm.models.granite`. A factor that llama.cpp takes for none, 0, counts as one."""
    if gguf.value("granite.rope.scaling.finetuned", True) is not True:
        raise UnsupportedModelError(f"{gguf.path} has no rotary positions, which mlx-lm's class cannot leave out")
    if gguf.value("granite.deepstack_mapping") is not None:
        raise UnsupportedModelError(f"{gguf.path} reads images in layers of its own, which cannot be trained here")
    heads = Heads.of(gguf)
    require_heads_to_divide_the_width(gguf, heads)
    logits_scaling = real(gguf, "logit_scale")
    if logits_scaling == 0.0:
        raise InputError(f"{gguf.path} has 0 as granite.logit_scale, by which logits are divided")
    return common_arguments(gguf, heads) | {
        "rope_scaling": rope_scaling(gguf),
        "attention_bias": False,
        "mlp_bias": False,
        "embedding_multiplier": real(gguf, "embedding_scale", 0.0) or 1.0,
        "attention_multiplier": real(gguf, "attention.scale", 0.0) or heads.size**-0.5,
        "residual_multiplier": real(gguf, "residual_scale", 0.0) or 1.0,
        "logits_scaling": logits_scaling,
    }


def _correct(model: Any, arguments: Mapping[str, Any]) -> None:
    """mlx-lm's class expects queries and keys with their halves apart."""
    from adapterd.base.families.layers.corrections import rope_for

    for layer in model.layers:
        layer.self_attn.rope = rope_for(arguments, layer.self_attn.head_dim)


GRANITE = Architecture(
    "granite",
    mlx_module="granite",
    sizes=_arguments,
    block=LLAMA_BLOCK,
    rope_traditional=True,
    fused={  # Granite 4, dense, in transformers
        "shared_mlp.input_linear": ("mlp.gate_proj", "mlp.up_proj"),
        "shared_mlp.output_linear": ("mlp.down_proj",),
    },
    correct=_correct,
)
