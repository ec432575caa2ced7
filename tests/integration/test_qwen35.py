"""Qwen 3.5: gated delta layers in the file's order, blocks that guess ahead, and adapters on the other projections."""

from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten

from adapterd.base.architectures import ARCHITECTURES, check_supported
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.base.mlx.blocks import Blocks
from adapterd.base.mlx.dequantized import write_dequantized
from adapterd.base.mlx.model import hidden_states, load_mlx_model
from adapterd.config import TrainingSettings
from adapterd.errors import InputError, UnsupportedModelError
from adapterd.formats.encoded import EncodedExample
from adapterd.merging.examples import MergeExamples
from adapterd.merging.exchange.import_adapter import import_adapter
from adapterd.merging.merge import merge
from adapterd.training.adapter_layers import attach_adapter, save_adapter
from tests.support.tiny_adapter import save_factors
from tests.support.tiny_gguf import llama_cpp_logits, mlx_logits, write_tiny_gguf

EXACT = 1e-5
IDS = np.random.default_rng(1).integers(20, 500, size=300).tolist()
EVERY_FOURTH = {"qwen35.full_attention_interval": None}
"""As the models have it, and as llama.cpp takes it where a file does not say."""
EXAMPLES = np.random.default_rng(5).integers(20, 500, (8, 40)).tolist()
SAMPLES = MergeExamples([EncodedExample(tuple(ids), 1, "record") for ids in EXAMPLES])


@pytest.fixture
def qwen35_path(tmp_path: Path) -> Path:
    """Four blocks and one that guesses ahead."""
    return write_tiny_gguf(tmp_path / "tiny.gguf", architecture="qwen35", layers=4, ahead=1, metadata=EVERY_FOURTH)


def difference(logits: np.ndarray, expected: np.ndarray) -> float:
    return float(np.sqrt(np.mean((logits - expected) ** 2)) / expected.std())


def model_of(path: Path, layers: int) -> tuple[nn.Module, TrainingSettings]:
    """With a random adapter on the top `layers` blocks."""
    settings = TrainingSettings(rank=4, alpha=8.0, layers=layers)
    model = load_mlx_model(GgufFile.open(path), dtype=mx.float32)
    attach_adapter(model, settings)
    own = tree_flatten(model.trainable_parameters())
    model.load_weights([(name, 0.1 * mx.random.normal(value.shape)) for name, value in own], strict=False)
    return model, settings


def test_mlx_computes_what_llama_cpp_computes_beyond_several_chunks(qwen35_path: Path) -> None:
    ours, expected = mlx_logits(qwen35_path, IDS), llama_cpp_logits(qwen35_path, IDS, context=512)
    assert difference(ours, expected) < EXACT
    np.testing.assert_array_equal(ours.argmax(-1), expected.argmax(-1))


def test_value_heads_beside_those_of_the_same_key_head_would_say_something_else(qwen35_path: Path) -> None:
    """So it is the order of the file's heads that the comparison above is about."""
    model = load_mlx_model(GgufFile.open(qwen35_path), dtype=mx.float32)
    ids, layer = mx.array([IDS]), model.layers[0].linear_attn
    before = hidden_states(model, ids)
    heads = np.arange(6).reshape(2, 3).T.reshape(-1)
    rows = (heads[:, None] * 16 + np.arange(16)).reshape(-1)
    layer.out_proj.weight = layer.out_proj.weight[:, mx.array(rows)]
    assert difference(np.array(hidden_states(model, ids)), np.array(before)) > 0.1


def test_a_text_in_two_parts_gives_the_same(qwen35_path: Path) -> None:
    model = load_mlx_model(GgufFile.open(qwen35_path), dtype=mx.float32)
    ids = mx.array([IDS, IDS[::-1]])
    parts, whole = hidden_states(model, ids, 200), hidden_states(model, ids)[:, 200:]
    assert difference(np.array(parts), np.array(whole)) < EXACT


@pytest.mark.parametrize("checkpointing", [False, True])
def test_upper_blocks_alone_give_the_same(qwen35_path: Path, checkpointing: bool) -> None:
    model = load_mlx_model(GgufFile.open(qwen35_path), dtype=mx.float32)
    ids = mx.array([IDS])
    with Blocks.only(model, 0, 2) as lower:
        below = lower.run(ids, None)
    with Blocks.only(model, 2, gradient_checkpointing=checkpointing) as upper:
        above = upper.run(ids, below, 200)
    assert difference(np.array(above), np.array(hidden_states(model, ids)[:, 200:])) < EXACT


