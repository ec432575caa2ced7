"""The base model's file: metadata, tensors and their types, read in place. The only module that imports gguf."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

from adapterd.errors import InputError, UnsupportedModelError

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

SUPPORTED_TYPES = frozenset(
    ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K")
)
"""What gguf can dequantise and ggml can quantise again without an importance matrix."""


@dataclass(frozen=True)
class TensorType:
    """How ggml stores values: its number for the type, and blocks of `block_values` values in `block_bytes` bytes."""

    name: str
    number: int
    block_values: int
    block_bytes: int

    @classmethod
    def named(cls, name: str) -> "TensorType":
        """The type of this name; raises UnsupportedModelError unless it is one of `SUPPORTED_TYPES`."""
        if name not in SUPPORTED_TYPES:
            raise UnsupportedModelError(f"the tensor type {name} cannot be trained or merged")
        number = gguf.GGMLQuantizationType[name]
        values, size_bytes = gguf.GGML_QUANT_SIZES[number]
        return cls(name, int(number), values, size_bytes)

    def row_bytes(self, columns: int) -> int:
        """The size of one row; raises UnsupportedModelError where the row is not a whole number of blocks."""
        if columns % self.block_values:
            raise UnsupportedModelError(
                f"a row of {columns} values cannot be {self.name}, which needs multiples of {self.block_values}"
            )
        return columns // self.block_values * self.block_bytes


@dataclass(frozen=True)
class TensorInfo:
    """One tensor as the file has it; `shape` in numpy's order (rows, columns), `offset_bytes` from the file's start."""

    name: str
    shape: tuple[int, ...]
    type_name: str
    offset_bytes: int
    size_bytes: int


@dataclass(frozen=True)
class GgufFile:
    """An open GGUF, memory-mapped: opening reads the header only, and values are read when they are asked for."""

    path: Path
    _reader: Any

    @classmethod
    def open(cls, path: Path) -> "GgufFile":
        """Open for reading; raises InputError if the file is missing, no GGUF, or cut short."""
        if not path.is_file():
            raise InputError(f"{path} is not there" if not path.exists() else f"{path} is not a file")
        with _faults_of(path):
            return cls(path, gguf.GGUFReader(path))

    @cached_property
    def tensors(self) -> dict[str, TensorInfo]:
        """All tensors by name, in the file's order."""
        return {tensor.name: _info(tensor) for tensor in self._reader.tensors}

    @property
    def architecture(self) -> str:
        """The `general.architecture`; raises InputError where the file names none."""
        return str(self.required("general.architecture"))

    def value(self, key: str, default: Any = None) -> Any:
        """A metadata value by its full key."""
        field = self._reader.get_field(key)
        return default if field is None else field.contents()

    def required(self, key: str) -> Any:
        """A metadata value that has to be there; raises InputError where it is missing."""
        value = self.value(key)
        if value is None:
            raise InputError(f"{self.path} has no metadata key {key}")
        return value

    @property
    def reader(self) -> Any:
        """gguf's own reader, for this room."""
        return self._reader

    def values(self, name: str) -> FloatArray:
        """A tensor's values, dequantised, in the shape of its `TensorInfo`; raises UnsupportedModelError."""
        tensor = self._tensor(name)
        type_name = tensor.tensor_type.name
        if type_name not in SUPPORTED_TYPES:
            raise UnsupportedModelError(f"{name} is stored as {type_name}, which cannot be trained or merged")
        return dequantize(tensor.data, type_name)

    def raw(self, name: str) -> ByteArray:
        """A tensor's own bytes, flat, without a copy."""
        data: ByteArray = self._tensor(name).data.reshape(-1).view(np.uint8)
        return data

    def _tensor(self, name: str) -> Any:
        try:
            return self._by_name[name]
        except KeyError:
            raise InputError(f"{self.path} has no tensor {name}") from None

    @cached_property
    def _by_name(self) -> dict[str, Any]:
        return {tensor.name: tensor for tensor in self._reader.tensors}


def dequantize(data: npt.NDArray[Any], type_name: str) -> FloatArray:
    """A tensor's values, float32, of its data: bytes (rows, bytes of a row), or numbers of the type."""
    values: FloatArray = np.asarray(gguf.dequantize(data, gguf.GGMLQuantizationType[type_name]), dtype=np.float32)
    return values


def _info(tensor: Any) -> TensorInfo:
    return TensorInfo(
        name=tensor.name,
        shape=tuple(int(n) for n in reversed(tensor.shape)),
        type_name=tensor.tensor_type.name,
        offset_bytes=int(tensor.data_offset),
        size_bytes=int(tensor.n_bytes),
    )


@contextmanager
def _faults_of(path: Path) -> Iterator[None]:
    """What the reader raises for a file that it cannot follow: numpy's errors where the bytes end too early."""
    try:
        yield
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError) as exc:
        raise InputError(f"{path} is not a GGUF file, or is damaged or cut short: {exc}") from exc
