from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from tiny_gguf import write_tiny_gguf

from adapterd.base.architectures import ARCHITECTURES, architecture_of, check_supported
from adapterd.base.gguf_file import GgufFile
from adapterd.errors import InputError, UnsupportedModelError


def checked(path: Path, **options: Any) -> None:
    check_supported(GgufFile.open(write_tiny_gguf(path / "tiny.gguf", **options)))


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
@pytest.mark.parametrize("tied", [True, False])
def test_supported_models_pass(tmp_path: Path, architecture: str, tied: bool) -> None:
    checked(tmp_path, architecture=architecture, tied=tied)


def test_smollm2_passes(smollm2_path: Path) -> None:
    check_supported(GgufFile.open(smollm2_path))


@pytest.mark.parametrize(
    ("tensor", "module"),
    [
        ("blk.22.attn_q.weight", "model.layers.22.self_attn.q_proj"),
        ("blk.0.ffn_down.weight", "model.layers.0.mlp.down_proj"),
        ("token_embd.weight", "model.embed_tokens"),
        ("output.weight", "lm_head"),
    ],
)
def test_names_go_both_ways(tensor: str, module: str) -> None:
    llama = ARCHITECTURES["llama"]
    assert llama.mlx_name(tensor) == f"{module}.weight"
    assert llama.gguf_name(module) == tensor


def test_a_module_without_a_tensor_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        ARCHITECTURES["llama"].gguf_name("model.layers.0.self_attn.rope")


def test_an_unsupported_architecture_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="'mamba'; supported are: llama, qwen2"):
        checked(tmp_path, architecture="mamba")


def test_experts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="mixture of experts"):
        checked(tmp_path, metadata={"llama.expert_count": 8})


@pytest.mark.parametrize("name", ["v.blk.0.attn_q.weight", "blk.0.attn_q_norm.weight", "rope_factors_long.weight"])
def test_a_tensor_that_nobody_reads_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsupportedModelError, match=name):
        checked(tmp_path, tensors={name: np.ones(16)})


def test_rope_factors_belong_to_llama_only(tmp_path: Path) -> None:
    factors = {"rope_freqs.weight": np.ones(8)}
    checked(tmp_path, tensors=factors)
    with pytest.raises(UnsupportedModelError, match="rope_freqs"):
        checked(tmp_path, architecture="qwen2", tensors=factors)


def test_a_bias_that_the_architecture_has_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"attn_output\.bias"):
        checked(tmp_path, architecture="qwen2", biases=("attn_q", "attn_k", "attn_v", "attn_output"))


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lacks the tensor blk\.0\.attn_q\.bias"):
        checked(tmp_path, architecture="qwen2", biases=("attn_k", "attn_v"))


@pytest.mark.parametrize("type_name", ["IQ4_NL", "IQ4_XS", "MXFP4", "TQ2_0"])
def test_an_unsupported_type_is_refused_with_its_tensor(tmp_path: Path, type_name: str) -> None:
    path = tmp_path / "iq.gguf"
    number = gguf.GGMLQuantizationType[type_name]
    block, size_bytes = gguf.GGML_QUANT_SIZES[number]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("blk.0.ffn_up.weight", np.zeros((4, 512 // block * size_bytes), np.uint8), raw_dtype=number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file = GgufFile.open(path)
    with pytest.raises(UnsupportedModelError, match=rf"blk\.0\.ffn_up\.weight .*{type_name}"):
        check_supported(file)
    with pytest.raises(UnsupportedModelError, match=type_name):
        file.values("blk.0.ffn_up.weight")


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({"llama.rope.scaling.type": "longrope"}, "by 'longrope'; supported are: linear, yarn"),
        ({"llama.rope.scaling.type": "yarn", "llama.rope.scaling.attn_factor": 1.5}, "attention factor of its own"),
        ({"llama.attention.value_length": 48}, "another attention.value_length"),
    ],
)
def test_what_mlx_would_compute_otherwise_is_refused(tmp_path: Path, metadata: Any, sentence: str) -> None:
    with pytest.raises(UnsupportedModelError, match=sentence):
        checked(tmp_path, metadata=metadata)


def test_arguments_come_from_the_metadata(tmp_path: Path) -> None:
    file = GgufFile.open(write_tiny_gguf(tmp_path / "tiny.gguf", head_size=32, tied=False, layers=3))
    arguments = architecture_of(file).arguments(file)
    assert arguments["head_dim"] == 32
    assert arguments["num_hidden_layers"] == 3
    assert arguments["tie_word_embeddings"] is False
    assert arguments["rope_traditional"] is True
