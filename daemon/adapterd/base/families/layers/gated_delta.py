"""Gated delta layers (Yang et al. 2024, arXiv:2412.06464) as Qwen 3.5 has them, computed in chunks.

A head keeps a matrix S of (value size, key size). At each position it fades by a gate g and is corrected towards the
position's value: S ← g·S + β·(v − g·S·k)·kᵀ; what the head says is S·q. Position by position this is a graph of
thousands of small steps, whose backward pass needs a state for each. Within a chunk of positions the corrections are
the solution of a triangular system (Yang et al. 2024, arXiv:2406.06484, section 3), so only the states between chunks
are kept, and the rest of a chunk is recomputed in the backward pass.

mlx-lm's layer has the value heads that share a key head side by side; llama.cpp's converter deals them out in turn, so
that value head j reads key head j modulo their number. This layer takes the weights in the file's order, so nothing
needs to be reordered, neither quantised weights nor an adapter's factors.
"""

from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn

CHUNK = 64
"""Positions. A chunk's work grows with its square, the number of kept states shrinks with it."""
_LEAST_NORM = 1e-6


@dataclass
class DeltaCache:
    """What a layer keeps between calls: the matrices of its heads, and the last inputs of its convolution."""

    offset: int = 0
    states: mx.array | None = None
    inputs: mx.array | None = None


