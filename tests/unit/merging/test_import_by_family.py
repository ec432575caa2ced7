"""An adapter by PEFT on a family's Hugging Face weights computes on our base what it computed there."""

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import linear_to_lora_layers, load_adapters

from adapterd.base.architectures import architecture_of
from adapterd.base.families.layers.corrections import ApproximateGeluMLP
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.model import load_mlx_model
from adapterd.base.mlx.weights import put_weights, trained_weights
from adapterd.errors import InputError
from adapterd.merging.exchange.import_adapter import import_adapter
from tests.support.tiny_gguf import write_tiny_gguf
from tests.support.tolerances import assert_close, through_blocks

LAYERS, HEADS, KV_HEADS = 4, 4, 2
IDS = mx.array([[5, 17, 300, 41, 8, 260, 33, 9, 120, 7, 64, 90, 18, 200, 31, 11, 402, 77, 29, 3]])


@dataclass(frozen=True)
class Stock:
    """mlx-lm's class that Hugging Face's weights go into as they are, and the prefix of PEFT's names.

    `halves_apart`: the converter has put the rows of queries and keys into another order.
    """

    module: str
    halves_apart: bool
    arguments: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = "base_model.model."


MINISTRAL = {
    "rope_parameters": {
        "type": "yarn",
        "rope_theta": 1e6,
        "factor": 16.0,
        "original_max_position_embeddings": 16,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
        "llama_4_scaling_beta": 0.1,
    }
}
FAMILIES = {
    "gemma": Stock("gemma", halves_apart=False),
    "granite": Stock("granite", halves_apart=True),
    "smollm3": Stock("smollm3", halves_apart=True, arguments={"rope_traditional": False}),
    "olmo2": Stock("olmo2", halves_apart=False),
    "mistral3": Stock("ministral3", halves_apart=True, arguments=MINISTRAL, prefix="base_model.model.language_model."),
}


