"""Weights that stay quantised: the same values to the bit, and models that compute, train and refuse as before."""

from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten

from adapterd.base.architectures import ARCHITECTURES
from adapterd.base.gguf.ggml import dequantize, quantize
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.quants import QUANT_TYPES
from adapterd.base.mlx.model import BlockwiseModel, hidden_states, load_mlx_model, project
from adapterd.base.mlx.quantized_layers import (
    BITS,
    GROUP,
    ExactQuantizedEmbedding,
    ExactQuantizedLinear,
    QuantizedWeight,
)
from adapterd.config import TrainingSettings
from adapterd.errors import InputError
from adapterd.training.adapter_layers import attach_adapter
from tests.support.tiny_gguf import write_tiny_gguf
from tests.support.tolerances import assert_close, through_blocks

IDS = mx.array(np.random.default_rng(1).integers(20, 500, (2, 24)))


def logits(model: nn.Module) -> np.ndarray:
    return np.array(project(model, hidden_states(model, IDS)))


@pytest.mark.parametrize("type_name", BITS)
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e4])
def test_quantised_values_are_those_of_the_file_to_the_bit(type_name: str, size: float) -> None:
    values = np.random.default_rng(3).standard_normal((16, 512)).astype(np.float32) * np.float32(size)
    values[0] = 0
    stored = quantize(values, type_name)
    quantized = QuantizedWeight.from_ggml(stored, type_name, 512)
    unpacked = mx.dequantize(
        quantized.codes, quantized.scales, quantized.biases, group_size=GROUP, bits=BITS[type_name]
    )
    np.testing.assert_array_equal(np.array(unpacked), dequantize(stored, type_name))


def test_every_type_with_groups_of_32_is_quantized() -> None:
    assert BITS.keys() == QUANT_TYPES - {"Q6_K"}


@pytest.mark.parametrize("type_name", BITS)
@pytest.mark.parametrize("tied", [True, False])
def test_a_model_computes_the_same(tmp_path: Path, type_name: str, tied: bool) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", type_name=type_name, hidden=256, ffn=512, tied=tied)
    plain, quantized = (load_mlx_model(GgufFile.open(path), dtype=mx.float32, quantized=each) for each in (False, True))
    kinds = {type(module) for module in quantized.modules()}
    assert {ExactQuantizedLinear, ExactQuantizedEmbedding} <= kinds
    assert nn.Linear not in kinds
    assert_close(logits(quantized), logits(plain), through_blocks(2, width=256, ffn=512) + 256)
    assert _bytes(quantized) < _bytes(plain) / 2.5


def _bytes(model: nn.Module) -> int:
    return sum(value.nbytes for _, value in tree_flatten(model.parameters()))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_computes_the_same(tmp_path: Path, architecture: str) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", architecture=architecture, type_name="Q4_0")
    plain, quantized = (load_mlx_model(GgufFile.open(path), dtype=mx.float32, quantized=each) for each in (False, True))
    assert any(isinstance(module, ExactQuantizedLinear) for module in quantized.modules())
    assert_close(logits(quantized), logits(plain), through_blocks(2) + 64)


def test_a_weight_that_mlx_cannot_hold_exactly_is_dequantised(tmp_path: Path) -> None:
    path = write_tiny_gguf(
        tmp_path / "tiny.gguf", type_name="Q4_K", types={"attn_v": "Q6_K", "ffn_down": "F16"}, hidden=256, ffn=256
    )
    model = load_mlx_model(GgufFile.open(path), dtype=mx.float32, quantized=True)
    layer = model.layers[0]
    assert type(layer.self_attn.v_proj) is nn.Linear
    assert type(layer.mlp.down_proj) is nn.Linear
    assert type(layer.self_attn.q_proj) is ExactQuantizedLinear
    np.testing.assert_array_equal(
        np.array(layer.self_attn.v_proj.weight), GgufFile.open(path).values("blk.0.attn_v.weight")
    )


def test_states_are_of_the_type_that_the_model_computes_in(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", type_name="Q5_1")
    model = load_mlx_model(GgufFile.open(path), dtype=mx.bfloat16, quantized=True)
    assert hidden_states(model, IDS).dtype == mx.bfloat16


@pytest.mark.parametrize("type_name", ["Q4_0", "Q5_0", "Q8_0"])
def test_an_adapter_has_the_same_gradients(tmp_path: Path, type_name: str) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", type_name=type_name)
    settings = TrainingSettings(rank=4, layers=2)

    def gradients(quantized: bool) -> dict[str, mx.array]:
        model = load_mlx_model(GgufFile.open(path), dtype=mx.float32, quantized=quantized)
        attach_adapter(model, settings)
        _, found = nn.value_and_grad(model, lambda m: project(m, hidden_states(m, IDS)).square().mean())(model)
        return dict(tree_flatten(found))

    plain, quantized = gradients(False), gradients(True)
    assert plain.keys() == quantized.keys() != set()
    largest = max(float(np.abs(np.array(value)).max()) for value in plain.values())
    for name, value in plain.items():
        assert_close(quantized[name], value, 2 * through_blocks(2) + 2 * 64, largest, name)
    assert any(np.abs(np.array(value)).max() > 1e-3 for value in plain.values())


def test_quantised_blocks_are_loaded_and_emptied(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", type_name="Q4_0")
    whole = load_mlx_model(GgufFile.open(path), dtype=mx.float32, quantized=True)
    source = BlockwiseModel(GgufFile.open(path), dtype=mx.float32, quantized=True)
    with source.loaded(0, 2) as model:
        np.testing.assert_array_equal(logits(model), logits(whole))
    np.testing.assert_array_equal(logits(source.keep(0)), logits(whole))


def test_a_tensor_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", type_name="Q4_0", metadata={"llama.feed_forward_length": 128})
    with pytest.raises(InputError, match="shape contradicts the metadata"):
        load_mlx_model(GgufFile.open(path), dtype=mx.float32, quantized=True)
