"""Gemma 3, as llama.cpp's converter writes it, or Ollama's with what reads images in the same file."""

from collections.abc import Mapping
from typing import Any

from adapterd.base.families.architecture import HEAD_NORMS, LLAMA_BLOCK, Architecture
from adapterd.base.families.gemma import GEMMA_NORMS, query_scalar
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.hyperparameters import Heads, common_arguments, number, real, rope_scaling, window_period
from adapterd.errors import UnsupportedModelError

_LARGEST_BLOCKS = 62


def _arguments(gguf: GgufFile) -> dict[str, Any]:
    """For `mlx_lm.models.gemma3_text`. A file that names no window has none, and one rotary base for all layers.

    mlx-lm knows no softcapping of this one's logits; a few models of the architecture have one.
    """
    heads, window = Heads.of(gguf), number(gguf, "attention.sliding_window", 0, least=0)
    period = window_period(gguf, 6) if window else 1
    if period > number(gguf, "block_count"):
        raise UnsupportedModelError(f"{gguf.path} has no layer without a sliding window, which mlx-lm cannot compute")
    return common_arguments(gguf, heads) | {
        "head_dim": heads.size,
        "query_pre_attn_scalar": query_scalar(gguf, heads, _LARGEST_BLOCKS),
        "final_logit_softcapping": real(gguf, "final_logit_softcapping", 0.0),
        "sliding_window": window,
        "sliding_window_pattern": period,
        "rope_local_base_freq": real(gguf, "rope.freq_base_swa", 10_000.0),
        "rope_scaling": rope_scaling(gguf),
    }


def _correct(model: Any, arguments: Mapping[str, Any]) -> None:
    """mlx-lm rounds what embeddings are multiplied by to bfloat16."""
    from adapterd.base.families.layers.corrections import ScaledEmbedding, rounded_to_bfloat16

    exact = arguments["hidden_size"] ** 0.5
    factor = exact / rounded_to_bfloat16(exact)
    model.model.embed_tokens = ScaledEmbedding(model.args.vocab_size, model.args.hidden_size, factor)


GEMMA3 = Architecture(
    "gemma3",
    mlx_module="gemma3_text",
    sizes=_arguments,
    block=LLAMA_BLOCK | GEMMA_NORMS | HEAD_NORMS,
    norm_shift=1.0,
    correct=_correct,
)
