"""A base with tensors that cannot be quantised again: they are computed with, get no adapter, and stay as they are."""

from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

from adapterd.base.adaptable import frozen_by_type
from adapterd.base.architectures import architecture_of, check_supported
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.model import load_mlx_model
from adapterd.config import Modules, TrainingSettings
from adapterd.errors import InputError, UnsupportedModelError
from adapterd.merging.exchange.import_adapter import import_adapter
from adapterd.merging.merge import merge
from adapterd.training.adapter_layers import attach_adapter, save_adapter
from tests.support.tiny_adapter import SAMPLES, touched_tensors, write_adapter
from tests.support.tiny_gguf import llama_cpp_logits, mlx_logits, write_tiny_gguf

FROZEN_TYPES = [
    "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "TQ1_0", "TQ2_0", "MXFP4", "NVFP4", "Q1_0",
]  # fmt: skip
FROZEN = "blk.1.ffn_down.weight"
MIXED = {"blk.1.ffn_down": "IQ2_XXS"}
SETTINGS = TrainingSettings(rank=4, alpha=8.0, layers=2)
IDS = np.random.default_rng(1).integers(20, 500, size=24).tolist()
ROUNDED_ACTIVATIONS = 0.25
"""llama.cpp rounds what goes into a matmul; a type that is read wrongly shows as 1."""


def tiny(folder: Path, **types: str) -> Path:
    return write_tiny_gguf(folder / "base.gguf", type_name="Q4_K", types=types, hidden=256, ffn=256, head_size=64)


def trained(base: Path, folder: Path, settings: TrainingSettings = SETTINGS) -> Path:
    """An adapter as a training leaves it, but with random second factors."""
    file = GgufFile.open(base)
    architecture = architecture_of(file)
    model = load_mlx_model(file, dtype=mx.float32)
    attach_adapter(model, settings, [architecture.module(name) for name in frozen_by_type(architecture, file)])
    factors = [
        (name, 0.1 * mx.random.normal(value.shape))
        for name, value in tree_flatten(model.trainable_parameters())
        if name.endswith("lora_b")
    ]
    model.load_weights(factors, strict=False)
    folder.mkdir()
    save_adapter(model, settings, folder)
    return folder


def changed(base: Path, candidate: Path) -> set[str]:
    ours, theirs = GgufFile.open(base), GgufFile.open(candidate)
    return {name for name in ours.tensors if ours.raw(name).tobytes() != theirs.raw(name).tobytes()}


@pytest.mark.parametrize("type_name", FROZEN_TYPES)
def test_every_type_is_trained_through_and_stays_the_same_bytes(tmp_path: Path, type_name: str) -> None:
    base = tiny(tmp_path, **{"blk.1.ffn_down": type_name})
    expected = llama_cpp_logits(base, IDS)
    assert np.sqrt(np.mean((mlx_logits(base, IDS) - expected) ** 2)) < ROUNDED_ACTIVATIONS * expected.std()
    result = merge(base, trained(base, tmp_path / "adapter"), tmp_path / "candidate.gguf")
    assert result.tensors.matches
    assert changed(base, result.candidate) == {*touched_tensors(base, [0, 1])} - {FROZEN}


def test_embedding_and_head_may_have_any_type(tmp_path: Path) -> None:
    types = {"token_embd": "IQ3_S", "output": "IQ2_S"}
    base = write_tiny_gguf(
        tmp_path / "base.gguf", type_name="Q4_K", types=types, tied=False, hidden=256, ffn=256, head_size=64
    )
    expected = llama_cpp_logits(base, IDS)
    assert np.sqrt(np.mean((mlx_logits(base, IDS) - expected) ** 2)) < ROUNDED_ACTIVATIONS * expected.std()
    result = merge(base, trained(base, tmp_path / "adapter"), tmp_path / "candidate.gguf")
    assert changed(base, result.candidate) == {*touched_tensors(base, [0, 1])}


def test_a_merge_with_examples_leaves_them_alone_too(tmp_path: Path) -> None:
    base = tiny(tmp_path, **MIXED)
    result = merge(base, trained(base, tmp_path / "adapter"), tmp_path / "candidate.gguf", examples=SAMPLES, steps=4)
    norms = {name for name in GgufFile.open(base).tensors if name.endswith("_norm.weight")}
    assert result.tensors.matches
    assert changed(base, result.candidate) - norms == {*touched_tensors(base, [0, 1])} - {FROZEN}
    assert result.retention is not None
    assert result.retention.kept is not None
    assert result.retention.kept > 0


def test_only_the_module_of_that_block_gets_no_adapter(tmp_path: Path) -> None:
    base = tiny(tmp_path, **MIXED)
    weights: Any = mx.load(str(trained(base, tmp_path / "adapter") / "adapters.safetensors"))
    modules = {name.rpartition(".")[0] for name in weights}
    assert "model.layers.0.mlp.down_proj" in modules
    assert "model.layers.1.mlp.down_proj" not in modules
    assert len(modules) == 2 * 7 - 1


def test_mlx_lm_computes_the_same_with_the_saved_adapter(tmp_path: Path) -> None:
    base = tiny(tmp_path, ffn_down="IQ2_XXS")
    adapter = trained(base, tmp_path / "adapter")
    config = (adapter / "adapter_config.json").read_text()
    assert "mlp.up_proj" in config
    assert "down_proj" not in config
    assert not np.array_equal(mlx_logits(base, IDS, adapter), mlx_logits(base, IDS))


def test_blocks_without_a_projection_to_adapt_are_refused(tmp_path: Path) -> None:
    base = tiny(tmp_path, **MIXED, **{"blk.1.ffn_up": "IQ3_S", "blk.1.ffn_gate": "IQ3_S"})
    settings = TrainingSettings(rank=4, layers=1, modules=Modules.MLP)
    with pytest.raises(InputError, match=r"no projection of the top 1 blocks .* cannot be quantised again") as refused:
        trained(base, tmp_path / "adapter", settings)
    assert "training.layers" in refused.value.hint
    trained(base, tmp_path / "of all modules", TrainingSettings(rank=4, layers=1))


def test_a_base_without_any_is_refused_by_kind_and_type(tmp_path: Path) -> None:
    path = write_tiny_gguf(
        tmp_path / "base.gguf", type_name="IQ3_S", types={"ffn_up": "IQ2_S"}, hidden=256, ffn=256, head_size=64
    )
    with pytest.raises(UnsupportedModelError, match=r"attn_k in 2 of 2 blocks \(stored as IQ3_S\)") as refused:
        check_supported(GgufFile.open(path))
    assert "ffn_up in 2 of 2 blocks (stored as IQ2_S)" in str(refused.value)
    assert "Q4_K_M" in refused.value.hint


def test_an_adapter_made_elsewhere_is_refused_by_module_and_type(tmp_path: Path) -> None:
    base = tiny(tmp_path, **MIXED)
    adapter = write_adapter(tmp_path / "adapter", base, blocks=(1,))
    sentence = r"model\.layers\.1\.mlp\.down_proj, which the base stores as IQ2_XXS"
    with pytest.raises(InputError, match=sentence):
        import_adapter(adapter, GgufFile.open(base), tmp_path / "out")
    with pytest.raises(InputError, match=sentence):
        merge(base, adapter, tmp_path / "candidate.gguf")
