"""Tiny files of Gemma 4 as its larger models are."""

from pathlib import Path

import numpy as np

from tests.support.tiny_gguf import write_tiny_gguf

_PER_LAYER = ("inp_gate", "proj", "post_norm")


def gemma4_without_embeddings_by_block(path: Path) -> Path:
    """As the larger models: nothing shared or by block, and keys that are values where there is no window."""
    random = np.random.default_rng(2)
    names = ("per_layer_token_embd", "per_layer_model_proj", "per_layer_proj_norm")
    gone = [*names, *(f"blk.{index}.{stem}" for index in range(2) for stem in _PER_LAYER), "blk.1.attn_v"]
    tensors: dict[str, np.ndarray | None] = {f"{name}.weight": None for name in gone}
    tensors["blk.1.attn_k.weight"] = random.standard_normal((64, 64)) / 4
    metadata = {"gemma4.embedding_length_per_layer_input": 0, "gemma4.attention.head_count_kv": [2, 1]}
    return write_tiny_gguf(path, architecture="gemma4", metadata=metadata, tensors=tensors)
