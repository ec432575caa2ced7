"""Gemma 4: heads of two sizes, keys and values that later blocks share or take for both, an embedding of the token for
each block; also where only some blocks run, are recomputed, or are trained."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten

from adapterd.base.architectures import ARCHITECTURES, check_supported
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.blocks import Blocks
from adapterd.base.mlx.model import BlockwiseModel, hidden_states, load_mlx_model
from adapterd.config import TrainingSettings
from adapterd.errors import InputError, UnsupportedModelError
from adapterd.formats.encoded import EncodedExample
from adapterd.merging.examples import MergeExamples
from adapterd.merging.exchange.import_adapter import import_adapter
from adapterd.merging.merge import merge
from adapterd.training.adapter_layers import attach_adapter, save_adapter
from tests.support.ggml_gelu import use_ggml_gelu
from tests.support.tiny_adapter import save_factors
from tests.support.tiny_blocks import gemma4_block_with_unused_keys
from tests.support.tiny_gemma4 import gemma4_without_embeddings_by_block
from tests.support.tiny_gguf import FAMILIES, llama_cpp_logits, mlx_logits, write_tiny_gguf

EXACT, ROUNDED_GELU = 1e-5, 1e-3
"""Where a value lies next to a step of ggml's table, it may fall to either side; each block makes more of it."""
IDS = np.random.default_rng(1).integers(20, 500, size=300).tolist()
EXAMPLES = np.random.default_rng(5).integers(20, 500, (8, 40)).tolist()
SAMPLES = MergeExamples([EncodedExample(tuple(ids), 1, "record") for ids in EXAMPLES])
BLOCKS, OWN = 6, 2
SMALLER = dict.fromkeys(
    (f"gemma4.{key}_swa" for key in ("attention.key_length", "attention.value_length", "rope.dimension_count")), 16
)


@pytest.fixture
def _ggml_gelu(monkeypatch: pytest.MonkeyPatch) -> None:
    use_ggml_gelu(monkeypatch)


@pytest.fixture
def gemma4_path(tmp_path: Path) -> Path:
    """Four blocks share the keys and values of the two below them."""
    return write_tiny_gguf(tmp_path / "tiny.gguf", architecture="gemma4", layers=BLOCKS)


def difference(logits: np.ndarray, expected: np.ndarray) -> float:
    return float(np.sqrt(np.mean((logits - expected) ** 2)) / expected.std())


def loaded(path: Path) -> nn.Module:
    return load_mlx_model(GgufFile.open(path), dtype=mx.float32)


def adapted(path: Path, layers: int) -> tuple[nn.Module, TrainingSettings]:
    """With a random adapter on the top `layers` blocks."""
    settings, model = TrainingSettings(rank=4, alpha=8.0, layers=layers), loaded(path)
    attach_adapter(model, settings)
    own = tree_flatten(model.trainable_parameters())
    model.load_weights([(name, 0.1 * mx.random.normal(value.shape)) for name, value in own], strict=False)
    return model, settings


@pytest.mark.usefixtures("_ggml_gelu")
def test_mlx_computes_what_llama_cpp_computes_far_beyond_the_window(gemma4_path: Path) -> None:
    ours, expected = mlx_logits(gemma4_path, IDS), llama_cpp_logits(gemma4_path, IDS, context=512)
    assert difference(ours, expected) < ROUNDED_GELU
    np.testing.assert_array_equal(ours.argmax(-1), expected.argmax(-1))


@pytest.mark.usefixtures("_ggml_gelu")
def test_keys_that_are_values_agree_too(tmp_path: Path) -> None:
    path = gemma4_without_embeddings_by_block(tmp_path / "tiny.gguf")
    ours, expected = mlx_logits(path, IDS), llama_cpp_logits(path, IDS, context=512)
    assert difference(ours, expected) < ROUNDED_GELU
    np.testing.assert_array_equal(ours.argmax(-1), expected.argmax(-1))


@pytest.mark.usefixtures("_ggml_gelu")
def test_a_block_without_a_factor_of_its_output_has_one_as_in_llama_cpp(tmp_path: Path) -> None:
    gone: dict[str, np.ndarray | None] = {"blk.0.layer_output_scale.weight": None}
    path = write_tiny_gguf(tmp_path / "tiny.gguf", architecture="gemma4", tensors=gone)
    check_supported(GgufFile.open(path))
    assert difference(mlx_logits(path, IDS[:40]), llama_cpp_logits(path, IDS[:40])) < ROUNDED_GELU


