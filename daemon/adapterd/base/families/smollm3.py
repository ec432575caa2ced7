"""SmolLM3: a llama whose every fourth layer has no rotary positions."""

from adapterd.base.families.architecture import LLAMA_BLOCK, Architecture
from adapterd.base.hyperparameters import free_heads_arguments

SMOLLM3 = Architecture(
    "smollm3", mlx_module="smollm3", sizes=free_heads_arguments, block=LLAMA_BLOCK, rope_traditional=True
)
"""llama.cpp and mlx-lm both take every fourth, whatever the metadata say."""
