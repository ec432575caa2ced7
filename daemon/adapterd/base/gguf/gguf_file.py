"""The base model's file: metadata, tensors and their types, read in place. With its header, the owner of gguf."""

import math
import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

from adapterd.base.gguf.gguf_header import Header, HeaderReader, TensorEntry, read_header
from adapterd.errors import InputError, UnsupportedModelError
from adapterd.system.files import open_given

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]
Metadata = str | int | float

SUPPORTED_TYPES = frozenset(
    ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K")
)
"""What gguf can dequantise and ggml can quantise again without an importance matrix."""
_PLAIN = {"F32": "<f4", "F16": "<f2"}
"""Types whose data gguf takes as numbers; of the others it takes bytes."""


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
    """One tensor as the file has it; `shape` in numpy's order (rows, columns), `offset_bytes` from the file's start.

    A type that is newer than the gguf library has only its number for a name, and its size is not known: 0.
    """

    name: str
    shape: tuple[int, ...]
    type_name: str
    offset_bytes: int
    size_bytes: int

    @property
    def has_known_type(self) -> bool:
        """Whether gguf knows how the values are stored."""
        return not self.type_name.isdigit()


@dataclass(frozen=True)
class GgufFile:
    """An open GGUF, memory-mapped: opening reads the header only, and values are read when they are asked for.

    `context_tokens` is the context that it is served with, for models that compute otherwise in long ones. `served` are
    metadata that take the place of the file's own.
    """

    path: Path
    header: Header = field(repr=False)
    tensors: dict[str, TensorInfo] = field(repr=False)
    """All tensors by name, in the file's order."""
    _beginning: bytes = field(repr=False)
    """All of the header: what it says can be asked for even if the file is cut short, and stays what was checked."""
    _data: mmap.mmap = field(repr=False)
    context_tokens: int | None = None
    served: Mapping[str, Metadata] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, path: Path, *, context_tokens: int | None = None) -> "GgufFile":
        """Open for reading; raises InputError if the file is missing, no GGUF, or cut short, UnsupportedModelError
        for a version or byte order that is not read here."""
        with open_given(path) as stream:
            try:
                header, beginning = read_header(path, stream)
                data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as exc:  # nothing to map
                raise InputError(f"{path} is not a GGUF file, or is damaged or cut short: it is empty") from exc
            except OSError as exc:
                raise InputError(f"{path} cannot be read: {exc.strerror or exc}") from exc
        tensors = {entry.name: _info(path, header, entry, len(data)) for entry in header.tensors}
        return cls(path, header, tensors, beginning, data, context_tokens)

    @property
    def architecture(self) -> str:
        """The `general.architecture`; raises InputError where the file names none."""
        name = self.required("general.architecture")
        if not isinstance(name, str):
            raise InputError(f"{self.path} has a general.architecture that is not a text")
        return name

    @property
    def value_count(self) -> int:
        """How many values all tensors have."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors.values())

    @property
    def commonest_type(self) -> str | None:
        """The type in which most values are stored; None without tensors."""
        counts: dict[str, int] = {}
        for tensor in self.tensors.values():
            counts[tensor.type_name] = counts.get(tensor.type_name, 0) + math.prod(tensor.shape)
        return max(counts, key=counts.__getitem__, default=None)

    def value(self, key: str, default: Any = None) -> Any:
        """A metadata value by its full key: a number, a text, or a list of them."""
        if key in self.served:
            return self.served[key]
        found = self.header.fields.get(key)
        return default if found is None else self._reader.value(key, found)

    def text_at(self, key: str, index: int) -> str | None:
        """One text of the list under a key, such as a token; None where there is no such list, or not so many."""
        found = self.header.fields.get(key)
        return None if found is None else self._reader.text_at(key, found, index)

    def required(self, key: str) -> Any:
        """A metadata value that has to be there; raises InputError where it is missing."""
        value = self.value(key)
        if value is None:
            raise InputError(f"{self.path} has no metadata key {key}")
        return value

    @cached_property
    def metadata_bytes(self) -> bytes:
        """Magic, version, counts and all keys with their values, as they stand at the beginning of the file."""
        return self._beginning[: self.header.keys_end]

    @property
    def _reader(self) -> HeaderReader:
        return HeaderReader(self.path, self._beginning, len(self._beginning))

    def values(self, name: str) -> FloatArray:
        """A tensor's values, dequantised, in the shape of its `TensorInfo`; raises UnsupportedModelError."""
        tensor = self._tensor(name)
        if tensor.type_name not in SUPPORTED_TYPES:
            raise UnsupportedModelError(f"{name} is stored as {tensor.type_name}, which cannot be trained or merged")
        data = self.raw(name).view(_PLAIN.get(tensor.type_name, np.uint8))
        return dequantize(data.reshape(*tensor.shape[:-1], -1), tensor.type_name)

    def raw(self, name: str) -> ByteArray:
        """A tensor's own bytes, flat, without a copy."""
        tensor = self._tensor(name)
        return np.frombuffer(self._data, np.uint8, tensor.size_bytes, tensor.offset_bytes)

    def _tensor(self, name: str) -> TensorInfo:
        try:
            return self.tensors[name]
        except KeyError:
            raise InputError(f"{self.path} has no tensor {name}") from None


def dequantize(data: npt.NDArray[Any], type_name: str) -> FloatArray:
    """A tensor's values, float32, of its data: bytes (rows, bytes of a row), or numbers of the type."""
    values: FloatArray = np.asarray(gguf.dequantize(data, gguf.GGMLQuantizationType[type_name]), dtype=np.float32)
    return values


def _info(path: Path, header: Header, entry: TensorEntry, file_bytes: int) -> TensorInfo:
    """Raises InputError for a tensor whose bytes are not in the file."""
    fault, start = f"{path} is not a GGUF file, or is damaged or cut short", header.data_start + entry.offset
    try:
        kind = gguf.GGMLQuantizationType(entry.type_number)
    except ValueError:
        return TensorInfo(entry.name, entry.dimensions[::-1], str(entry.type_number), start, 0)
    block_values, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    if entry.dimensions[0] % block_values or entry.offset % header.alignment:
        raise InputError(f"{fault}: the tensor {entry.name!r} is not made of whole blocks of {kind.name}")
    size_bytes = math.prod(entry.dimensions) // block_values * block_bytes
    if start + size_bytes > file_bytes:
        raise InputError(f"{fault}: the file ends before the tensor {entry.name!r} does")
    return TensorInfo(entry.name, entry.dimensions[::-1], kind.name, start, size_bytes)