def test_a_text_in_two_parts_gives_the_same(gemma4_path: Path) -> None:
    model, ids = loaded(gemma4_path), mx.array([IDS, IDS[::-1]])
    assert difference(np.array(hidden_states(model, ids, 200)), np.array(hidden_states(model, ids)[:, 200:])) < EXACT


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("first", [1, OWN, BLOCKS - 1])
def test_upper_blocks_alone_give_the_same(gemma4_path: Path, first: int, checkpointing: bool) -> None:
    """Those that share keys and values find them in the states, whatever has run below."""
    model, ids = loaded(gemma4_path), mx.array([IDS])
    with Blocks.only(model, 0, first) as lower:
        below = lower.run(ids, None)
    assert below.shape[-1] == BlockwiseModel(GgufFile.open(gemma4_path), dtype=mx.float32).width
    with Blocks.only(model, first, gradient_checkpointing=checkpointing) as upper:
        above = upper.run(ids, below, 200)
    assert difference(np.array(above), np.array(hidden_states(model, ids)[:, 200:])) < EXACT


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_gradient_passes_through_shared_keys_and_values(gemma4_path: Path, checkpointing: bool) -> None:
    """By the adapters of the two blocks that lend them: it is what a small step along it, and one back, change."""
    model, _ = adapted(gemma4_path, BLOCKS)
    ids, weights = mx.array([IDS[:60]]), mx.random.normal((1, 60, 64))

    def loss(_model: nn.Module) -> mx.array:
        return (blocks.run(ids, None) * weights).mean()

    with Blocks.only(model, 0, gradient_checkpointing=checkpointing) as blocks:
        _, gradient = nn.value_and_grad(model, loss)(model)
        lent = {
            name: value
            for name, value in tree_flatten(gradient)
            if name.startswith(("model.layers.0.self_attn.k_proj", "model.layers.1.self_attn.v_proj"))
        }
        assert len(lent) == 4
        norm = float(mx.sqrt(sum((value * value).sum() for value in lent.values())))
        own, step = dict(tree_flatten(model.trainable_parameters())), 5e-4

        def beside(length: float) -> float:
            moved = [(name, own[name] + length / norm * value) for name, value in lent.items()]
            model.load_weights(moved, strict=False)
            return float(loss(model))

        assert (beside(step) - beside(-step)) / (2 * step) == pytest.approx(norm, rel=0.01)


@pytest.mark.parametrize("type_name", ["F32", "Q8_0"])
def test_all_that_has_no_adapter_stays_the_same_bytes(tmp_path: Path, type_name: str) -> None:
    base = write_tiny_gguf(tmp_path / "base.gguf", architecture="gemma4", layers=4, type_name=type_name)
    model, settings = adapted(base, 3)
    (folder := tmp_path / "adapter").mkdir()
    save_adapter(model, settings, folder)
    result = merge(base, folder, tmp_path / "candidate.gguf", examples=SAMPLES)
    before, after = GgufFile.open(base), GgufFile.open(result.candidate)
    changed = {name for name in before.tensors if before.raw(name).tobytes() != after.raw(name).tobytes()}
    modules = {name.rpartition(".")[0] for name, _ in tree_flatten(model.trainable_parameters())}
    touched = set(map(ARCHITECTURES["gemma4"].gguf_name, modules))
    tuned = {name for name in before.tensors if name.endswith("_norm.weight") and name[4] in "123"}
    assert touched <= changed <= touched | tuned
    wanted = mlx_logits(base, IDS[:40], folder)
    logits = llama_cpp_logits if type_name == "F32" else mlx_logits  # llama.cpp rounds activations beside Q8_0
    left = difference(logits(result.candidate, IDS[:40]), wanted)
    assert left < difference(mlx_logits(base, IDS[:40]), wanted) / 3


@pytest.fixture
def unused_keys_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(FAMILIES, "gemma4", replace(FAMILIES["gemma4"], block=gemma4_block_with_unused_keys))
    return write_tiny_gguf(tmp_path / "unused.gguf", architecture="gemma4", layers=BLOCKS, type_name="Q8_0")


UNUSED = {f"model.layers.4.self_attn.{name}_proj": (64, 64) for name in "kv"}


