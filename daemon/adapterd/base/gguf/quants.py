"""The quants of a quantised tensor, unpacked and packed again, with its scales and minimums left as they are.

The words are llama.cpp's. A block is 16 or 32 weights of a row that share a scale and, in some types, a minimum:
weight = scale · quant + minimum, where the quant is a small integer. In IQ4 types only 16 integers are quants, whose
distances grow with their size, and the file has their places among these. In K-quants and IQ4_XS, 8 or 16 blocks form
a super-block of 256 weights, and the scales and minimums of its blocks are multiples of its own float16 numbers; in the
other types a super-block is one block. Rows are independent, so a tensor too large for memory can be processed in
slices of rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from adapterd.base.gguf.ggml import ByteArray, FloatArray, TensorType
from adapterd.errors import InputError

QuantArray = npt.NDArray[np.int16]
ScalesAndMinimums = tuple[FloatArray, FloatArray]


@dataclass(frozen=True, eq=False)
class BlockScales:
    """The scales of a tensor's blocks: `scale` and `minimum` (rows, blocks) in float32, quants from `low` to `high`.

    `levels` are those of these integers that are quants, ascending; empty if all are. `block_size` is the number of
    columns in a block. A scale may be negative or zero.
    """

    scale: FloatArray
    minimum: FloatArray
    low: int
    high: int
    block_size: int
    levels: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """The tensor's (rows, columns)."""
        rows, blocks = self.scale.shape
        return rows, blocks * self.block_size

    def round(self, values: FloatArray) -> None:
        """Replace values, which are in units of their block's scale, by the nearest quants."""
        if not self.levels:
            np.rint(values, out=values)
            np.clip(values, self.low, self.high, out=values)
            return
        levels = np.array(self.levels, np.float32)
        values[...] = levels[np.searchsorted((levels[1:] + levels[:-1]) / 2, values)]

    def dequantize(self, quants: npt.NDArray[np.integer[Any]]) -> FloatArray:
        """The weights (rows, columns) of these quants, float32, bit for bit what gguf dequantises.

        Raises ValueError for quants of another shape, or not integers.
        """
        _require_quants(quants, self.shape)
        by_block = quants.reshape(*self.scale.shape, self.block_size)
        values: FloatArray = np.multiply(self.scale[..., None], by_block, dtype=np.float32)
        values += self.minimum[..., None]
        return values.reshape(self.shape)


