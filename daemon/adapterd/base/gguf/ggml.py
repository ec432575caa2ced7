"""ggml's own quantiser, at C speed: plain rounding of values to any tensor type, with no importance matrix."""

import ctypes
import importlib.util
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from adapterd.base.gguf.gguf_file import ByteArray, FloatArray, TensorType
from adapterd.errors import StageError
from adapterd.system.processors import processors

_LIBRARIES = ("ggml-base", "ggml", "llama")
_SUFFIXES = (".so", ".dylib")
_ROWS_AT_A_TIME = 256


def quantize(values: FloatArray, type_name: str) -> ByteArray:
    """The values (rows, columns) as the tensor's bytes (rows, bytes of a row).

    Raises UnsupportedModelError for a type that cannot be written or a row that is not whole blocks of it, and
    StageError for values that are not finite.
    """
    tensor_type = TensorType.named(type_name)
    rows, columns = values.shape
    out: ByteArray = np.empty((rows, tensor_type.row_bytes(columns)), np.uint8)
    if not np.isfinite(values).all():
        raise StageError(f"values that are not finite cannot be stored as {type_name}")
    source = np.ascontiguousarray(values, dtype=np.float32)
    quantize_chunk = _quantize_chunk()

    def quantize_rows(first: int) -> None:
        count = min(_ROWS_AT_A_TIME, rows - first)
        quantize_chunk(tensor_type.number, source.ctypes.data, out.ctypes.data, first * columns, count, columns, None)

    with ThreadPoolExecutor(processors()) as pool:
        list(pool.map(quantize_rows, range(0, rows, _ROWS_AT_A_TIME)))
    return out


@cache
def _quantize_chunk() -> Any:
    """`ggml_quantize_chunk(type, source, target, first value, rows, columns, importance)`, which releases the GIL."""
    for path in _candidates():
        function = getattr(ctypes.CDLL(str(path)), "ggml_quantize_chunk", None)
        if function is not None:
            pointer, int64 = ctypes.c_void_p, ctypes.c_int64
            function.argtypes = [ctypes.c_int, pointer, pointer, int64, int64, int64, pointer]
            function.restype = ctypes.c_size_t
            return function
    raise StageError("ggml's quantiser was not found beside llama_cpp", hint="reinstall llama-cpp-python")


def _candidates() -> Iterator[Path]:
    """Where llama-cpp-python looks for its libraries; a static build has ggml inside a bigger one."""
    spec = importlib.util.find_spec("llama_cpp")
    packages = [Path(place) / "lib" for place in (spec.submodule_search_locations or [])] if spec else []
    given = os.environ.get("LLAMA_CPP_LIB_PATH")
    for folder in [Path(given)] if given else packages:
        for name in _LIBRARIES:
            yield from (path for suffix in _SUFFIXES if (path := folder / f"lib{name}{suffix}").is_file())
