"""An adapter as llama.cpp reads it, so that base + adapter can be asked there without merging anything."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import gguf

from adapterd.base.gguf.ggml import FloatArray


def write_lora(path: Path, architecture: str, factors: Iterable[tuple[str, FloatArray, FloatArray]]) -> None:
    """Write (tensor of the base, a (rank, in), b (out, rank)) for each update b · a; its scale is to be in b."""
    with closing(gguf.GGUFWriter(path, architecture)) as writer:
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, 0.0)  # zero: no scaling beyond what is in the factors
        for tensor, a, b in factors:
            writer.add_tensor(f"{tensor}.lora_a", a)
            writer.add_tensor(f"{tensor}.lora_b", b)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
