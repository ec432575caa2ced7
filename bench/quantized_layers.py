"""What it costs to keep weights quantised in MLX: the largest difference of logits from the dequantised model's.

The weights are the same to the bit (tests/integration/mlx/test_quantized_layers.py); what is left is the order of sums.
"""

from typing import Any

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.model import hidden_states, load_mlx_model, project
from adapterd.base.mlx.quantized_layers import ExactQuantizedEmbedding, ExactQuantizedLinear
from bench.models import Kind, quantised

KINDS: tuple[Kind, ...] = ("Q4_0", "Q4_1", "Q4_K_M", "Q5_0", "Q5_1", "Q5_K_M", "Q8_0")
TOKENS = 64


def exact_weights() -> dict[str, dict[str, Any]]:
    """By type: the difference, beside the largest logit; how much of the model is quantised, and the bytes in memory of
    both beside the file's."""
    return {kind: _measured(GgufFile.open(quantised(kind, wide=True))) for kind in KINDS}


def _measured(gguf: GgufFile) -> dict[str, Any]:
    ids = mx.array([np.random.default_rng(1).integers(1000, 40_000, TOKENS).tolist()])
    found, sizes = [], []
    for quantized in (False, True):
        model = load_mlx_model(gguf, dtype=mx.float32, quantized=quantized)
        found.append(np.array(project(model, hidden_states(model, ids))))
        sizes.append(sum(value.nbytes for _, value in tree_flatten(model.parameters())))
    layers = sum(isinstance(module, ExactQuantizedLinear | ExactQuantizedEmbedding) for module in model.modules())
    plain, quantized_logits = found
    return {
        "max_logit_diff": float(np.abs(quantized_logits - plain).max()), "max_logit": float(np.abs(plain).max()),
        "layers_packed": layers, "file_mb": round(gguf.path.stat().st_size / 1e6),
        "plain_mb": round(sizes[0] / 1e6), "packed_mb": round(sizes[1] / 1e6),
    }  # fmt: skip
