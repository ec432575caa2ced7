"""How near the MLX model's logits come to llama.cpp's, for a tiny random file of every supported architecture."""

import tempfile
from pathlib import Path

import numpy as np

from adapterd.base.architectures import ARCHITECTURES

TOKENS = 40
WIDTH = 96
"""Without a whole root, by which Gemma multiplies its embeddings."""


def architectures() -> dict[str, dict[str, float]]:
    """The largest difference of logits, whose standard deviation is 1 to 3, and the share of positions that agree on
    the likeliest token.

    In Gemma's, most of the difference is ggml's: on a CPU its GELU comes from a table of 16-bit floats.
    """
    with tempfile.TemporaryDirectory() as folder:
        return {name: _agreement(Path(folder) / f"{name}.gguf", name) for name in ARCHITECTURES}


def _agreement(path: Path, architecture: str) -> dict[str, float]:
    from tests.support.tiny_gguf import llama_cpp_logits, mlx_logits, write_tiny_gguf

    write_tiny_gguf(path, architecture=architecture, hidden=WIDTH)
    ids = np.random.default_rng(1).integers(20, 500, size=TOKENS).tolist()
    ours, served = mlx_logits(path, ids), llama_cpp_logits(path, ids)
    return {
        "max_logit_diff": float(np.abs(ours - served).max()),
        "top1": float((ours.argmax(-1) == served.argmax(-1)).mean()),
    }
