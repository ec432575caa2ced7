from dataclasses import replace
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
from tests.support.tiny_gguf import FAMILIES, write_tiny_gguf


def checked(path: Path, **options: Any) -> None:
    check_supported(GgufFile.open(write_tiny_gguf(path / "tiny.gguf", **options)))


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_supported_models_pass(tmp_path: Path, architecture: str) -> None:
    checked(tmp_path, architecture=architecture)


@pytest.mark.parametrize("architecture", sorted(name for name, entry in ARCHITECTURES.items() if entry.has_head))
def test_a_head_of_its_own_passes(tmp_path: Path, architecture: str) -> None:
    checked(tmp_path, architecture=architecture, tied=False)


@pytest.mark.parametrize("architecture", ["gemma", "gemma2"])
def test_gemma_has_no_head_of_its_own(tmp_path: Path, architecture: str) -> None:
    with pytest.raises(UnsupportedModelError, match=rf"output\.weight, which {architecture} models have not"):
        checked(tmp_path, architecture=architecture, tied=False)


def test_olmo2_needs_a_head_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lacks the tensor output\.weight"):
        checked(tmp_path, architecture="olmo2", tied=True)


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
    others = [*entry.parameters, *entry.described]
    weights = [name for name in file.tensors if name.endswith(".weight") and not name.endswith(tuple(others))]
    modules = [str(entry.mlx_name(name)).removesuffix(".weight") for name in weights]
    assert [entry.gguf_name(module) for module in modules] == weights
    assert len(set(modules)) == len(modules)


def test_fused_tensors_have_fused_modules() -> None:
    phi3 = ARCHITECTURES["phi3"]
    assert phi3.gguf_name("model.layers.3.self_attn.qkv_proj") == "blk.3.attn_qkv.weight"
    assert phi3.gguf_name("model.layers.3.mlp.gate_up_proj") == "blk.3.ffn_up.weight"
    assert phi3.mlx_name("blk.3.attn_q.weight") is None


def test_only_gemmas_norms_are_shifted() -> None:
    assert {name for name, entry in ARCHITECTURES.items() if entry.norm_shift} == {"gemma", "gemma2", "gemma3"}
    gemma = ARCHITECTURES["gemma3"]
    shifted = ["output_norm.weight", "blk.0.attn_q_norm.weight", "blk.0.post_ffw_norm.weight"]
    assert [gemma.shift(name) for name in shifted] == [1.0, 1.0, 1.0]
    assert gemma.shift("blk.0.attn_q.weight") == ARCHITECTURES["llama"].shift("output_norm.weight") == 0.0


def test_a_module_without_a_tensor_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        ARCHITECTURES["llama"].gguf_name("model.layers.0.self_attn.rope")


def test_an_unsupported_architecture_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(
        UnsupportedModelError,
        match="'mamba'; supported are: llama, qwen2, qwen3, qwen35, gemma, gemma2, gemma3, gemma4, phi3, granite",
    ):
        checked(tmp_path, architecture="mamba")


@pytest.mark.parametrize("architecture", ["qwen3moe", "qwen35moe", "gptoss", "gpt-oss", "mamba"])
def test_a_mixture_of_experts_is_refused_with_what_to_take_whatever_its_name(tmp_path: Path, architecture: str) -> None:
    with pytest.raises(UnsupportedModelError, match=f"architecture '{architecture}'") as refused:
        checked(tmp_path, architecture=architecture)
    assert ("take a dense model" in refused.value.hint) == (architecture != "mamba")


def test_olmo_3_by_ollamas_converter_is_refused_with_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="architecture 'olmo3'") as refused:
        checked(tmp_path, architecture="olmo3")
    assert "--base FILE.gguf" in refused.value.hint


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


def with_type_number(path: Path, tensor: str, number: int) -> GgufFile:
    """A tiny file of Q8_0 in which one matrix of 32 columns in a block claims to be of the type of that number."""
    data = bytearray(write_tiny_gguf(path / "tiny.gguf", type_name="Q8_0").read_bytes())
    place = data.index(tensor.encode()) + len(tensor) + 4 + 2 * 8  # the number of dimensions, and two of them
    assert data[place : place + 4] == gguf.GGMLQuantizationType.Q8_0.to_bytes(4, "little")
    data[place : place + 4] = number.to_bytes(4, "little")
    (path / "tiny.gguf").write_bytes(data)
    return GgufFile.open(path / "tiny.gguf")


def test_a_type_that_nobody_knows_is_refused_with_its_tensor_and_number(tmp_path: Path) -> None:
    file = with_type_number(tmp_path, "blk.0.ffn_up.weight", 153)
    with pytest.raises(UnsupportedModelError, match=r"blk\.0\.ffn_up\.weight in .* the tensor type 153, ") as refused:
        check_supported(file)
    assert "Q4_K_M" in refused.value.hint
    assert "llama-cpp-python" in refused.value.hint
    with pytest.raises(UnsupportedModelError, match="153"):
        file.values("blk.0.ffn_up.weight")


