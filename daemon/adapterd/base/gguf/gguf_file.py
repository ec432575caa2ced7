"""The base model's file: metadata and tensors, read in place."""

import math
import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from adapterd.base.gguf.ggml import ByteArray, FloatArray, TensorType, dequantize
from adapterd.base.gguf.gguf_header import Header, HeaderReader, TensorEntry, read_header
from adapterd.errors import InputError, UnsupportedModelError
from adapterd.system.files import open_given

Metadata = str | int | float

_PLAIN = {"F32": "<f4", "F16": "<f2"}
"""Types whose data gguf takes as numbers; of the others it takes bytes."""


@dataclass(frozen=True)
class TensorInfo:
    """One tensor as the file has it; `shape` in numpy's order (rows, columns), `offset_bytes` from the file's start.

    A type that is newer than gguf and ggml here has only its number for a name, and its size is not known: 0.
    """

    name: str
    shape: tuple[int, ...]
    type_name: str
    offset_bytes: int
    size_bytes: int

    @property
    def has_known_type(self) -> bool:
        """Whether it is known how the values are stored."""
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
        tensor = self._known(name)
        data = self.raw(name).view(_PLAIN.get(tensor.type_name, np.uint8))
        return dequantize(data.reshape(*tensor.shape[:-1], -1), tensor.type_name)

    def rows(self, name: str, numbers: npt.NDArray[np.integer[Any]]) -> FloatArray:
        """Rows of a matrix by their numbers, dequantised as by `values`, without reading the others."""
        tensor = self._known(name)
        chosen = self.raw(name).reshape(tensor.shape[0], -1)[numbers]
        return dequantize(chosen.view(_PLAIN.get(tensor.type_name, np.uint8)), tensor.type_name)

    def raw(self, name: str) -> ByteArray:
        """A tensor's own bytes, flat, without a copy."""
        tensor = self._tensor(name)
        return np.frombuffer(self._data, np.uint8, tensor.size_bytes, tensor.offset_bytes)

    def release(self) -> None:
        """Let the system take back the pages of the file that were read here; they are read again when asked for."""
        self._data.madvise(mmap.MADV_DONTNEED)

    def _known(self, name: str) -> TensorInfo:
        tensor = self._tensor(name)
        if not tensor.has_known_type:
            raise UnsupportedModelError(f"{name} is stored as the tensor type {tensor.type_name}, which is not known")
        return tensor

    def _tensor(self, name: str) -> TensorInfo:
        try:
            return self.tensors[name]
        except KeyError:
            raise InputError(f"{self.path} has no tensor {name}") from None


def _info(path: Path, header: Header, entry: TensorEntry, file_bytes: int) -> TensorInfo:
    """Raises InputError for a tensor whose bytes are not in the file."""
    fault, start = f"{path} is not a GGUF file, or is damaged or cut short", header.data_start + entry.offset
    kind = TensorType.numbered(entry.type_number)
    if kind is None:
        return TensorInfo(entry.name, entry.dimensions[::-1], str(entry.type_number), start, 0)
    if entry.dimensions[0] % kind.block_values or entry.offset % header.alignment:
        raise InputError(f"{fault}: the tensor {entry.name!r} is not made of whole blocks of {kind.name}")
    size_bytes = math.prod(entry.dimensions) // kind.block_values * kind.block_bytes
    if start + size_bytes > file_bytes:
        raise InputError(f"{fault}: the file ends before the tensor {entry.name!r} does")
    return TensorInfo(entry.name, entry.dimensions[::-1], kind.name, start, size_bytes)
