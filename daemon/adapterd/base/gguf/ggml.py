"""ggml's tensor types: how large their blocks are, what values their bytes stand for, and plain rounding to them.

What gguf does not know, or does slowly, is done by ggml's own functions in llama.cpp's libraries, at C speed.
"""

import ctypes
import importlib.util
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

from adapterd.errors import StageError, UnsupportedModelError
from adapterd.system.processors import processors

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

_READ_BY_GGUF = frozenset(
    ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K")
)
"""Types whose values a compiler may round otherwise than gguf, as some have minimums: scale · quant + minimum."""
ADAPTABLE_TYPES = _READ_BY_GGUF | {"IQ4_NL", "IQ4_XS"}
"""What can be quantised again without an importance matrix, so that an adapter may change it. A tensor of any other
type stays the same bytes."""

_LIBRARIES = ("ggml-base", "ggml", "llama")
_SUFFIXES = (".so", ".dylib")
_ROWS_AT_A_TIME = 256


class _Traits(ctypes.Structure):
    """ggml_type_traits in ggml.h."""

    _fields_ = (
        ("type_name", ctypes.c_char_p),
        ("block_values", ctypes.c_int64),
        ("interleaved", ctypes.c_int64),
        ("block_bytes", ctypes.c_size_t),
        ("is_quantized", ctypes.c_bool),
        ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)),
        ("from_float", ctypes.c_void_p),
    )


@dataclass(frozen=True)
class TensorType:
    """How ggml stores values: its number for the type, and blocks of `block_values` values in `block_bytes` bytes."""

    name: str
    number: int
    block_values: int
    block_bytes: int

    @classmethod
    def numbered(cls, number: int) -> "TensorType | None":
        """The type of this number, None for one that neither gguf nor ggml knows."""
        try:
            kind = gguf.GGMLQuantizationType(number)
        except ValueError:
            traits = _traits(number)
            name = traits.type_name.decode().upper() if traits else ""
            return cls(name, number, traits.block_values, traits.block_bytes) if traits else None
        return cls(kind.name, int(kind), *gguf.GGML_QUANT_SIZES[kind])

    @classmethod
    def named(cls, name: str) -> "TensorType":
        """The type of this name; raises UnsupportedModelError for one that is not known."""
        kind = gguf.GGMLQuantizationType.__members__.get(name)
        found = cls.numbered(kind) if kind is not None else _newer_types().get(name)
        if found is None:
            raise UnsupportedModelError(f"the tensor type {name} is not known here")
        return found

    @property
    def has_values(self) -> bool:
        """Whether the bytes can be read as values; not so of whole numbers, which are no weights."""
        traits = None if self.name in _READ_BY_GGUF else _traits(self.number)
        return self.name in _READ_BY_GGUF or bool(traits and traits.to_float)

    def row_bytes(self, columns: int) -> int:
        """The size of one row; raises UnsupportedModelError where the row is not a whole number of blocks."""
        if columns % self.block_values:
            raise UnsupportedModelError(
                f"a row of {columns} values cannot be {self.name}, which needs multiples of {self.block_values}"
            )
        return columns // self.block_values * self.block_bytes


def quantize(values: FloatArray, type_name: str) -> ByteArray:
    """The values (rows, columns) as the tensor's bytes (rows, bytes of a row).

    Raises UnsupportedModelError for a type that is not in `ADAPTABLE_TYPES` or a row that is not whole blocks of it,
    and StageError for values that are not finite.
    """
    if type_name not in ADAPTABLE_TYPES:
        raise UnsupportedModelError(f"values cannot be stored as {type_name} without an importance matrix")
    tensor_type = TensorType.named(type_name)
    rows, columns = values.shape
    out: ByteArray = np.empty((rows, tensor_type.row_bytes(columns)), np.uint8)
    if not np.isfinite(values).all():
        raise StageError(f"values that are not finite cannot be stored as {type_name}")
    source = np.ascontiguousarray(values, dtype=np.float32)
    chunk = quantize_chunk()

    def quantize_rows(first: int) -> None:
        count = min(_ROWS_AT_A_TIME, rows - first)
        chunk(tensor_type.number, source.ctypes.data, out.ctypes.data, first * columns, count, columns, None)

    with ThreadPoolExecutor(processors()) as pool:
        list(pool.map(quantize_rows, range(0, rows, _ROWS_AT_A_TIME)))
    return out


def dequantize(data: npt.NDArray[Any], type_name: str) -> FloatArray:
    """The values (…, columns), float32, of a tensor's bytes (…, bytes of a row), or of numbers of its type.

    Raises UnsupportedModelError for a type whose bytes are no values.
    """
    tensor_type = TensorType.named(type_name)
    if type_name in _READ_BY_GGUF:
        return np.asarray(gguf.dequantize(data, gguf.GGMLQuantizationType(tensor_type.number)), dtype=np.float32)
    if not tensor_type.has_values:
        raise UnsupportedModelError(f"what is stored as {type_name} cannot be read as weights here")
    columns = data.shape[-1] // tensor_type.block_bytes * tensor_type.block_values
    values: FloatArray = np.empty((*data.shape[:-1], columns), np.float32)
    source = np.ascontiguousarray(data)
    _traits(tensor_type.number).to_float(source.ctypes.data, values.ctypes.data, values.size)
    return values


@cache
def _newer_types() -> dict[str, TensorType]:
    """The types that ggml has and gguf has not, by name."""
    from llama_cpp import GGML_TYPE_COUNT

    newer = range(max(gguf.GGMLQuantizationType) + 1, GGML_TYPE_COUNT)
    return {found.name: found for number in newer if (found := TensorType.numbered(number))}


@cache
def _traits(number: int) -> Any:
    """What ggml says of a type; None for one that it has not. It does not check the number itself."""
    from llama_cpp import GGML_TYPE_COUNT

    if not 0 <= number < GGML_TYPE_COUNT:
        return None
    function = _function("ggml_get_type_traits")
    function.argtypes, function.restype = [ctypes.c_int], ctypes.POINTER(_Traits)
    found = function(number).contents
    return found if found.block_bytes else None


@cache
def quantize_chunk() -> Any:
    """`ggml_quantize_chunk(type, source, target, first value, rows, columns, importance)`, which releases the GIL."""
    function = _function("ggml_quantize_chunk")
    pointer, int64 = ctypes.c_void_p, ctypes.c_int64
    function.argtypes = [ctypes.c_int, pointer, pointer, int64, int64, int64, pointer]
    function.restype = ctypes.c_size_t
    return function


def _function(name: str) -> Any:
    for path in _candidates():
        if function := getattr(ctypes.CDLL(str(path)), name, None):
            return function
    raise StageError(f"ggml's {name} was not found beside llama_cpp", hint="reinstall llama-cpp-python")


def _candidates() -> Iterator[Path]:
    """Where llama-cpp-python looks for its libraries; a static build has ggml inside a bigger one."""
    spec = importlib.util.find_spec("llama_cpp")
    packages = [Path(place) / "lib" for place in (spec.submodule_search_locations or [])] if spec else []
    given = os.environ.get("LLAMA_CPP_LIB_PATH")
    for folder in [Path(given)] if given else packages:
        for name in _LIBRARIES:
            yield from (path for suffix in _SUFFIXES if (path := folder / f"lib{name}{suffix}").is_file())
