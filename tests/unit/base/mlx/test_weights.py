"""Weights go into a model as a whole, or not at all."""

from collections.abc import Callable

import mlx.core as mx
import mlx.nn as nn
import pytest

from adapterd.base.mlx.weights import plain_names, put_weights, trained_weights
from adapterd.errors import InputError

Weights = dict[str, mx.array]


def two_layers() -> nn.Module:
    model = nn.Module()
    model.lower, model.upper = nn.Linear(3, 2), nn.Linear(2, 2)
    model.lower.freeze()
    return model


def ones(model: nn.Module) -> Weights:
    return {name: mx.ones(value.shape) for name, value in trained_weights(model).items()}


def test_weights_replace_all_trainable_parameters_and_nothing_else() -> None:
    model = two_layers()
    frozen = model.lower.weight.tolist()
    put_weights(model, ones(model))
    assert model.upper.weight.tolist() == [[1, 1], [1, 1]]
    assert model.lower.weight.tolist() == frozen


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda w: w.pop("upper.bias"), "upper.bias is missing"),
        (lambda w: w.update({"upper.block.bias": w.pop("upper.bias")}), "upper.bias is missing"),
        (lambda w: w.update({"upper.scale": mx.ones(2)}), "upper.scale has no place in it"),
        (lambda w: w.update({"lower.weight": mx.ones((2, 3))}), "lower.weight has no place in it"),
        (lambda w: w.update({"upper.bias": mx.ones(3)}), r"upper.bias is \(3,\) float32, not \(2,\) float32"),
        (
            lambda w: w.update({"upper.bias": mx.ones(2, mx.float16)}),
            r"upper.bias is \(2,\) float16, not \(2,\) float32",
        ),
        (lambda w: w.clear(), "upper.bias is missing"),
    ],
)
def test_mismatched_weights_are_refused_by_name_and_change_nothing(
    change: Callable[[Weights], object], fault: str
) -> None:
    model = two_layers()
    before, weights = model.upper.weight.tolist(), ones(model)
    change(weights)
    with pytest.raises(InputError, match=f"these weights do not belong to this model: {fault}"):
        put_weights(model, weights)
    assert model.upper.weight.tolist() == before


def test_names_from_within_gradient_checkpointing_are_those_of_the_model() -> None:
    stored = {
        "model.layers.22.block.mlp.up_proj.lora_a": mx.ones(1),
        "model.layers.9.self_attn.q_proj.lora_b": mx.ones(1),
    }
    assert set(plain_names(stored)) == {"model.layers.22.mlp.up_proj.lora_a", "model.layers.9.self_attn.q_proj.lora_b"}


def test_two_weights_of_one_name_are_refused() -> None:
    stored = {"model.layers.2.block.mlp.up_proj.lora_a": mx.ones(1), "model.layers.2.mlp.up_proj.lora_a": mx.ones(1)}
    with pytest.raises(InputError, match=r"two tensors for model\.layers\.2\.mlp\.up_proj\.lora_a"):
        plain_names(stored)
