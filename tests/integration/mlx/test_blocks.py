"""Some of a model's blocks: together they compute what the whole computes, and afterwards the model is whole again."""

from itertools import pairwise

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten

from adapterd.base.architectures import ARCHITECTURES
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.blocks import Blocks
from adapterd.base.mlx.model import hidden_states, load_mlx_model
from tests.support.tiny_gguf import write_tiny_gguf
from tests.support.tolerances import assert_close, through_blocks

BLOCKS = 4
IDS = mx.array(np.random.default_rng(1).integers(20, 500, (2, 24)))
"""Longer than Gemma's windows of 8."""


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> nn.Module:
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    return load_mlx_model(
        GgufFile.open(write_tiny_gguf(path, architecture=request.param, layers=BLOCKS)), dtype=mx.float32
    )


def through(model: nn.Module, *cuts: int) -> np.ndarray:
    """Run the blocks in stretches that begin and end at these numbers."""
    states = None
    for start, end in pairwise(cuts):
        with Blocks.only(model, start, end) as blocks:
            states = blocks.run(IDS, states)
            mx.eval(states)
    return np.array(states)


@pytest.mark.parametrize("cuts", [(0, 4), (0, 1, 4), (0, 2, 4), (0, 3, 4), (0, 1, 2, 3, 4)])
def test_stretches_of_blocks_make_the_whole_model(model: nn.Module, cuts: tuple[int, ...]) -> None:
    assert_close(through(model, *cuts), hidden_states(model, IDS), through_blocks(BLOCKS))


@pytest.mark.parametrize("start", [1, 9, 23])
@pytest.mark.parametrize("gradient_checkpointing", [False, True])
def test_states_from_a_position_on_are_those_of_the_whole(
    model: nn.Module, start: int, gradient_checkpointing: bool
) -> None:
    with Blocks.only(model, 0, 2) as below:
        lower = below.run(IDS, None)
        part = below.run(IDS, None, start)
    with Blocks.only(model, 2, gradient_checkpointing=gradient_checkpointing) as above:
        top = above.run(IDS, lower, start)
    assert_close(part, lower[:, start:], through_blocks(2))
    assert_close(top, hidden_states(model, IDS)[:, start:], through_blocks(BLOCKS))


def test_gradients_from_a_position_on_are_those_of_the_whole(model: nn.Module) -> None:
    model.model.layers[1].unfreeze()

    def squared(model: nn.Module, start: int) -> mx.array:
        return hidden_states(model, IDS, start)[:, 9 - start :].square().sum()

    def gradients(start: int) -> list[tuple[str, mx.array]]:
        found: list[tuple[str, mx.array]] = tree_flatten(nn.value_and_grad(model, squared)(model, start)[1])
        return found

    whole = dict(gradients(0))
    assert whole
    for name, gradient in gradients(9):
        assert_close(gradient, whole[name], 2 * through_blocks(BLOCKS), name=name)
    model.freeze()


def test_blocks_below_the_end_come_without_the_final_norm(model: nn.Module) -> None:
    with Blocks.only(model, 0, 2) as blocks:
        lower = np.array(blocks.run(IDS, None))[..., :64]
    assert np.abs(lower - through(model, 0, 2, 4)).max() > 0.1


def test_blocks_without_an_end_reach_the_top(model: nn.Module) -> None:
    with Blocks.only(model, 0, 3) as blocks:
        lower = blocks.run(IDS, None)
    with Blocks.only(model, 3) as blocks:
        top = np.array(blocks.run(IDS, lower))
    np.testing.assert_array_equal(top, through(model, 0, 3, 4))


def test_states_may_be_given_one_batch_after_the_other(model: nn.Module) -> None:
    states = [mx.random.normal((2, 24, 64), key=mx.random.key(number)) for number in range(2)]
    with Blocks.only(model, 1, 2) as blocks:
        first, second, again = (np.array(blocks.run(IDS, each)) for each in (*states, states[0]))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - second).max() > 0.1


def test_the_model_is_whole_again_whatever_happened(model: nn.Module) -> None:
    own, before = model.model.layers, np.array(hidden_states(model, IDS))
    with pytest.raises(ValueError, match=r"same size|Last dimension"), Blocks.only(model, 1, 3) as blocks:
        blocks.run(IDS, mx.zeros((2, 24, 63)))
    assert model.model.layers is own
    np.testing.assert_array_equal(np.array(hidden_states(model, IDS)), before)


def test_only_the_blocks_that_run_have_parameters(model: nn.Module) -> None:
    with Blocks.only(model, 1, 3):
        inside = [number for number, block in enumerate(model.model.layers) if block.parameters()]
    assert inside == [1, 2]
