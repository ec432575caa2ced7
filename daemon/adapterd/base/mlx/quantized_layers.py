"""Weights that stay quantised in memory, as MLX's own layers, where these give the very values that the file has.

MLX's affine groups are code · scale + bias with unsigned codes and 32 values to a group. So ggml's types with groups of
32 are they, bit for bit, if scales and biases are float32 (Q4_K's have 17 significant bits). Types with groups of 16
(Q6_K, Q2_K, Q3_K) are not, and are dequantised.
"""

from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import numpy.typing as npt

from adapterd.base.gguf.gguf_file import ByteArray, TensorType
from adapterd.base.gguf.grids import CodeArray, unpack

GROUP = 32
BITS = {"Q4_0": 4, "Q4_1": 4, "Q5_0": 5, "Q5_1": 5, "Q8_0": 8, "Q4_K": 4, "Q5_K": 5}
"""Bits of a code, for the types that are such groups."""


@dataclass(frozen=True)
class Packed:
    """A weight (rows, columns): `codes` are uint32 words (rows, columns · bits / 32) that hold the codes one after the
    other, lowest bits first; `scales` and `biases` are float32 (rows, columns / 32)."""

    codes: mx.array
    scales: mx.array
    biases: mx.array

    @classmethod
    def of(cls, raw: ByteArray, type_name: str, columns: int) -> "Packed":
        """The bytes of a tensor, whose type is one of `BITS`; raises InputError for scales that are not finite."""
        row_bytes = TensorType.named(type_name).row_bytes(columns)
        grid, codes = unpack(raw.reshape(-1, row_bytes), type_name)
        low = np.float32(grid.low)
        return cls(
            mx.array(_words(codes - np.int16(grid.low), BITS[type_name])),
            mx.array(grid.scale),
            mx.array(grid.minimum + grid.scale * low),
        )


def _words(codes: CodeArray, bits: int) -> npt.NDArray[np.uint32]:
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


class PackedLinear(nn.QuantizedLinear):  # type: ignore[misc]
    """A projection whose weight is packed; what it gives is of the type of what it is given."""

    def __init__(self, columns: int, rows: int, bias: bool, bits: int) -> None:
        super().__init__(columns, rows, bias, GROUP, bits)

    def __call__(self, x: mx.array) -> mx.array:
        projected: mx.array = super().__call__(x)
        return projected.astype(x.dtype)


class PackedEmbedding(nn.QuantizedEmbedding):  # type: ignore[misc]
    """An embedding whose weight is packed; what is looked up is of the type `dtype`."""

    def __init__(self, rows: int, columns: int, bits: int, dtype: mx.Dtype) -> None:
        super().__init__(rows, columns, GROUP, bits)
        self._dtype = dtype

    def __call__(self, ids: mx.array) -> mx.array:
        found: mx.array = super().__call__(ids)
        return found.astype(self._dtype)


def packed_in_place_of(module: nn.Module, type_name: str, dtype: mx.Dtype) -> nn.Module | None:
    """A layer for packed weights in place of this one, None where type or layer is not such that it can be."""
    bits = BITS.get(type_name)
    if bits is None or type(module) not in (nn.Linear, nn.Embedding):
        return None
    rows, columns = module.weight.shape
    if columns % GROUP:
        return None
    if isinstance(module, nn.Embedding):
        return PackedEmbedding(rows, columns, bits, dtype)
    return PackedLinear(columns, rows, "bias" in module, bits)