class DepthwiseConvolution(nn.Module):  # type: ignore[misc]
    """A causal convolution of each channel by itself; the weight is (channels, width), the newest position last."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.weight = mx.zeros((channels, width))

    def __call__(self, inputs: mx.array) -> mx.array:
        """(batch, width - 1 + positions, channels) to (batch, positions, channels)."""
        width = self.weight.shape[1]
        positions = inputs.shape[1] - width + 1
        out = inputs[:, :positions] * self.weight[:, 0]
        for index in range(1, width):
            out = out + inputs[:, index : index + positions] * self.weight[:, index]
        return out


class GatedDelta(nn.Module):  # type: ignore[misc]
    """Stands in for the `linear_attn` of mlx-lm's Qwen 3.5, with the same names but for the parameters that llama.cpp's
    converter changes: `decay` is −exp(A_log)."""

    def __init__(self, arguments: Any) -> None:
        super().__init__()
        width, self.key_heads = arguments.hidden_size, arguments.linear_num_key_heads
        self.value_heads, self.size = arguments.linear_num_value_heads, arguments.linear_value_head_dim
        self.key_size, self.eps = arguments.linear_key_head_dim, arguments.rms_norm_eps
        values, keys = self.value_heads * self.size, self.key_heads * self.key_size
        self.in_proj_qkv = nn.Linear(width, 2 * keys + values, bias=False)
        self.in_proj_z = nn.Linear(width, values, bias=False)
        self.in_proj_b = nn.Linear(width, self.value_heads, bias=False)
        self.in_proj_a = nn.Linear(width, self.value_heads, bias=False)
        self.conv1d = DepthwiseConvolution(2 * keys + values, arguments.linear_conv_kernel_dim)
        self.decay = mx.zeros((self.value_heads,))
        self.dt_bias = mx.zeros((self.value_heads,))
        self.norm = nn.RMSNorm(self.size, eps=arguments.rms_norm_eps)
        self.out_proj = nn.Linear(values, width, bias=False)

    def __call__(self, x: mx.array, _mask: Any = None, cache: DeltaCache | None = None) -> mx.array:
        batch, positions, _ = x.shape
        queries, keys, values = self._heads(x, cache)
        fading = self.decay * nn.softplus(self.in_proj_a(x).astype(mx.float32) + self.dt_bias)
        strength = mx.sigmoid(self.in_proj_b(x).astype(mx.float32))
        before = cache.states if cache is not None else None
        said, states = gated_delta(queries, keys, values, fading, strength, before)
        if cache is not None:
            cache.states, cache.offset = states, cache.offset + positions
        gate = self.in_proj_z(x).reshape(batch, positions, self.value_heads, self.size)
        normed = self.norm(said) * nn.silu(gate.astype(mx.float32))
        out: mx.array = self.out_proj(normed.astype(x.dtype).reshape(batch, positions, -1))
        return out

    def _heads(self, x: mx.array, cache: DeltaCache | None) -> tuple[mx.array, mx.array, mx.array]:
        """Queries, keys and values, each (batch, positions, value heads, size), in fp32."""
        batch, positions, _ = x.shape
        mixed = self.in_proj_qkv(x)
        past = cache.inputs if cache is not None else None
        if past is None:
            past = mx.zeros((batch, self.conv1d.weight.shape[1] - 1, mixed.shape[-1]), mixed.dtype)
        inputs = mx.concatenate([past, mixed], axis=1)
        if cache is not None:
            cache.inputs = inputs[:, positions:]
        convolved = nn.silu(self.conv1d(inputs)).astype(mx.float32)
        ends = [self.key_heads * self.key_size, 2 * self.key_heads * self.key_size]
        queries, keys, values = mx.split(convolved, ends, axis=-1)
        shape, times = (batch, positions, self.key_heads, self.key_size), self.value_heads // self.key_heads
        queries, keys = (mx.tile(_unit(each.reshape(shape)), (1, 1, times, 1)) for each in (queries, keys))
        values = values.reshape(batch, positions, self.value_heads, self.size)
        return queries * self.key_size**-0.5, keys, values


def gated_delta(
    queries: mx.array,
    keys: mx.array,
    values: mx.array,
    fading: mx.array,
    strength: mx.array,
    states: mx.array | None = None,
    *,
    chunk: int = CHUNK,
) -> tuple[mx.array, mx.array]:
    """What the heads say, and their states after the last position.

    Queries, keys and values are (batch, positions, heads, size), `fading` (the gate's logarithm, not above 0) and
    `strength` (β) are (batch, positions, heads), states (batch, heads, value size, key size); all in fp32.
    """
    batch, positions, heads, size = values.shape
    if states is None:
        states = mx.zeros((batch, heads, size, keys.shape[-1]), values.dtype)
    cuts = list(range(chunk, positions, chunk))
    by_head = [mx.split(each.swapaxes(1, 2), cuts, axis=2) for each in (queries, keys, values, fading, strength)]
    run = mx.checkpoint(_chunk)
    said = []
    for parts in zip(*by_head, strict=True):
        out, states = run(states, *parts)
        said.append(out)
    return mx.concatenate(said, axis=2).swapaxes(1, 2), states


def _chunk(
    states: mx.array, queries: mx.array, keys: mx.array, values: mx.array, fading: mx.array, strength: mx.array
) -> tuple[mx.array, mx.array]:
    """The same for one chunk, with heads before positions.

    With G the sum of `fading` up to a position, a position's correction u solves
    u_t + β_t·Σ_{i<t} e^(G_t − G_i)·(k_i·k_t)·u_i = β_t·(v_t − e^G_t·S·k_t).
    """
    count = keys.shape[2]
    total = mx.cumsum(fading, axis=2)
    ages = total[..., :, None] - total[..., None, :]
    faded = mx.exp(mx.where(mx.tri(count, dtype=mx.bool_), ages, -mx.inf))
    since = mx.exp(total)[..., None]
    beta = strength[..., None]
    system = mx.tril(beta * faded * (keys @ keys.swapaxes(2, 3)), -1)
    corrections = _unit_lower_inverse(system) @ (beta * (values - since * (keys @ states.swapaxes(2, 3))))
    said = since * (queries @ states.swapaxes(2, 3)) + (faded * (queries @ keys.swapaxes(2, 3))) @ corrections
    left = faded[..., -1, :, None]
    after = since[..., -1:, :] * states + (left * corrections).swapaxes(2, 3) @ keys
    return said, after


def _unit_lower_inverse(below: mx.array) -> mx.array:
    """(I + below)⁻¹ for strictly lower triangular matrices, by blocks whose size doubles.

    [[A, 0], [B, D]]⁻¹ = [[A⁻¹, 0], [−D⁻¹·B·A⁻¹, D⁻¹]], for all blocks of a size at once.
    """
    count = below.shape[-1]
    index = mx.arange(count)
    inverse = mx.eye(count, dtype=below.dtype)
    size = 1
    while size < count:
        block = index // size
        lower = (block[:, None] == block[None, :] + 1) & (block[:, None] % 2 == 1)
        inverse = inverse - inverse @ mx.where(lower, below, 0.0) @ inverse
        size *= 2
    return inverse


def _unit(x: mx.array) -> mx.array:
    """Of length 1 along the last axis, as ggml's l2_norm has it."""
    squares = (x * x).sum(axis=-1, keepdims=True)
    return x * mx.rsqrt(mx.maximum(squares, _LEAST_NORM**2))
