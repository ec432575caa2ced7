"""OLMo 2, and OLMo 3, whose files have the same architecture and windows."""

from collections.abc import Mapping
from typing import Any

from adapterd.base.families.architecture import HEAD_NORMS, LLAMA_BLOCK, Architecture
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.hyperparameters import (
    Heads,
    attention_factor,
    common_arguments,
    number,
    require_heads_to_divide_the_width,
    rope_scaling,
    window_period,
)

_BLOCK = {stem: module for stem, module in LLAMA_BLOCK.items() if not stem.endswith("_norm")}
_POST_NORMS = {
    "post_attention_norm": "post_attention_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}


def _arguments(gguf: GgufFile) -> dict[str, Any]:
    """For `mlx_lm.models.olmo2`, with what it does not know: windows, where `sliding_window` is 0 without, and a factor
    of scaled queries and keys, which llama.cpp's converter writes for OLMo 3."""
    heads = Heads.of(gguf)
    require_heads_to_divide_the_width(gguf, heads)
    return common_arguments(gguf, heads) | {
        "rope_scaling": rope_scaling(gguf, with_attention_factor=True),
        "attention_factor": attention_factor(gguf),
        "sliding_window": number(gguf, "attention.sliding_window", 0, least=0),
        "sliding_window_pattern": window_period(gguf, 4),
    }


def _correct(model: Any, arguments: Mapping[str, Any]) -> None:
    """Layers with a window, whose rotary positions are not scaled, in place of mlx-lm's without."""
    from adapterd.base.families.layers.corrections import rope_for, windowed

    if arguments["attention_factor"] != 1.0:
        for layer in model.layers:
            layer.self_attn.rope.mscale *= arguments["attention_factor"]
    if not arguments["sliding_window"]:
        return
    unscaled = {**arguments, "rope_scaling": None}
    for index, layer in enumerate(model.layers, start=1):
        if index % arguments["sliding_window_pattern"]:
            layer.self_attn = windowed(type(layer.self_attn))(model.args, arguments["sliding_window"])
            layer.self_attn.rope = rope_for(unscaled, layer.self_attn.head_dim)


OLMO2 = Architecture(
    "olmo2",
    mlx_module="olmo2",
    sizes=_arguments,
    block=_BLOCK | _POST_NORMS | HEAD_NORMS,
    needs_head=True,
    norms_over_heads=True,
    correct=_correct,
)
