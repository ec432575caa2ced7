from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from adapterd.base.architectures import (
    ARCHITECTURES,
    architecture_of,
    block_of_module,
    block_of_tensor,
    check_supported,
)
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.errors import InputError, UnsupportedModelError
from tests.support.tiny_gguf import write_tiny_gguf


def checked(path: Path, **options: Any) -> None:
    check_supported(GgufFile.open(write_tiny_gguf(path / "tiny.gguf", **options)))


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_supported_models_pass(tmp_path: Path, architecture: str) -> None:
    checked(tmp_path, architecture=architecture)


@pytest.mark.parametrize("architecture", sorted(set(ARCHITECTURES) - {"gemma2"}))
def test_a_head_of_its_own_passes(tmp_path: Path, architecture: str) -> None:
    checked(tmp_path, architecture=architecture, tied=False)


def test_gemma2_has_no_head_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"output\.weight, which gemma2 models have not"):
        checked(tmp_path, architecture="gemma2", tied=False)


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


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_every_weight_has_a_module_and_every_module_its_weight(tmp_path: Path, architecture: str) -> None:
    entry = ARCHITECTURES[architecture]
    file = GgufFile.open(write_tiny_gguf(tmp_path / "tiny.gguf", architecture=architecture, tied=not entry.has_head))
    weights = [name for name in file.tensors if name.endswith(".weight")]
    modules = [str(entry.mlx_name(name)).removesuffix(".weight") for name in weights]
    assert [entry.gguf_name(module) for module in modules] == weights
    assert len(set(modules)) == len(modules)


def test_fused_tensors_have_fused_modules() -> None:
    phi3 = ARCHITECTURES["phi3"]
    assert phi3.gguf_name("model.layers.3.self_attn.qkv_proj") == "blk.3.attn_qkv.weight"
    assert phi3.gguf_name("model.layers.3.mlp.gate_up_proj") == "blk.3.ffn_up.weight"
    assert phi3.mlx_name("blk.3.attn_q.weight") is None


def test_only_gemmas_norms_are_shifted() -> None:
    assert {name for name, entry in ARCHITECTURES.items() if entry.norm_shift} == {"gemma2", "gemma3"}
    gemma = ARCHITECTURES["gemma3"]
    shifted = ["output_norm.weight", "blk.0.attn_q_norm.weight", "blk.0.post_ffw_norm.weight"]
    assert [gemma.shift(name) for name in shifted] == [1.0, 1.0, 1.0]
    assert gemma.shift("blk.0.attn_q.weight") == ARCHITECTURES["llama"].shift("output_norm.weight") == 0.0


def test_a_module_without_a_tensor_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        ARCHITECTURES["llama"].gguf_name("model.layers.0.self_attn.rope")


def test_an_unsupported_architecture_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(
        UnsupportedModelError, match="'mamba'; supported are: llama, qwen2, qwen3, gemma2, gemma3, phi3"
    ):
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


@pytest.mark.parametrize("name", ["v.patch_embd.weight", "mm.input_projection.weight"])
def test_a_model_that_reads_images_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsupportedModelError, match=f"reads images .it has {name}"):
        checked(tmp_path, architecture="gemma3", tensors={name: np.ones(16)})


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({"llama.rope.scaling.type": "longrope"}, "by 'longrope'; supported are: linear, yarn"),
        ({"llama.rope.scaling.type": "yarn", "llama.rope.scaling.attn_factor": 1.5}, "attention factor of its own"),
        ({"llama.attention.value_length": 48}, "another attention.value_length"),
    ],
)
def test_metadata_that_mlx_would_compute_otherwise_is_refused(tmp_path: Path, metadata: Any, sentence: str) -> None:
    with pytest.raises(UnsupportedModelError, match=sentence):
        checked(tmp_path, metadata=metadata)


@pytest.mark.parametrize(
    ("architecture", "options", "sentence"),
    [
        ("qwen3", {"metadata": {"qwen3.expert_count": 8}}, "mixture of experts"),
        ("qwen3", {"metadata": {"qwen3.rope.scaling.type": "longrope"}}, "by 'longrope'"),
        ("llama", {"metadata": {"llama.rope.scaling.attn_factor": 1.2}}, "attention factor of its own"),
        ("gemma2", {"metadata": {"gemma2.rope.scaling.factor": 2.0}}, "by 'linear', which mlx-lm's class does not"),
        ("gemma2", {"metadata": {"gemma2.rope.freq_base_swa": 5.0}}, "another rotary base"),
        ("gemma2", {"metadata": {"gemma2.rope.dimension_count": 8}}, "another rope.dimension_count"),
        ("gemma3", {"metadata": {"gemma3.attention.key_length_swa": 8}}, "another attention.key_length_swa"),
        ("gemma3", {"metadata": {"gemma3.attention.sliding_window_pattern": 3}}, "no layer without a sliding window"),
        (
            "gemma3",
            {"metadata": {"gemma3.attention.sliding_window_pattern": [True, False, False]}, "layers": 3},
            "no regular order",
        ),
        ("gemma3", {"metadata": {"gemma3.attention.sliding_window_pattern": 0}}, "every 0 layers"),
        (
            "gemma3",
            {"metadata": {"gemma3.rope.local.freq_base": 1e4}},
            "Ollama's own kind .gemma3.rope.local.freq_base",
        ),
        (
            "gemma3",
            {"metadata": {"gemma3.attention.layer_norm_rms_epsilon": None}},
            "Ollama's own kind .no norm epsilon",
        ),
        ("phi3", {"metadata": {"phi3.rope.scaling.type": "yarn"}}, "by 'yarn', which mlx-lm's class does not"),
        (
            "phi3",
            {"metadata": {"phi3.rope.scaling.attn_factor": 1.2}},
            "has an attention factor, but no rope_factors_sh",
        ),
        ("phi3", {"head_size": 32}, "do not divide its width"),
        ("phi3", {"biases": ("attn_qkv",)}, r"attn_qkv\.bias"),
    ],
)
def test_metadata_that_only_some_architectures_could_compute_is_refused(
    tmp_path: Path, architecture: str, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=sentence):
        checked(tmp_path, architecture=architecture, **options)


def test_arguments_come_from_the_metadata(tmp_path: Path) -> None:
    file = GgufFile.open(write_tiny_gguf(tmp_path / "tiny.gguf", head_size=32, tied=False, layers=3))
    arguments = architecture_of(file).arguments(file)
    assert arguments["head_dim"] == 32
    assert arguments["num_hidden_layers"] == 3
    assert arguments["tie_word_embeddings"] is False
    assert arguments["rope_traditional"] is True


def test_block_number_is_read_from_the_name_of_a_module_or_tensor() -> None:
    assert block_of_module("model.layers.22.self_attn.q_proj") == 22
    assert (block_of_tensor("blk.22.attn_q.weight"), block_of_tensor("output.weight")) == (22, None)
