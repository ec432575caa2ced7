"""Phi 3, 3.5 and 4: fused projections, and rotary factors that depend on the context that is served."""

from typing import Any

from adapterd.base.families.architecture import Architecture
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.hyperparameters import (
    LONG_FACTORS,
    SHORT_FACTORS,
    Heads,
    common_arguments,
    is_long,
    real,
    require_heads_to_divide_the_width,
    require_unscaled_rope,
)
from adapterd.errors import UnsupportedModelError

_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_qkv": "self_attn.qkv_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_up": "mlp.gate_up_proj",
    "ffn_down": "mlp.down_proj",
}


def _arguments(gguf: GgufFile) -> dict[str, Any]:
    """For `mlx_lm.models.phi3`, whose heads divide the width, and may turn in part.

    `rope_magnitude`, which mlx-lm does not read, is what turned queries and keys are multiplied by. The half in the
    share of rotated values is against rounding: mlx-lm cuts size · share down to a whole number.
    """
    require_unscaled_rope(gguf, harmless="longrope")
    heads, magnitude = Heads.of(gguf, partly_rotated=True), real(gguf, "rope.scaling.attn_factor", 1.0)
    require_heads_to_divide_the_width(gguf, heads)
    factors = LONG_FACTORS if is_long(gguf) else SHORT_FACTORS
    if magnitude != 1.0 and factors not in gguf.tensors:
        raise UnsupportedModelError(f"{gguf.path} has an attention factor, but no {factors}")
    return common_arguments(gguf, heads) | {
        "partial_rotary_factor": (heads.rotated + 0.5) / heads.size,
        "rope_magnitude": magnitude,
    }


PHI3 = Architecture(
    "phi3",
    mlx_module="phi3",
    sizes=_arguments,
    block=_BLOCK,
    rope_factors=SHORT_FACTORS,
    long_rope_factors=LONG_FACTORS,
)
"""Which of the two sets of rotary factors llama.cpp takes depends on the context that is served, not on how long a text
is: `GgufFile.context_tokens` has to be that context."""
