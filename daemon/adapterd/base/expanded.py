"""A GGUF with some of its tensors as fp32: the same values, so that llama.cpp computes with them without rounding.

On a CPU llama.cpp rounds what a quantised tensor is multiplied with to 8 bits. For SmolLM2 that alone puts two files of
the very same function 0.004 (Q4_0) to 0.007 nats (Q4_K_M) apart: more than what a good merge leaves of a difference.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import gguf
import numpy as np

from adapterd.base.gguf_file import FloatArray, GgufFile

VALUE_BYTES = 4


def write_expanded(path: Path, source: GgufFile, tensors: Mapping[str, Callable[[], FloatArray]]) -> None:
    """Write a copy of `source` to `path` where the named tensors are fp32 and have these values, one at a time."""
    reader = source.reader
    with closing(gguf.GGUFWriter(path, source.architecture)) as writer:
        for field in reader.fields.values():
            if not field.name.startswith("GGUF.") and field.name != gguf.Keys.General.ARCHITECTURE:
                kinds = field.types
                writer.add_key_value(field.name, field.contents(), kinds[0], kinds[-1] if len(kinds) > 1 else None)
        for tensor in reader.tensors:
            if tensor.name in tensors:
                shape = source.tensors[tensor.name].shape
                writer.add_tensor_info(tensor.name, shape, np.dtype(np.float32), VALUE_BYTES * int(tensor.n_elements))
            else:
                writer.add_tensor_info(
                    tensor.name, tensor.data.shape, tensor.data.dtype, tensor.n_bytes, raw_dtype=tensor.tensor_type
                )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in reader.tensors:
            writer.write_tensor_data(tensors[tensor.name]() if tensor.name in tensors else tensor.data)
