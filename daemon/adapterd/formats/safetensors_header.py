"""The header of a safetensors file, checked before any library reads the file: Hugging Face's format, version 0.

Eight bytes have the header's length, the header is a JSON object of tensors, and their bytes fill the rest of the file
without a gap (github.com/huggingface/safetensors).
"""

import json
import math
import os
from collections.abc import Mapping
from typing import Any, BinaryIO

from adapterd.errors import InputError

MOST_HEADER_BYTES = 4 << 20
"""Some ten times what an adapter of a large model has."""
MOST_DIMENSIONS, MOST_NAME = 8, 500
METADATA = "__metadata__"
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip


def require_sound(stream: BinaryIO, name: str) -> None:
    """Raise InputError, with `name` for the file, unless its header is what the bytes of the open file can be."""
    fault = f"{name} is not a safetensors file, or is damaged or cut short"
    stream.seek(0)
    left = os.fstat(stream.fileno()).st_size - 8
    length = int.from_bytes(stream.read(8), "little")
    if not 2 <= length <= left:
        raise InputError(f"{fault}: its header does not fit into it")
    if length > MOST_HEADER_BYTES:
        raise InputError(f"{fault}: its header has {length} bytes, and {MOST_HEADER_BYTES} are the most that is read")
    try:
        header = json.loads(stream.read(length), object_pairs_hook=_once)
        places = sorted(_place(tensor, entry, left - length) for tensor, entry in _tensors(header))
    except (ValueError, TypeError, RecursionError) as exc:
        raise InputError(f"{fault}: {exc!s:.200}") from exc
    end = 0
    for begin, until in places:
        if begin != end:
            raise InputError(f"{fault}: its tensors do not follow each other")
        end = until
    if end != left - length:
        raise InputError(f"{fault}: it goes on behind its tensors")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _tensors(header: Any) -> list[tuple[str, Any]]:
    if not isinstance(header, dict):
        raise TypeError("its header is no object")
    metadata = header.pop(METADATA, None) or {}  # MLX writes null where there are none
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise TypeError(f"its {METADATA} are not texts")
    if not all(isinstance(entry, dict) for entry in header.values()):
        raise TypeError("it has a tensor that is no object")
    return list(header.items())


def _place(tensor: str, entry: Mapping[str, Any], data_bytes: int) -> tuple[int, int]:
    """Where the tensor's bytes begin and end, if that is as many as its shape takes."""
    if len(tensor) > MOST_NAME:
        raise ValueError(f"a tensor's name has {len(tensor)} characters")
    kind, shape, offsets = (entry.get(name) for name in ("dtype", "shape", "data_offsets"))
    if not isinstance(kind, str) or kind not in _BITS:
        raise ValueError(f"{tensor!r:.80} is stored as {kind!r:.40}, which is not known")
    if not isinstance(shape, list) or len(shape) > MOST_DIMENSIONS:
        raise ValueError(f"the shape of {tensor!r:.80} is {shape!r:.80}")
    if not isinstance(offsets, list) or len(offsets) != 2:
        raise ValueError(f"the data_offsets of {tensor!r:.80} are {offsets!r:.80}")
    begin, end = offsets
    if not all(type(size) is int and 0 <= size < 1 << 63 for size in (*shape, begin, end)):
        raise ValueError(f"{tensor!r:.80} has sizes that are no whole numbers")
    if math.prod(shape) * _BITS[kind] // 8 > data_bytes:
        raise ValueError(f"{tensor!r:.80} claims to be larger than the file")
    if end - begin != math.prod(shape) * _BITS[kind] // 8 or end > data_bytes:
        raise ValueError(f"{tensor!r:.80} has other bytes than its shape takes")
    return begin, end
