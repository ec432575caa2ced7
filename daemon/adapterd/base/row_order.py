"""The order of the rows of queries and keys: llama.cpp's converter interleaves the two halves of each head for llama.

Hugging Face's weights, and so PEFT and stock mlx-lm, keep the halves apart: (2, size / 2) there is (size / 2, 2) in the
GGUF. Other architectures have the same order in both.
"""

from collections.abc import Mapping

from adapterd.base.families.architecture import Architecture
from adapterd.base.gguf.ggml import FloatArray
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.hyperparameters import Heads


def reordered_heads(architecture: Architecture, gguf: GgufFile) -> Mapping[str, int]:
    """How many heads the modules have whose rows are in another order in the GGUF, by the module's name in its block;
    empty for an architecture that has none."""
    if not architecture.rope_traditional:
        return {}
    heads = Heads.of(gguf)
    return {architecture.block["attn_q"]: heads.query, architecture.block["attn_k"]: heads.key_value}


def to_gguf(b: FloatArray, heads: int) -> FloatArray:
    """The factor (rank, out) for rows in the order of Hugging Face's weights as one for rows in the GGUF's."""
    rank, out = b.shape
    return b.reshape(rank, heads, 2, -1).swapaxes(2, 3).reshape(rank, out)


def to_hugging_face(b: FloatArray, heads: int) -> FloatArray:
    """The way back of `to_gguf`."""
    rank, out = b.shape
    return b.reshape(rank, heads, -1, 2).swapaxes(2, 3).reshape(rank, out)
