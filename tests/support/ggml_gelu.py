"""ggml's GELU in MLX, for comparisons of like with like."""

import mlx.core as mx
import mlx.nn as nn
import pytest


def use_ggml_gelu(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU, ggml looks values up in a table of 16-bit floats; MLX computes them exactly, until the test ends."""
    from mlx_lm.models import gemma4_text

    exact = nn.gelu_approx

    def from_table(x: mx.array) -> mx.array:
        entry = exact(x.astype(mx.float16).astype(mx.float32)).astype(mx.float16).astype(mx.float32)
        return mx.where(x <= -10, 0.0, mx.where(x >= 10, x, entry))

    def gated(gate: mx.array, x: mx.array) -> mx.array:
        return from_table(gate) * x

    monkeypatch.setattr(nn, "gelu_approx", from_table)
    monkeypatch.setattr(gemma4_text, "geglu", gated)  # which mlx-lm compiles once, with the GELU that there is then
