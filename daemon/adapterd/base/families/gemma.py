"""Gemma 1 and 2, and what they share with Gemma 3."""

from collections.abc import Mapping
from typing import Any

from adapterd.base.families.architecture import LLAMA_BLOCK, Architecture
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.hyperparameters import Heads, common_arguments, number, real, require_unscaled_rope, window_period
from adapterd.errors import UnsupportedModelError

GEMMA_NORMS = {
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_LARGEST_BLOCKS = 46


def _gemma_arguments(gguf: GgufFile) -> dict[str, Any]:
    """For `mlx_lm.models.gemma`, whose heads may have any size."""
    require_unscaled_rope(gguf)
    heads = Heads.of(gguf)
    return common_arguments(gguf, heads) | {"head_dim": heads.size}


def _correct_gemma(model: Any, _arguments: Mapping[str, Any]) -> None:
    """mlx-lm computes the GELU exactly, where Gemma was trained with its approximation."""
    from adapterd.base.families.layers.corrections import ApproximateGeluMLP

    for layer in model.layers:
        layer.mlp.__class__ = ApproximateGeluMLP


def _gemma2_arguments(gguf: GgufFile) -> dict[str, Any]:
    """For `mlx_lm.models.gemma2`, which knows no rotary scaling; with the windows that it leaves to its user."""
    require_unscaled_rope(gguf)
    heads, base = Heads.of(gguf), real(gguf, "rope.freq_base", 10_000.0)
    if real(gguf, "rope.freq_base_swa", base) != base:
        raise UnsupportedModelError(f"{gguf.path} has another rotary base in layers with a sliding window")
    return common_arguments(gguf, heads) | {
        "head_dim": heads.size,
        "query_pre_attn_scalar": query_scalar(gguf, heads, _LARGEST_BLOCKS),
        "attn_logit_softcapping": real(gguf, "attn_logit_softcapping", 50.0),
        "final_logit_softcapping": real(gguf, "final_logit_softcapping", 30.0),
        "sliding_window": number(gguf, "attention.sliding_window", 4096),
        "sliding_window_pattern": window_period(gguf, 2),
    }


def _correct_gemma2(model: Any, arguments: Mapping[str, Any]) -> None:
    """mlx-lm leaves out the windows."""
    from adapterd.base.families.layers.corrections import windowed

    for index, layer in enumerate(model.layers, start=1):
        if index % arguments["sliding_window_pattern"]:
            layer.self_attn = windowed(type(layer.self_attn))(model.args, arguments["sliding_window"])


def query_scalar(gguf: GgufFile, heads: Heads, largest_blocks: int) -> int:
    """Gemma divides scores by its root: the heads' size, but in the largest of a generation, which has other heads.

    No metadata say it; llama.cpp too goes by the number of blocks.
    """
    largest = number(gguf, "block_count") == largest_blocks
    return number(gguf, "embedding_length") // heads.query if largest else heads.size


GEMMA = Architecture(
    "gemma",
    mlx_module="gemma",
    sizes=_gemma_arguments,
    block=LLAMA_BLOCK,
    norm_shift=1.0,
    has_head=False,
    correct=_correct_gemma,
)
GEMMA2 = Architecture(
    "gemma2",
    mlx_module="gemma2",
    sizes=_gemma2_arguments,
    block=LLAMA_BLOCK | GEMMA_NORMS,
    norm_shift=1.0,
    has_head=False,
    correct=_correct_gemma2,
)
