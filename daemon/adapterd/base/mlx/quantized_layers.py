"""Quantised layers: MLX's affine quantisation of exactly the values that the GGUF has, for weights kept in memory.

MLX's affine groups are code · scale + bias with unsigned codes and 32 values to a group. ggml's types with groups of 32
have the same form, to the bit, if scales and biases are float32 (Q4_K's have 17 significant bits). Types with groups of
16 (Q6_K, Q2_K, Q3_K) do not, and are dequantised.
"""

from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import numpy.typing as npt

from adapterd.base.gguf.ggml import ByteArray, TensorType
from adapterd.base.gguf.quants import QuantArray, unpack

GROUP = 32
BITS = {"Q4_0": 4, "Q4_1": 4, "Q5_0": 5, "Q5_1": 5, "Q8_0": 8, "Q4_K": 4, "Q5_K": 5, "IQ4_NL": 8, "IQ4_XS": 8}
"""Bits of a code, by the ggml types that have this form. Of IQ4 types the 16 levels, not their places, are codes."""


@dataclass(frozen=True)
class QuantizedWeight:
    """A weight (rows, columns): `codes` are uint32 words (rows, columns · bits / 32) that hold the codes one after the
    other, lowest bits first; `scales` and `biases` are float32 (rows, columns / 32)."""

    codes: mx.array
    scales: mx.array
    biases: mx.array

    @classmethod
    def from_ggml(cls, raw: ByteArray, type_name: str, columns: int) -> "QuantizedWeight":
        """From a tensor's bytes, of one of the types in `BITS`; raises InputError for scales that are not finite."""
        row_bytes = TensorType.named(type_name).row_bytes(columns)
        scales, codes = unpack(raw.reshape(-1, row_bytes), type_name)
        low = np.float32(scales.low)
        return cls(
            mx.array(_words(codes - np.int16(scales.low), BITS[type_name])),
            mx.array(scales.scale),
            mx.array(scales.minimum + scales.scale * low),
        )


def _words(codes: QuantArray, bits: int) -> npt.NDArray[np.uint32]:
    """Codes (rows, columns) below 2^bits, one after the other in words (rows, columns · bits / 32)."""
    plain: ByteArray = codes.astype(np.uint8)
    if bits == 4:
        stored: ByteArray = plain[:, ::2] | np.left_shift(plain[:, 1::2], 4, dtype=np.uint8)
    elif bits == 8:
        stored = plain
    else:
        each = np.unpackbits(plain[..., None], axis=-1, count=bits, bitorder="little")
        stored = np.packbits(each.reshape(len(plain), -1), axis=-1, bitorder="little")
    return np.ascontiguousarray(stored).view("<u4")


class ExactQuantizedLinear(nn.QuantizedLinear):  # type: ignore[misc]
    """A linear layer with a QuantizedWeight; its output has the dtype of its input."""

    def __init__(self, columns: int, rows: int, bias: bool, bits: int) -> None:
        super().__init__(columns, rows, bias, GROUP, bits)

    def __call__(self, x: mx.array) -> mx.array:
        projected: mx.array = super().__call__(x)
        return projected.astype(x.dtype)


class ExactQuantizedEmbedding(nn.QuantizedEmbedding):  # type: ignore[misc]
    """An embedding with a QuantizedWeight; its output has the dtype `dtype`."""

    def __init__(self, rows: int, columns: int, bits: int, dtype: mx.Dtype) -> None:
        super().__init__(rows, columns, GROUP, bits)
        self._dtype = dtype

    def __call__(self, ids: mx.array) -> mx.array:
        found: mx.array = super().__call__(ids)
        return found.astype(self._dtype)


def quantized_layer_for(module: nn.Module, type_name: str, dtype: mx.Dtype) -> nn.Module | None:
    """The quantised layer to use instead of `module`; None where its kind or the ggml type has no exact one."""
    bits = BITS.get(type_name)
    if bits is None or type(module) not in (nn.Linear, nn.Embedding):
        return None
    rows, columns = module.weight.shape
    if columns % GROUP:
        return None
    if isinstance(module, nn.Embedding):
        return ExactQuantizedEmbedding(rows, columns, bits, dtype)
    return ExactQuantizedLinear(columns, rows, "bias" in module, bits)