def apart(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows as Hugging Face has them: the first of all pairs of a head, then the second of all."""
    size = len(rows) // heads
    return rows[
        [head * size + pair * 2 + part for head in range(heads) for part in (0, 1) for pair in range(size // 2)]
    ]


def hugging_face_model(stock: Stock, base: GgufFile) -> nn.Module:
    """The base as it is before the converter, in mlx-lm's own class."""
    module = importlib.import_module(f"mlx_lm.models.{stock.module}")
    model = module.Model(module.ModelArgs.from_dict(architecture_of(base).arguments(base) | dict(stock.arguments)))
    if stock.module == "gemma":  # whose GELU is not Hugging Face's
        for layer in model.layers:
            layer.mlp.__class__ = ApproximateGeluMLP
    weights = dict(tree_flatten(load_mlx_model(base, dtype=mx.float32).parameters()))
    for name, value in weights.items():
        for projection, heads in (("q_proj", HEADS), ("k_proj", KV_HEADS)):
            if stock.halves_apart and projection in name:
                weights[name] = mx.array(apart(np.array(value), heads))
    model.load_weights(list(weights.items()), strict=True)
    model.freeze()
    return model


def write_peft(folder: Path, factors: Mapping[str, mx.array], prefix: str) -> Path:
    folder.mkdir()
    weights = {
        prefix + name.replace(".lora_a", ".lora_A.weight").replace(".lora_b", ".lora_B.weight"): value.T
        for name, value in factors.items()
    }
    mx.save_safetensors(str(folder / "adapter_model.safetensors"), weights)
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_an_adapter_by_peft_computes_what_it_computed_where_it_was_trained(tmp_path: Path, family: str) -> None:
    stock = FAMILIES[family]
    base = GgufFile.open(write_tiny_gguf(tmp_path / "tiny.gguf", architecture=family, layers=LAYERS))
    ours, theirs = load_mlx_model(base, dtype=mx.float32), hugging_face_model(stock, base)
    terms = through_blocks(LAYERS, positions=IDS.shape[1]) + 64
    assert_close(theirs(IDS), ours(IDS), terms, name="the two layouts are one model:")
    linear_to_lora_layers(theirs, LAYERS, {"rank": 4, "scale": 2.0, "dropout": 0.0})
    factors = {
        name: mx.random.normal(value.shape, key=mx.random.key(number)) / 8
        for number, (name, value) in enumerate(trained_weights(theirs).items())
    }
    put_weights(theirs, factors)
    expected = theirs(IDS)
    assert np.abs(np.array(expected - ours(IDS))).max() > 0.1

    out = tmp_path / "out"
    out.mkdir()
    imported = import_adapter(write_peft(tmp_path / "peft", factors, stock.prefix), base, out)
    assert (imported.modules, imported.layers) == (7 * LAYERS, LAYERS)
    assert imported.reordered == (2 * LAYERS if stock.halves_apart else 0)
    assert_close(load_adapters(ours, str(out))(IDS), expected, terms)


SHARED_IN, SHARED_OUT = (f"model.layers.1.shared_mlp.{name}_linear" for name in ("input", "output"))
"""As transformers calls the feed-forward layer of Granite 4, whose gate is above its upward projection."""


@pytest.fixture
def granite(tmp_path: Path) -> GgufFile:
    return GgufFile.open(write_tiny_gguf(tmp_path / "tiny.gguf", architecture="granite"))


def granite4_factors() -> dict[str, mx.array]:
    shapes = {SHARED_IN: (64, 192), SHARED_OUT: (96, 64)}
    return {
        f"{module}.lora_{name}": mx.random.normal(shape, key=mx.random.key(number)) / 8
        for number, (module, (columns, rows)) in enumerate(shapes.items())
        for name, shape in (("a", (columns, 4)), ("b", (4, rows)))
    }


def test_granite_4s_fused_feed_forward_layers_are_taken_apart(tmp_path: Path, granite: GgufFile) -> None:
    factors = granite4_factors()
    updates = {
        module: 2.0 * (factors[f"{module}.lora_a"] @ factors[f"{module}.lora_b"]).T
        for module in (SHARED_IN, SHARED_OUT)
    }
    changed = load_mlx_model(granite, dtype=mx.float32)
    layer, before = changed.layers[1].mlp, changed(IDS)
    layer.gate_proj.weight = layer.gate_proj.weight + updates[SHARED_IN][:96]
    layer.up_proj.weight = layer.up_proj.weight + updates[SHARED_IN][96:]
    layer.down_proj.weight = layer.down_proj.weight + updates[SHARED_OUT]
    expected = changed(IDS)
    assert np.abs(np.array(expected - before)).max() > 0.01

    (out := tmp_path / "out").mkdir()
    imported = import_adapter(write_peft(tmp_path / "peft", factors, "base_model.model."), granite, out)
    assert (imported.modules, imported.layers) == (3, 1)
    ours = load_adapters(load_mlx_model(granite, dtype=mx.float32), str(out))
    assert_close(ours(IDS), expected, through_blocks(2, positions=IDS.shape[1]) + 64)


def test_a_module_beside_the_fused_one_that_holds_it_is_refused(tmp_path: Path, granite: GgufFile) -> None:
    factors = granite4_factors()
    factors["model.layers.1.mlp.up_proj.lora_a"] = factors[f"{SHARED_IN}.lora_a"]
    factors["model.layers.1.mlp.up_proj.lora_b"] = factors[f"{SHARED_IN}.lora_b"][:, :96]
    with pytest.raises(InputError, match=r"changes model\.layers\.1\.mlp\.up_proj twice"):
        import_adapter(write_peft(tmp_path / "peft", factors, "base_model.model."), granite, tmp_path / "out")


def test_a_fused_module_of_another_size_is_refused_by_its_shape(tmp_path: Path, granite: GgufFile) -> None:
    factors = granite4_factors() | {f"{SHARED_IN}.lora_b": mx.ones((4, 191))}
    with pytest.raises(InputError, match=r"gate_proj is \(191, 64\), the base's \(96, 64\)"):
        import_adapter(write_peft(tmp_path / "peft", factors, "base_model.model."), granite, tmp_path / "out")