def test_a_gradient_passes_through_the_gated_delta_layers(qwen35_path: Path) -> None:
    """By the lowest block's adapter: it is what a small step along it, and one back, change the loss by."""
    model, _ = model_of(qwen35_path, 4)
    ids, weights = mx.array([IDS[:100]]), mx.random.normal((1, 100, 64))

    def loss(model: nn.Module) -> mx.array:
        return (hidden_states(model, ids) * weights).mean()

    _, gradient = nn.value_and_grad(model, loss)(model)
    lowest = {name: value for name, value in tree_flatten(gradient) if name.startswith("model.layers.0.mlp.")}
    assert len(lowest) == 6
    norm = float(mx.sqrt(sum((value * value).sum() for value in lowest.values())))
    own, step = dict(tree_flatten(model.trainable_parameters())), 2e-4

    def beside(length: float) -> float:
        moved = [(name, own[name] + length / norm * value) for name, value in lowest.items()]
        model.load_weights(moved, strict=False)
        return float(loss(model))

    assert (beside(step) - beside(-step)) / (2 * step) == pytest.approx(norm, rel=0.01)


def test_gates_stay_exact_where_weights_are_16_bit(qwen35_path: Path) -> None:
    file = GgufFile.open(qwen35_path)
    model = load_mlx_model(file, dtype=mx.bfloat16)
    layer = model.layers[0].linear_attn
    np.testing.assert_array_equal(np.array(layer.decay), file.values("blk.0.ssm_a"))
    np.testing.assert_array_equal(np.array(layer.dt_bias), file.values("blk.0.ssm_dt.bias"))
    assert layer.in_proj_a.weight.dtype == hidden_states(model, mx.array([IDS[:8]])).dtype == mx.bfloat16


def test_only_attention_and_feed_forward_layers_get_an_adapter(qwen35_path: Path) -> None:
    model, _ = model_of(qwen35_path, 4)
    adapted = {name.rpartition(".")[0].split(".", 3)[3] for name, _ in tree_flatten(model.trainable_parameters())}
    attention = {f"self_attn.{name}_proj" for name in "qkvo"}
    assert adapted == attention | {f"mlp.{name}_proj" for name in ("gate", "up", "down")}


@pytest.mark.parametrize("type_name", ["F32", "Q8_0"])
def test_all_that_has_no_adapter_stays_the_same_bytes(qwen35_path: Path, tmp_path: Path, type_name: str) -> None:
    base = write_tiny_gguf(
        tmp_path / "base.gguf", architecture="qwen35", layers=4, ahead=1, metadata=EVERY_FOURTH, type_name=type_name
    )
    model, settings = model_of(base, 3)
    (folder := tmp_path / "adapter").mkdir()
    save_adapter(model, settings, folder)
    result = merge(base, folder, tmp_path / "candidate.gguf", examples=SAMPLES)
    before, after = GgufFile.open(base), GgufFile.open(result.candidate)
    changed = {name for name in before.tensors if before.raw(name).tobytes() != after.raw(name).tobytes()}
    adapted = {name.rpartition(".")[0] for name, _ in tree_flatten(model.trainable_parameters())}
    touched = set(map(ARCHITECTURES["qwen35"].gguf_name, adapted))
    tuned = {name for name in before.tensors if name.endswith("_norm.weight") and name[4] in "123"}
    assert touched <= changed <= touched | tuned
    wanted = mlx_logits(base, IDS[:40], folder)
    left = difference(llama_cpp_logits(result.candidate, IDS[:40]), wanted)
    assert left < difference(mlx_logits(base, IDS[:40]), wanted) / 3


def test_blocks_that_guess_ahead_may_have_a_type_that_is_not_trained(tmp_path: Path) -> None:
    base = write_tiny_gguf(
        tmp_path / "base.gguf", architecture="qwen35", ahead=1, type_name="Q8_0", types={"eh_proj": "MXFP4"}
    )
    check_supported(GgufFile.open(base))
    folder = save_factors(tmp_path / "adapter", {"model.layers.1.mlp.up_proj": (96, 64)})
    held_out = MergeExamples(SAMPLES.train, SAMPLES.train[:2])
    result = merge(base, folder, tmp_path / "candidate.gguf", examples=held_out)
    assert result.retention is not None
    assert result.retention.kept is not None
    before, after = GgufFile.open(base), GgufFile.open(result.candidate)
    for name in (name for name in before.tensors if name.startswith("blk.2.")):
        assert before.raw(name).tobytes() == after.raw(name).tobytes()


def test_an_adapter_of_mlx_lm_on_these_is_taken(qwen35_path: Path, tmp_path: Path) -> None:
    shapes = {"model.layers.3.self_attn.q_proj": (256, 64), "model.layers.1.mlp.down_proj": (64, 96)}
    (out := tmp_path / "ours").mkdir()
    imported = import_adapter(save_factors(tmp_path / "given", shapes), GgufFile.open(qwen35_path), out)
    assert (imported.modules, imported.layers, imported.reordered) == (2, 3, 0)


def test_an_adapter_on_a_gated_delta_layer_is_refused_by_name(qwen35_path: Path, tmp_path: Path) -> None:
    folder = save_factors(tmp_path / "given", {"model.layers.0.linear_attn.in_proj_z": (96, 64)})
    with pytest.raises(InputError, match=r"model\.layers\.0\.linear_attn\.in_proj_z.*gated delta layers"):
        import_adapter(folder, GgufFile.open(qwen35_path), tmp_path / "ours")