def test_a_number_that_means_another_type_elsewhere_is_named(tmp_path: Path) -> None:
    file = with_type_number(tmp_path, "blk.0.ffn_up.weight", 42)
    sentence = r"blk\.0\.ffn_up\.weight in .* the tensor type 42, which is Q2_0 here, and does not take as many bytes"
    with pytest.raises(UnsupportedModelError, match=sentence):
        check_supported(file)


def test_whole_numbers_are_no_weights(tmp_path: Path) -> None:
    file = with_type_number(tmp_path, "blk.0.attn_q.weight", gguf.GGMLQuantizationType.I8)
    with pytest.raises(UnsupportedModelError, match=r"blk\.0\.attn_q\.weight .* is stored as I8, .* read as weights"):
        check_supported(file)


IMAGE_TENSORS = ["v.patch_embd.weight", "mm.input_projection.weight"]


@pytest.mark.parametrize("name", IMAGE_TENSORS)
def test_a_model_that_reads_images_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsupportedModelError, match=f"reads images .it has {name}"):
        checked(tmp_path, architecture="llama", tensors={name: np.ones(16)})


@pytest.mark.parametrize(
    ("architecture", "name", "reads"),
    [("qwen3", "v.blk.0.attn_q.weight", "images"), ("qwen35", "a.conv1d.0.weight", "sound")],
)
def test_the_hint_names_a_file_of_the_text_model_alone(
    tmp_path: Path, architecture: str, name: str, reads: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=f"reads {reads} .it has {name}") as refused:
        checked(tmp_path, architecture=architecture, tensors={name: np.ones(16)})
    assert "text model alone" in refused.value.hint
    assert "--base FILE.gguf" in refused.value.hint


def test_a_key_of_ollamas_converter_has_to_be_a_number(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no number as gemma3\.rope\.local\.freq_base"):
        checked(tmp_path, architecture="gemma3", metadata={"gemma3.rope.local.freq_base": "10000"})


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
            {
                "metadata": {"gemma3.context_length": 131_072, "gemma3.mm.tokens_per_image": 256}
                | {"gemma3.rope.scaling.type": "longrope"}
            },
            "by 'longrope'",
        ),
        ("phi3", {"metadata": {"phi3.rope.scaling.type": "yarn"}}, "by 'yarn', which mlx-lm's class does not"),
        (
            "phi3",
            {"metadata": {"phi3.rope.scaling.attn_factor": 1.2}},
            "has an attention factor, but no rope_factors_sh",
        ),
        ("phi3", {"head_size": 32}, "do not divide its width"),
        ("gemma", {"metadata": {"gemma.rope.scaling.factor": 2.0}}, "by 'linear', which mlx-lm's class does not"),
        ("granite", {"head_size": 32}, "do not divide its width"),
        ("granite", {"metadata": {"granite.rope.scaling.finetuned": False}}, "no rotary positions"),
        ("granite", {"metadata": {"granite.deepstack_mapping": [-1, 1]}}, "reads images in layers of its own"),
        ("granite", {"metadata": {"granite.rope.scaling.attn_factor": 1.2}}, "attention factor of its own"),
        ("granite", {"biases": ("attn_q",)}, r"attn_q\.bias"),
        ("smollm3", {"metadata": {"smollm3.rope.scaling.type": "longrope"}}, "by 'longrope'"),
        ("olmo2", {"head_size": 32}, "do not divide its width"),
        ("olmo2", {"metadata": {"olmo2.rope.scaling.attn_factor": 1.2}}, "attention factor of its own"),
        (
            "olmo2",
            {
                "metadata": {
                    "olmo2.attention.sliding_window": 8,
                    "olmo2.attention.sliding_window_pattern": [True, False, False],
                },
                "layers": 3,
            },
            "no regular order",
        ),
        ("mistral3", {"metadata": {"mistral3.rope.scaling.attn_factor": 1.2}}, "attention factor of its own"),
        ("mistral3", {"metadata": {"mistral3.expert_count": 8}}, "mixture of experts"),
        ("mistral3", {"tensors": {"rope_freqs.weight": np.ones(16)}}, "both a yarn scaling and rope_freqs"),
        ("phi3", {"biases": ("attn_qkv",)}, r"attn_qkv\.bias"),
    ],
)
def test_metadata_that_only_some_architectures_could_compute_is_refused(
    tmp_path: Path, architecture: str, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=sentence):
        checked(tmp_path, architecture=architecture, **options)


def test_norms_over_all_heads_have_their_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "olmo2", replace(FAMILIES["olmo2"], norms_over_heads=False))
    with pytest.raises(InputError, match=r"attn_q_norm.weight is \(16,\), not \(64,\)"):
        checked(tmp_path, architecture="olmo2")


def test_granite_without_a_factor_of_logits_is_refused(tmp_path: Path) -> None:
    for value, sentence in ((None, "no metadata key granite.logit_scale"), (0.0, "has 0 as granite.logit_scale")):
        with pytest.raises(InputError, match=sentence):
            checked(tmp_path, architecture="granite", metadata={"granite.logit_scale": value})


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
