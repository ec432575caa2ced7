"""Gradient checkpointing: the same names, the same masks, the same gradients."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import linear_to_lora_layers

from adapterd.base.architectures import ARCHITECTURES
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.blocks import Blocks
from adapterd.base.mlx.model import load_mlx_model
from adapterd.base.mlx.random_state import random_key, set_random_key
from adapterd.base.mlx.weights import put_weights, trained_weights
from tests.support.tiny_gguf import write_tiny_gguf
from tests.support.tolerances import assert_close, rounding, through_blocks

IDS = mx.array(np.random.default_rng(1).integers(20, 500, (2, 24)))
BLOCKS, WIDTH = 4, 64
DIRECTION = 20 * mx.random.normal((2, 24, WIDTH), key=mx.random.key(9))
"""What the loss is measured along; states behind the final norm are of size 1."""
SIZE = 20.0
"""Of the terms of which the loss is the mean."""


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> nn.Module:
    """With an adapter on its two upper blocks, of which neither factor is zero."""
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    write_tiny_gguf(path, architecture=request.param, layers=BLOCKS)
    return with_adapter(load_mlx_model(GgufFile.open(path), dtype=mx.float32), dropout=0.5)


def with_adapter(model: nn.Module, dropout: float) -> nn.Module:
    linear_to_lora_layers(model, 2, {"rank": 4, "scale": 2.0, "dropout": dropout})
    random = np.random.default_rng(7)
    put_weights(
        model,
        {
            name: mx.array((0.1 * random.standard_normal(value.shape)).astype(np.float32))
            for name, value in trained_weights(model).items()
        },
    )
    return model


@contextmanager
def upper_blocks(model: nn.Module, *, gradient_checkpointing: bool) -> Iterator[Blocks]:
    with Blocks.only(model, 2, gradient_checkpointing=gradient_checkpointing) as blocks:
        yield blocks


def states(model: nn.Module) -> mx.array:
    """Between blocks; Gemma 4's carry keys and values besides."""
    return mx.random.normal((2, 24, WIDTH + getattr(model.model, "carried", 0)), key=mx.random.key(3))


def loss_and_gradients(
    model: nn.Module, *, gradient_checkpointing: bool, seed: int = 5
) -> tuple[float, dict[str, np.ndarray]]:
    with upper_blocks(model, gradient_checkpointing=gradient_checkpointing) as blocks:
        mx.random.seed(seed)
        loss, gradients = nn.value_and_grad(model, lambda _: (blocks.run(IDS, states(model)) * DIRECTION).mean())(model)
        mx.eval(loss, gradients)
    return float(loss), {name: np.array(value) for name, value in tree_flatten(gradients)}


def test_trainable_parameters_keep_their_names(model: nn.Module) -> None:
    plain = sorted(trained_weights(model))
    with upper_blocks(model, gradient_checkpointing=True):
        assert sorted(trained_weights(model)) == plain
        assert sorted(loss_and_gradients(model, gradient_checkpointing=True)[1]) == plain


@pytest.mark.parametrize("training", [False, True], ids=["without dropout", "with dropout"])
def test_gradients_are_those_without_checkpointing(model: nn.Module, training: bool) -> None:
    model.train(training)
    (loss, plain), (again, recomputed) = (
        loss_and_gradients(model, gradient_checkpointing=gradient_checkpointing)
        for gradient_checkpointing in (False, True)
    )
    # There and back, and as many sums again for what is shared by all positions.
    terms = 4 * through_blocks(2)
    assert abs(loss - again) <= rounding(terms) * SIZE
    for name, value in plain.items():
        assert_close(recomputed[name], value, terms, name=name)


def test_with_dropout_the_gradient_is_that_of_the_loss(model: nn.Module) -> None:
    """Along itself, against central differences, with masks drawn from the same key."""
    model.train()
    own = trained_weights(model)
    gradients = loss_and_gradients(model, gradient_checkpointing=True)[1]
    length = float(np.sqrt(sum(np.square(value).sum() for value in gradients.values())))

    def loss_at(distance: float) -> float:
        put_weights(
            model, {name: value + mx.array(gradients[name]) * (distance / length) for name, value in own.items()}
        )
        return loss_and_gradients(model, gradient_checkpointing=True)[0]

    step = 0.005
    slopes = [(loss_at(far) - loss_at(-far)) / (2 * far) for far in (step, 2 * step)]
    put_weights(model, own)
    # What differences lose is of third order, of which the wider one has four times as much; and rounding of the loss.
    lost = abs(slopes[1] - slopes[0]) + rounding(through_blocks(2)) * SIZE / step
    assert lost < length / 4, "the differences say something"
    assert abs(length - slopes[0]) <= lost


def test_random_numbers_continue_as_without_checkpointing(model: nn.Module) -> None:
    model.train()
    keys = []
    for gradient_checkpointing in (False, True):
        loss_and_gradients(model, gradient_checkpointing=gradient_checkpointing)
        keys.append(random_key().tolist())
    assert keys[0] == keys[1]


def test_a_restored_random_key_gives_the_same_numbers() -> None:
    mx.random.seed(123)
    mx.random.uniform()
    key = random_key()
    first = mx.random.uniform(shape=(5,)).tolist()
    set_random_key(key)
    assert mx.random.uniform(shape=(5,)).tolist() == first


def test_blocks_have_their_own_class_again_afterwards(model: nn.Module) -> None:
    before, kinds = dict(tree_flatten(model.parameters())), [type(block) for block in model.layers]
    loss_and_gradients(model, gradient_checkpointing=True)
    after: dict[str, Any] = dict(tree_flatten(model.parameters()))
    assert [type(block) for block in model.layers] == kinds
    assert all(np.array_equal(np.array(before[name]), np.array(after[name])) for name in before | after)
    with (
        pytest.raises(ValueError, match=r"same size|Last dimension|Cannot reshape"),
        upper_blocks(model, gradient_checkpointing=True) as blocks,
    ):
        blocks.run(IDS, mx.zeros((2, 24, WIDTH - 1)))
    assert [type(block) for block in model.layers] == kinds
