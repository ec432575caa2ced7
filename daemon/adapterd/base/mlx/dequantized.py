"""Writes a GGUF in which some tensors are dequantised to fp32, so that llama.cpp does not round activations for them.

On a CPU llama.cpp quantises the activations that meet a quantised tensor to 8 bits. For SmolLM2 that alone puts two
files of the same function 0.004 (Q4_0) to 0.007 nats (Q4_K_M) apart, which is more than a good merge does.
"""

import math
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import gguf
import numpy as np

from adapterd.base.gguf.ggml import FloatArray
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.language_part import language_metadata, language_tensors, served_name
from adapterd.errors import StageError

VALUE_BYTES = 4


def write_dequantized(path: Path, source: GgufFile, tensors: Mapping[str, Callable[[], FloatArray]]) -> None:
    """Write a copy of the language model in `source` to `path`, where the named tensors are fp32 and have these values,
    one at a time. No more of `source` stays in memory than one tensor.

    Of a file that llama.cpp loads as it is, the metadata stay the same bytes.
    """
    alignment = source.header.alignment
    entries = b"".join(_entries(source, tensors))
    with path.open("wb") as file:
        file.write(language_metadata(source) + entries)
        for name in [entry.name for entry in language_tensors(source)]:
            file.write(bytes(-file.tell() % alignment))
            start = file.tell()
            file.write(_values(tensors[name]()) if name in tensors else source.raw(name).data)
            if file.tell() - start != _size_bytes(source, tensors, name):
                raise StageError(f"{name} of the shape {source.tensors[name].shape} got values of another size")
            source.release()
        file.write(bytes(-file.tell() % alignment))


def _entries(source: GgufFile, tensors: Mapping[str, object]) -> Iterator[bytes]:
    """The header's entry of each tensor, with its new type and offset."""
    offset = 0
    for entry in language_tensors(source):
        kind = int(gguf.GGMLQuantizationType.F32) if entry.name in tensors else entry.type_number
        name, sizes = served_name(source, entry.name).encode(), entry.dimensions
        yield struct.pack(f"<Q{len(name)}sI{len(sizes)}QIQ", len(name), name, len(sizes), *sizes, kind, offset)
        offset += _size_bytes(source, tensors, entry.name)
        offset += -offset % source.header.alignment


def _size_bytes(source: GgufFile, tensors: Mapping[str, object], name: str) -> int:
    info = source.tensors[name]
    return VALUE_BYTES * math.prod(info.shape) if name in tensors else info.size_bytes


def _values(values: FloatArray) -> memoryview:
    return np.ascontiguousarray(values, "<f4").reshape(-1).view(np.uint8).data
