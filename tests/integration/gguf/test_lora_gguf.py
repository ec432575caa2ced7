"""A LoRA GGUF computes in MLX, once imported, what llama.cpp computes with it on the same base."""

from contextlib import closing
from pathlib import Path

import gguf
import numpy as np
import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.llama_model import LlamaModel
from adapterd.merging.exchange.import_adapter import import_adapter
from tests.support.tiny_gguf import mlx_logits, write_tiny_gguf

IDS = np.random.default_rng(1).integers(20, 500, 24).tolist()
ROUNDED_KEYS = 5e-3
"""llama.cpp keeps keys and values as 16-bit floats here: of the logits' standard deviation."""
PROJECTIONS = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


def write_lora_of_all(path: Path, base: GgufFile, *, alpha: float, rank: int) -> Path:
    random = np.random.default_rng(7)
    with closing(gguf.GGUFWriter(path, base.architecture)) as writer:
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
        for name, tensor in base.tensors.items():
            if name.split(".")[-2] in PROJECTIONS:
                rows, columns = tensor.shape
                writer.add_tensor(f"{name}.lora_a", 0.2 * random.standard_normal((rank, columns)).astype(np.float32))
                writer.add_tensor(f"{name}.lora_b", 0.2 * random.standard_normal((rows, rank)).astype(np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    return path


@pytest.mark.parametrize("architecture", ["llama", "qwen3"])
@pytest.mark.parametrize("alpha", [0.0, 6.0])
def test_the_imported_adapter_computes_what_llama_cpp_computes(tmp_path: Path, architecture: str, alpha: float) -> None:
    path = write_tiny_gguf(tmp_path / "base.gguf", architecture=architecture)
    lora = write_lora_of_all(tmp_path / "lora.gguf", GgufFile.open(path), alpha=alpha, rank=4)
    (out := tmp_path / "out").mkdir()
    assert import_adapter(lora, GgufFile.open(path), out).modules == 14
    with LlamaModel.open(path, context_tokens=len(IDS), lora=lora) as model:
        plain, wanted = model.logits(IDS, 0), model.logits(IDS, 0, adapted=True)
    found = mlx_logits(path, IDS, adapter=out)
    assert np.sqrt(np.mean((wanted - plain) ** 2)) > 0.1 * wanted.std(), "the adapter changes something"
    assert np.sqrt(np.mean((found - wanted) ** 2)) < ROUNDED_KEYS * wanted.std()