def test_an_adapter_on_keys_that_nobody_reads_is_taken_without_these(unused_keys_path: Path, tmp_path: Path) -> None:
    (out := tmp_path / "ours").mkdir()
    used = {"model.layers.4.self_attn.q_proj": (128, 64), "model.layers.1.self_attn.k_proj": (128, 64)}
    imported = import_adapter(save_factors(tmp_path / "given", used | UNUSED), GgufFile.open(unused_keys_path), out)
    assert (imported.modules, imported.unused) == (2, 2)
    result = merge(unused_keys_path, out, tmp_path / "candidate.gguf", examples=SAMPLES)
    assert result.touched == 2


def test_such_keys_of_an_adapter_of_ours_are_left_as_they_are(unused_keys_path: Path, tmp_path: Path) -> None:
    folder = save_factors(tmp_path / "ours", {"model.layers.4.mlp.up_proj": (192, 64)} | UNUSED)
    result = merge(unused_keys_path, folder, tmp_path / "candidate.gguf", examples=SAMPLES)
    before, after = GgufFile.open(unused_keys_path), GgufFile.open(result.candidate)
    assert result.touched == 1
    for name in ("blk.4.attn_k.weight", "blk.4.attn_v.weight"):
        assert before.raw(name).tobytes() == after.raw(name).tobytes()


def test_an_adapter_on_the_embeddings_by_block_is_refused_by_name(gemma4_path: Path, tmp_path: Path) -> None:
    folder = save_factors(tmp_path / "given", {"model.layers.4.per_layer_input_gate": (32, 64)})
    with pytest.raises(InputError, match=r"4\.per_layer_input_gate, and projections of the embeddings by block"):
        import_adapter(folder, GgufFile.open(gemma4_path), tmp_path / "ours")


def test_an_adapter_on_nothing_else_is_refused(gemma4_path: Path, unused_keys_path: Path, tmp_path: Path) -> None:
    folder = save_factors(tmp_path / "given", UNUSED)
    for path in (gemma4_path, unused_keys_path):
        with pytest.raises(InputError, match=r"changes only model\.layers\.4\.self_attn\.k_proj and its like"):
            import_adapter(folder, GgufFile.open(path), tmp_path / "ours")


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"gemma4.attention.shared_kv_layers": 5}, "shares keys and values between other blocks"),
        ({"gemma4.attention.head_count_kv": [2, 2, 1, 2, 2, 2]}, "differ in gemma4.attention.head_count_kv"),
        ({"gemma4.feed_forward_length": [96] * 2 + [192] * 3 + [96]}, "differ in gemma4.feed_forward_length"),
        ({"gemma4.feed_forward_length": [96] * 2 + [97] * 4}, "feed-forward layers of 96 and of 97 values"),
        ({"gemma4.rope.dimension_count": 32}, "heads of 64 values, but another rope.dimension_count"),
        ({"gemma4.expert_count": 8}, "mixture of experts"),
    ],
)
def test_what_mlx_cannot_compute_is_refused(tmp_path: Path, metadata: dict[str, Any], said: str) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", architecture="gemma4", layers=BLOCKS, metadata=metadata)
    with pytest.raises(UnsupportedModelError, match=said):
        check_supported(GgufFile.open(path))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"metadata": {"gemma4.attention.sliding_window_pattern": 5}}, "does not say of each block"),
        ({"metadata": {"gemma4.feed_forward_length": [96, 0]}}, "no number of each block as gemma4.feed_forward"),
        (
            {"metadata": SMALLER},
            r"blk\.0\.attn_q\.weight is \(128, 64\), not \(64, 64\)",
        ),
        ({"tensors": {"rope_freqs.weight": None}}, r"lacks the tensor rope_freqs\.weight"),
        ({"tensors": {"blk.0.attn_k.weight": None}}, r"lacks the tensor blk\.0\.attn_k\.weight"),
        ({"tensors": {"per_layer_proj_norm.weight": None}}, r"lacks the tensor per_layer_proj_norm\.weight"),
        ({"tensors": {"blk.2.attn_norm.weight": np.ones(64)}}, r"has blk\.2\.attn_norm\.weight, which .* no place for"),
        (
            {"metadata": {"gemma4.embedding_length_per_layer_input": 0}},
            r"has blk\.0\.inp_gate\.weight, which its metadata leave no place for",
        ),
    ],
)
def test_what_contradicts_itself_is_named(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", architecture="gemma4", **options)
    with pytest.raises(InputError, match=said):
        check_supported(GgufFile.open(path))
