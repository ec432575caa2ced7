"""Embeddings that stay in the file: the same values, and no more of them in memory than a batch needs."""

from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

from adapterd.base.gguf.ggml import FloatArray
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.file_embedding import FileEmbedding
from adapterd.base.mlx.model import hidden_states, load_mlx_model
from tests.support.tiny_gguf import write_tiny_gguf

BY_BLOCK = "per_layer_token_embd.weight"
IDS = [[7, 300, 7], [511, 0, 300]]


@pytest.mark.parametrize("type_name", ["F32", "F16", "BF16", "Q4_0", "Q8_0", "Q4_K", "Q6_K"])
@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16])
def test_it_gives_what_the_whole_tensor_in_memory_gives(tmp_path: Path, type_name: str, dtype: mx.Dtype) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", hidden=256, ffn=256, layers=1, types={"token_embd": type_name})
    gguf = GgufFile.open(path)
    found = FileEmbedding(gguf, "token_embd.weight", dtype)(mx.array(IDS))
    expected = mx.array(gguf.values("token_embd.weight")).astype(dtype)[mx.array(IDS)]
    assert found.dtype == dtype
    assert found.shape == (2, 3, 256)
    assert mx.array_equal(found, expected).item()


@pytest.mark.parametrize("quantized", [False, True])
def test_embeddings_by_block_are_never_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quantized: bool
) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", architecture="gemma4", types={"token_embd": "Q8_0"})
    whole: list[str] = []
    by_row: list[list[int]] = []
    values, rows = GgufFile.values, GgufFile.rows

    def noting_values(file: GgufFile, name: str) -> FloatArray:
        whole.append(name)
        return values(file, name)

    def noting_rows(file: GgufFile, name: str, numbers: Any) -> FloatArray:
        by_row.append(numbers.tolist())
        return rows(file, name, numbers)

    monkeypatch.setattr(GgufFile, "values", noting_values)
    monkeypatch.setattr(GgufFile, "rows", noting_rows)
    model = load_mlx_model(GgufFile.open(path), dtype=mx.float32, quantized=quantized)
    states = hidden_states(model, mx.array(IDS))
    assert np.isfinite(np.array(states)).all()
    assert BY_BLOCK not in whole
    assert by_row == [[0, 7, 300, 511]]
    assert not [name for name, _ in tree_flatten(model.parameters()) if "embed_tokens_per_layer" in name]
