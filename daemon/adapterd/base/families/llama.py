"""Llama: Mistral's, SmolLM's and many other files are of this architecture too."""

from typing import Any

from adapterd.base.families.architecture import LLAMA_BLOCK, Architecture
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.hyperparameters import ROPE_FACTORS, free_heads_arguments

_PROJECTIONS = frozenset(stem for stem in LLAMA_BLOCK if not stem.endswith("_norm"))


def _arguments(gguf: GgufFile) -> dict[str, Any]:
    """For `mlx_lm.models.llama`, whose heads may have any size and whose projections may have biases."""
    biased = {name.split(".")[2] for name in gguf.tensors if name.endswith(".bias")}
    return free_heads_arguments(gguf) | {
        "attention_bias": any(stem.startswith("attn_") for stem in biased),
        "mlp_bias": any(stem.startswith("ffn_") for stem in biased),
    }


LLAMA = Architecture(
    "llama",
    mlx_module="llama",
    sizes=_arguments,
    block=LLAMA_BLOCK,
    rope_traditional=True,
    rope_factors=ROPE_FACTORS,
    optional_biases=_PROJECTIONS,
)