def unpack(raw: ByteArray, type_name: str) -> tuple[BlockScales, QuantArray]:
    """The scales and the quants (rows, columns) of a tensor's bytes (rows, bytes of a row).

    Raises InputError for a type that is not in `QUANT_TYPES` and for scales that are not finite, ValueError for bytes
    that are not whole blocks.
    """
    layout = _layout(type_name)
    rows, columns = _shape(raw, type_name)
    blocks = _blocks(np.ascontiguousarray(raw), type_name)
    scale, minimum = (part.reshape(rows, columns // layout.block_size) for part in layout.scales(blocks))
    scales = BlockScales(scale, minimum, layout.low, layout.high, layout.block_size, layout.levels)
    return scales, layout.quants(blocks).reshape(rows, columns)


def pack(raw: ByteArray, quants: npt.NDArray[np.integer[Any]], type_name: str) -> ByteArray:
    """The tensor's bytes (rows, bytes of a row) with these quants (rows, columns) in place of its own.

    Every other bit stays. Raises InputError for a type that is not in `QUANT_TYPES`, ValueError for bytes that are not
    whole blocks and for quants of another shape, not integers, or outside of the type's range.
    """
    layout = _layout(type_name)
    _require_quants(quants, _shape(raw, type_name))
    outside = ~np.isin(quants, layout.levels) if layout.levels else (quants < layout.low) | (quants > layout.high)
    if outside.any():
        known = ", ".join(map(str, layout.levels)) or f"{layout.low}…{layout.high}"
        raise ValueError(f"{type_name} has quants {known}, not {quants[outside][0]}")
    packed: ByteArray = np.array(raw, order="C")
    layout.put(_blocks(packed, type_name), quants.astype(np.int16, copy=False))
    return packed


def has_minimums(type_name: str) -> bool:
    """Whether the blocks of this type have a minimum; raises InputError for a type that is not in `QUANT_TYPES`."""
    return len(_layout(type_name).halves) > 1


def rescale(raw: ByteArray, factors: Sequence[FloatArray], type_name: str) -> ByteArray:
    """The tensor's bytes (rows, bytes of a row) with the float16 numbers of its super-blocks multiplied.

    `factors` are one array (rows, super-blocks) for the scales and, for types that have minimums, one for these. A
    number whose product a float16 cannot hold stays, and so does every other bit. Raises InputError for a type that is
    not in `QUANT_TYPES`, ValueError for bytes that are not whole blocks and for factors of another number or shape.
    """
    layout = _layout(type_name)
    rows, columns = _shape(raw, type_name)
    shape = (rows, columns // TensorType.named(type_name).block_values)
    if [factor.shape for factor in factors] != [shape] * len(layout.halves):
        raise ValueError(f"{type_name} takes {len(layout.halves)} factors of the shape {shape}")
    changed: ByteArray = np.array(raw, order="C")
    blocks = _blocks(changed, type_name)
    for start, factor in zip(layout.halves, factors, strict=True):
        half = blocks[:, start : start + 2].view("<f2")
        with np.errstate(over="ignore"):
            product = (half * factor.reshape(half.shape).astype(np.float32)).astype("<f2")
        np.copyto(half, product, where=np.isfinite(product))
    return changed


@dataclass(frozen=True)
class _Plane:
    """`bits` bits of every quant, in `size_bytes` bytes from `start`; they are the quant's bits from bit `lift` up.

    The bytes are runs of `run` bytes. A run holds the lowest bits of its bytes first, then the next ones: with 4 bits
    and runs of 16, low nibbles are columns 0…15 and high nibbles columns 16…31.
    """

    start: int
    size_bytes: int
    run: int
    bits: int
    lift: int = 0

    def read(self, blocks: ByteArray) -> ByteArray:
        """This plane's part of the quants as they are stored, (blocks, columns)."""
        fields = self._bytes(blocks).reshape(len(blocks), self.size_bytes // self.run, 1, self.run) >> self._shifts
        fields &= self._mask
        fields <<= np.uint8(self.lift)
        return fields.reshape(len(blocks), self.size_bytes * 8 // self.bits)

    def write(self, blocks: ByteArray, stored: ByteArray) -> None:
        """Put the part of `stored` (blocks, columns) that belongs here in place; no other byte changes."""
        runs = (len(blocks), self.size_bytes // self.run, 8 // self.bits, self.run)
        fields = (stored >> np.uint8(self.lift)).reshape(runs)
        fields &= self._mask
        fields <<= self._shifts
        self._bytes(blocks)[:] = np.bitwise_or.reduce(fields, axis=2).reshape(len(blocks), self.size_bytes)

    def _bytes(self, blocks: ByteArray) -> ByteArray:
        return blocks[:, self.start : self.start + self.size_bytes]

    @property
    def _mask(self) -> np.uint8:
        return np.uint8((1 << self.bits) - 1)

    @property
    def _shifts(self) -> ByteArray:
        return np.arange(0, 8, self.bits, dtype=np.uint8)[:, None]


@dataclass(frozen=True)
class _Layout:
    """How a super-block stores its quants and scales: stored = (quant - low) XOR `flip`, cut into `planes`; where there
    are `levels`, stored is the quant's place among them.

    `halves` are the offsets of the float16 numbers that the scales, and the minimums, are multiples of.
    """

    block_size: int
    low: int
    high: int
    scales: Callable[[ByteArray], ScalesAndMinimums]
    halves: tuple[int, ...]
    planes: tuple[_Plane, ...]
    flip: int = 0
    levels: tuple[int, ...] = ()

    def quants(self, blocks: ByteArray) -> QuantArray:
        """The quants of blocks (blocks, bytes of a block), in the order of the columns."""
        stored = self.planes[0].read(blocks)
        for plane in self.planes[1:]:
            stored |= plane.read(blocks)
        if self.levels:
            return np.array(self.levels, np.int16)[stored]
        stored ^= np.uint8(self.flip)
        quants = stored.astype(np.int16)
        quants += np.int16(self.low)
        return quants

    def put(self, blocks: ByteArray, quants: QuantArray) -> None:
        """Store quants, all in range, in blocks that may be written to."""
        if self.levels:
            stored = np.searchsorted(self.levels, quants).astype(np.uint8)
        else:
            stored = (quants - np.int16(self.low)).astype(np.uint8)
            stored ^= np.uint8(self.flip)
        for plane in self.planes:
            plane.write(blocks, stored)


def _half(blocks: ByteArray, start: int) -> FloatArray:
    """The float16 at this offset of each block, (blocks, 1); raises InputError unless all are finite."""
    half = blocks[:, start : start + 2].view("<f2")
    if not np.isfinite(half).all():
        raise InputError("a tensor has a scale that is not a finite number")
    return half.astype(np.float32)


def _without_minimum(scale: FloatArray) -> ScalesAndMinimums:
    """A minimum that leaves every value as it is: adding -0.0 keeps even the sign of a zero, +0.0 would not."""
    return scale, np.full_like(scale, -0.0)


def _scale(blocks: ByteArray) -> ScalesAndMinimums:
    return _without_minimum(_half(blocks, 0))


def _scale_and_minimum(blocks: ByteArray) -> ScalesAndMinimums:
    return _half(blocks, 0), _half(blocks, 2)


def _scales_of_6_bits(blocks: ByteArray) -> ScalesAndMinimums:
    """Eight scales and eight minimums: the first four of each have a byte's low 6 bits (scales 4…7, minimums 8…11).

    The last four have a nibble of bytes 12…15 (scale low, minimum high) under the two bits left free above them.
    """
    scales, minimums, nibbles = blocks[:, 4:8], blocks[:, 8:12], blocks[:, 12:16]
    scale = np.concatenate([scales & 63, nibbles & 15 | scales >> 6 << 4], axis=1)
    minimum = np.concatenate([minimums & 63, nibbles >> 4 | minimums >> 6 << 4], axis=1)
    return _half(blocks, 0) * scale, -(_half(blocks, 2) * minimum)


def _scales_of_8_bits(blocks: ByteArray) -> ScalesAndMinimums:
    return _without_minimum(_half(blocks, 208) * blocks[:, 192:208].view(np.int8))


def _scales_of_4_and_2_bits(blocks: ByteArray) -> ScalesAndMinimums:
    """Eight scales of 6 bits, less 32: the low 4 bits in nibbles of bytes 4…7, the high 2 bits in the uint16 at 2."""
    low = blocks[:, 4:8, None] >> np.array([0, 4], np.uint8) & 15
    high = blocks[:, 2:4].view("<u2") >> np.arange(0, 16, 2, dtype=np.uint16) & 3
    scale = (low.reshape(len(blocks), 8) | high << 4).astype(np.int16) - 32
    return _without_minimum(_half(blocks, 0) * scale)


_IQ4_LEVELS = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
"""kvalues_iq4nl in ggml-common.h."""

_LAYOUTS = {
    "Q4_0": _Layout(32, -8, 7, _scale, (0,), (_Plane(2, 16, 16, bits=4),)),
    "Q4_1": _Layout(32, 0, 15, _scale_and_minimum, (0, 2), (_Plane(4, 16, 16, bits=4),)),
    "Q5_0": _Layout(32, -16, 15, _scale, (0,), (_Plane(6, 16, 16, bits=4), _Plane(2, 4, 1, bits=1, lift=4))),
    "Q5_1": _Layout(
        32, 0, 31, _scale_and_minimum, (0, 2), (_Plane(8, 16, 16, bits=4), _Plane(4, 4, 1, bits=1, lift=4))
    ),
    "Q8_0": _Layout(32, -128, 127, _scale, (0,), (_Plane(2, 32, 32, bits=8),), flip=0x80),
    "Q4_K": _Layout(32, 0, 15, _scales_of_6_bits, (0, 2), (_Plane(16, 128, 32, bits=4),)),
    "Q5_K": _Layout(
        32, 0, 31, _scales_of_6_bits, (0, 2), (_Plane(48, 128, 32, bits=4), _Plane(16, 32, 32, bits=1, lift=4))
    ),
    "Q6_K": _Layout(
        16, -32, 31, _scales_of_8_bits, (208,), (_Plane(0, 128, 64, bits=4), _Plane(128, 64, 32, bits=2, lift=4))
    ),
    "IQ4_NL": _Layout(32, -127, 113, _scale, (0,), (_Plane(2, 16, 16, bits=4),), levels=_IQ4_LEVELS),
    "IQ4_XS": _Layout(32, -127, 113, _scales_of_4_and_2_bits, (0,), (_Plane(8, 128, 16, bits=4),), levels=_IQ4_LEVELS),
}
"""ggml's blocks (block_q4_0 … block_iq4_xs in ggml-common.h), by the offset of each field in bytes:

Q4_0  18 bytes, 32 values:   0 d     2 qs, low and high nibbles                            value = d · q
Q4_1  20 bytes, 32 values:   0 d     2 m      4 qs                                         value = d · q + m
Q5_0  22 bytes, 32 values:   0 d     2 qh, bit i is column i's fifth     6 qs              value = d · q
Q5_1  24 bytes, 32 values:   0 d     2 m      4 qh      8 qs                               value = d · q + m
Q8_0  34 bytes, 32 values:   0 d     2 qs, int8 (two's complement, hence the flip)         value = d · q
Q4_K 144 bytes, 256 values:  0 d     2 dmin   4 scales (6 bits)   16 qs              value = d·sc · q - dmin·m
Q5_K 176 bytes, 256 values:  0 d     2 dmin   4 scales (6 bits)   16 qh    48 qs     value = d·sc · q - dmin·m
Q6_K 210 bytes, 256 values:  0 ql  128 qh   192 scales (int8)    208 d               value = d·sc · q
IQ4_NL 18 bytes, 32 values:  0 d     2 qs, low and high nibbles                            value = d · level
IQ4_XS 136 bytes, 256 values: 0 d    2 scales_h   4 scales_l     8 qs                value = d·(sc - 32) · level

d, m and dmin are float16, little-endian. In all but IQ4 types, codes below zero are stored with `low` taken off.
"""

QUANT_TYPES: frozenset[str] = frozenset(_LAYOUTS)


def _layout(type_name: str) -> _Layout:
    try:
        return _LAYOUTS[type_name]
    except KeyError:
        known = ", ".join(sorted(_LAYOUTS))
        raise InputError(f"{type_name} has no quants that can be rewritten; these types have: {known}") from None


def _shape(raw: ByteArray, type_name: str) -> tuple[int, int]:
    """The tensor's (rows, columns); raises ValueError where the bytes are not rows of whole blocks."""
    block = TensorType.named(type_name)
    if raw.dtype != np.uint8 or raw.ndim != 2 or raw.shape[1] % block.block_bytes:
        raise ValueError(f"{raw.dtype} {raw.shape} is not rows of {type_name} blocks of {block.block_bytes} bytes")
    return raw.shape[0], raw.shape[1] // block.block_bytes * block.block_values


def _blocks(raw: ByteArray, type_name: str) -> ByteArray:
    size_bytes = TensorType.named(type_name).block_bytes
    return raw.reshape(raw.size // size_bytes, size_bytes)


def _require_quants(quants: npt.NDArray[np.integer[Any]], shape: tuple[int, int]) -> None:
    if quants.dtype.kind not in "iu" or quants.shape != shape:
        raise ValueError(f"quants are integers of the shape {shape}, not {quants.dtype} {quants.shape}")
