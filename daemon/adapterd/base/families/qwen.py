"""Qwen 2, 2.5 and 3, dense."""

from typing import Any

from adapterd.base.families.architecture import HEAD_NORMS, LLAMA_BLOCK, QKV, Architecture
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.hyperparameters import (
    Heads,
    common_arguments,
    free_heads_arguments,
    require_heads_to_divide_the_width,
    rope_scaling,
)


def _qwen2_arguments(gguf: GgufFile) -> dict[str, Any]:
    """For `mlx_lm.models.qwen2`, whose heads divide the width."""
    heads = Heads.of(gguf)
    require_heads_to_divide_the_width(gguf, heads)
    return common_arguments(gguf, heads) | {"rope_scaling": rope_scaling(gguf)}


QWEN2 = Architecture("qwen2", mlx_module="qwen2", sizes=_qwen2_arguments, block=LLAMA_BLOCK, biases=QKV)
QWEN3 = Architecture("qwen3", mlx_module="qwen3", sizes=free_heads_arguments, block=LLAMA_BLOCK | HEAD_NORMS)