def as_ollama_once_wrote_it(path: Path) -> Path:
    """The converter of Ollama: heads counted by block, three sections, another name for the time step's bias."""
    plain = GgufFile.open(write_tiny_gguf(path, architecture="qwen35"))
    steps = {"blk.0.ssm_dt": plain.values("blk.0.ssm_dt.bias"), "blk.0.ssm_dt.bias": None}
    metadata: dict[str, Any] = {
        "qwen35.attention.head_count_kv": [0, 2],
        "qwen35.rope.dimension_sections": [2, 1, 1],
        "qwen35.rope.mrope_interleaved": True,
        "qwen35.ssm.v_head_reordered": True,
    }
    return write_tiny_gguf(path, architecture="qwen35", metadata=metadata, tensors=steps)


def test_a_file_of_ollamas_converter_computes_the_same(tmp_path: Path) -> None:
    plain = write_tiny_gguf(tmp_path / "plain.gguf", architecture="qwen35")
    ollamas = as_ollama_once_wrote_it(tmp_path / "ollama.gguf")
    np.testing.assert_array_equal(mlx_logits(ollamas, IDS[:40]), mlx_logits(plain, IDS[:40]))


def test_llama_cpp_reads_the_language_model_of_such_a_file(tmp_path: Path) -> None:
    plain = write_tiny_gguf(tmp_path / "plain.gguf", architecture="qwen35")
    ollamas, copy = as_ollama_once_wrote_it(tmp_path / "ollama.gguf"), tmp_path / "copy.gguf"
    write_dequantized(copy, GgufFile.open(ollamas), {})
    np.testing.assert_array_equal(llama_cpp_logits(copy, IDS[:40]), llama_cpp_logits(plain, IDS[:40]))
    text = "Longmeadow paid $421 million."
    assert Tokenizer.open(ollamas).encode_prompt(text) == Tokenizer.open(plain).encode_prompt(text)


def test_such_a_file_is_merged_and_measured(tmp_path: Path) -> None:
    base = as_ollama_once_wrote_it(tmp_path / "ollama.gguf")
    folder = save_factors(tmp_path / "adapter", {"model.layers.1.mlp.up_proj": (96, 64)})
    examples = MergeExamples(SAMPLES.train, SAMPLES.train[:2])
    result = merge(base, folder, tmp_path / "candidate.gguf", examples=examples)
    assert result.retention is not None
    assert result.retention.kept == pytest.approx(1.0, abs=0.01)
    before, after = GgufFile.open(base), GgufFile.open(result.candidate)
    assert after.metadata_bytes == before.metadata_bytes
    assert list(after.tensors) == list(before.tensors)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"qwen35.attention.head_count_kv": [0, 2, 0, 4]}, "layers that differ in qwen35.attention.head_count_kv"),
        ({"qwen35.attention.recurrent_layers": [False, True]}, "gated delta layers in no regular order"),
        ({"qwen35.full_attention_interval": 3}, "no block with attention"),
        ({"qwen35.rope.scaling.type": "yarn", "qwen35.rope.scaling.factor": 4.0}, "scales rotary positions by 'yarn'"),
        ({"qwen35.expert_count": 8}, "mixture of experts"),
    ],
)
def test_what_mlx_cannot_compute_is_refused(tmp_path: Path, metadata: dict[str, Any], said: str) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", architecture="qwen35", metadata=metadata)
    with pytest.raises(UnsupportedModelError, match=said):
        check_supported(GgufFile.open(path))


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"qwen35.ssm.group_count": 4}, "6 value heads, 4 key heads"),
        ({"qwen35.ssm.inner_size": 90}, "and 90 values"),
        ({"qwen35.ssm.conv_kernel": 5}, r"blk\.0\.ssm_conv1d\.weight is \(160, 4\), not \(160, 5\)"),
        ({"qwen35.nextn_predict_layers": 2}, "has 2 blocks, of which 2 only guess tokens ahead"),
    ],
)
def test_what_contradicts_itself_is_named(tmp_path: Path, metadata: dict[str, Any], said: str) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", architecture="qwen35", metadata=metadata)
    with pytest.raises(InputError, match=said):
        check_supported(GgufFile.open(path))


@pytest.mark.parametrize("name", ["ssm_a", "ssm_dt.bias"])
def test_a_gated_delta_layer_without_a_gate_is_named(tmp_path: Path, name: str) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", architecture="qwen35", tensors={f"blk.0.{name}": None})
    with pytest.raises(InputError, match=rf"lacks the tensor blk\.0\.{name}"):
        check_supported(GgufFile.open(path))


@pytest.mark.parametrize("name", ["blk.0.attn_k.weight", "blk.1.ssm_a", "blk.1.ssm_norm.weight", "blk.2.ffn_up.weight"])
def test_a_tensor_in_a_block_of_another_kind_is_named(tmp_path: Path, name: str) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", architecture="qwen35", tensors={name: np.ones(16)})
    with pytest.raises(InputError, match=f"has {name}, which its metadata leave no place for"):
        check_supported(GgufFile.open(path))
