"""The candidate's file while a merge writes it: a clone of the base's file whose tensors are overwritten in place."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from adapterd.base.gguf.ggml import ByteArray, FloatArray, TensorType, dequantize
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.quants import QUANT_TYPES, BlockScales, QuantArray, has_minimums, pack, rescale, unpack
from adapterd.errors import StageError

ALL_ROWS = slice(None)


@dataclass(frozen=True)
class CandidateFile:
    """`path` is the clone, `changed` the tensors that were written to."""

    base: GgufFile
    path: Path
    changed: set[str] = field(default_factory=set)

    @property
    def written_bytes(self) -> int:
        """The size of the changed tensors, which is what a copy-on-write file system has to store."""
        return sum(self.base.tensors[name].size_bytes for name in self.changed)

    def type_of(self, tensor: str) -> str:
        """The name of the tensor's type."""
        return self.base.tensors[tensor].type_name

    def has_quants(self, tensor: str) -> bool:
        """Whether the tensor's type has quants that can be read and rewritten."""
        return self.type_of(tensor) in QUANT_TYPES

    def has_minimums(self, tensor: str) -> bool:
        """Whether the blocks of the tensor, which must have quants, have minimums beside their scales."""
        return has_minimums(self.type_of(tensor))

    def super_blocks_per_row(self, tensor: str) -> int:
        """How many super-blocks, each with float16 numbers of its own, a row of the tensor has."""
        return self.base.tensors[tensor].shape[-1] // TensorType.named(self.type_of(tensor)).block_values

    def unpack(self, tensor: str) -> tuple[BlockScales, QuantArray]:
        """Scales and quants as they now are; the tensor must have quants."""
        return unpack(self._raw(tensor), self.type_of(tensor))

    def values(self, tensor: str) -> FloatArray:
        """The values as they now are."""
        return dequantize(self._raw(tensor), self.type_of(tensor))

    def unpack_base(self, tensor: str, rows: slice = ALL_ROWS) -> tuple[BlockScales, QuantArray]:
        """Scales and quants of these rows as the base has them."""
        return unpack(self._base_raw(tensor)[rows], self.type_of(tensor))

    def write_quants(self, tensor: str, quants: QuantArray) -> None:
        """Write new quants (rows, columns); the scales and minimums are again those of the base."""
        self.write(tensor, pack(self._base_raw(tensor), quants, self.type_of(tensor)).tobytes())

    def write(self, tensor: str, data: bytes) -> None:
        """Write the tensor's new bytes; raises StageError unless they are as many as before."""
        info = self.base.tensors[tensor]
        if len(data) != info.size_bytes:
            raise StageError(f"{tensor} would change from {info.size_bytes} to {len(data)} bytes")
        with self.path.open("r+b") as file:
            file.seek(info.offset_bytes)
            file.write(data)
        self.changed.add(tensor)
        self.base.release()

    def rescale(self, tensor: str, factors: Sequence[FloatArray]) -> None:
        """Multiply the scales, and the minimums if the type has them, by factors (rows, super-blocks)."""
        self.write(tensor, rescale(self._raw(tensor), factors, self.type_of(tensor)).tobytes())

    def sync(self) -> None:
        """Flush the file to the disk (fsync)."""
        with self.path.open("r+b") as file:
            os.fsync(file.fileno())

    def _raw(self, tensor: str) -> ByteArray:
        info = self.base.tensors[tensor]
        with self.path.open("rb") as file:
            file.seek(info.offset_bytes)
            data = np.fromfile(file, np.uint8, info.size_bytes)
        return data.reshape(info.shape[0], -1)

    def _base_raw(self, tensor: str) -> ByteArray:
        return self.base.raw(tensor).reshape(self.base.tensors[tensor].shape[0], -1)
