"""Gated delta layers in chunks: the same as position by position, in values and gradients, and as mlx-lm's layer."""

from collections.abc import Callable
from dataclasses import replace

import mlx.core as mx
import numpy as np
import pytest
from mlx_lm.models.qwen3_5 import GatedDeltaNet, TextModelArgs

from adapterd.base.families.layers.gated_delta import CHUNK, DeltaCache, GatedDelta, gated_delta

BATCH, HEADS, SIZE = 2, 3, 16
KEY_HEADS, VALUE_HEADS = 2, 6
ARGUMENTS = TextModelArgs(
    hidden_size=32,
    linear_num_value_heads=VALUE_HEADS,
    linear_num_key_heads=KEY_HEADS,
    linear_key_head_dim=SIZE,
    linear_value_head_dim=SIZE,
    linear_conv_kernel_dim=4,
)
Arrays = tuple[mx.array, ...]
Rule = Callable[..., tuple[mx.array, mx.array]]


@pytest.fixture(autouse=True)
def _seed() -> None:
    mx.random.seed(3)


def unit(x: mx.array) -> mx.array:
    return x / mx.sqrt((x * x).sum(axis=-1, keepdims=True))


def inputs(positions: int) -> Arrays:
    """States, queries, keys, values, fading and strength."""
    shape = (BATCH, positions, HEADS)
    queries, keys, values = (mx.random.normal((*shape, SIZE)) for _ in range(3))
    fading, strength = -mx.abs(mx.random.normal(shape)), mx.sigmoid(mx.random.normal(shape))
    return mx.random.normal((BATCH, HEADS, SIZE, SIZE)), queries, unit(keys), values, fading, strength


def stepwise(
    states: mx.array, queries: mx.array, keys: mx.array, values: mx.array, fading: mx.array, strength: mx.array
) -> tuple[mx.array, mx.array]:
    """The rule as it is written down."""
    said = []
    for t in range(values.shape[1]):
        states = states * mx.exp(fading[:, t])[..., None, None]
        wrong = values[:, t] - (states @ keys[:, t][..., None])[..., 0]
        states = states + (strength[:, t][..., None] * wrong)[..., None] * keys[:, t][..., None, :]
        said.append((states @ queries[:, t][..., None])[..., 0])
    return mx.stack(said, axis=1), states


def chunked(
    states: mx.array, queries: mx.array, keys: mx.array, values: mx.array, fading: mx.array, strength: mx.array
) -> tuple[mx.array, mx.array]:
    return gated_delta(queries, keys, values, fading, strength, states)


def close(ours: mx.array, theirs: mx.array, tolerance: float = 1e-5) -> bool:
    return bool(mx.abs(ours - theirs).max() <= tolerance * mx.abs(theirs).max())


@pytest.mark.parametrize("positions", [1, 5, CHUNK, 2 * CHUNK + 11])
def test_chunks_say_what_steps_say(positions: int) -> None:
    given = inputs(positions)
    for ours, theirs in zip(chunked(*given), stepwise(*given), strict=True):
        assert close(ours, theirs)


def test_gradients_are_those_of_the_steps() -> None:
    """By every input, through what is said and through the states that are left."""
    positions = CHUNK + 11
    given = inputs(positions)
    by_said, by_states = mx.random.normal((BATCH, positions, HEADS, SIZE)), mx.random.normal(given[0].shape)

    def gradients(rule: Rule) -> Arrays:
        def loss(*arrays: mx.array) -> mx.array:
            said, states = rule(*arrays)
            return (said * by_said).sum() + (states * by_states).sum()

        return tuple(mx.grad(loss, argnums=list(range(6)))(*given))

    for ours, theirs in zip(gradients(chunked), gradients(stepwise), strict=True):
        assert close(ours, theirs)


def test_keys_that_are_all_the_same_and_gates_that_shut_are_no_trouble() -> None:
    """Then the triangular system is as far from the identity as it can be, and a quotient of gates is 0/0."""
    states, queries, keys, values, fading, _ = inputs(2 * CHUNK)
    keys, strength = mx.broadcast_to(keys[:, :1], keys.shape), mx.ones_like(fading)
    for gate in (mx.zeros_like(fading), mx.full(fading.shape, -1e4)):
        given = (states, queries, keys, values, gate, strength)
        for ours, theirs in zip(chunked(*given), stepwise(*given), strict=True):
            assert close(ours, theirs, 1e-4)
        gradient = mx.grad(lambda *arrays: chunked(*arrays)[0].sum(), argnums=list(range(6)))(*given)
        assert all(bool(mx.isfinite(each).all()) for each in gradient)


def layer(arguments: TextModelArgs = ARGUMENTS) -> GatedDelta:
    made = GatedDelta(arguments)
    for name, module in made.named_modules():
        if "weight" in module and name != "norm":
            module.weight = mx.random.normal(module.weight.shape) * 0.5
    made.decay = -mx.exp(mx.random.normal((VALUE_HEADS,)))
    made.dt_bias = mx.random.normal((VALUE_HEADS,))
    made.norm.weight = mx.random.normal(made.norm.weight.shape)
    return made


def as_mlx_lm_has_it(ours: GatedDelta) -> GatedDeltaNet:
    """Value heads back from turns (first of each key head, second of each, …) to groups, and A_log from the decay."""
    theirs, key_values = GatedDeltaNet(ARGUMENTS), 2 * KEY_HEADS * SIZE
    turns = np.arange(VALUE_HEADS).reshape(VALUE_HEADS // KEY_HEADS, KEY_HEADS).T.reshape(-1)
    rows = (turns[:, None] * SIZE + np.arange(SIZE)).reshape(-1)
    mixed = mx.array(np.concatenate([np.arange(key_values), key_values + rows]))
    by_head, by_row = mx.array(turns), mx.array(rows)
    theirs.in_proj_qkv.weight = ours.in_proj_qkv.weight[mixed]
    theirs.conv1d.weight = ours.conv1d.weight[mixed][..., None]
    theirs.in_proj_z.weight = ours.in_proj_z.weight[by_row]
    theirs.in_proj_a.weight, theirs.in_proj_b.weight = ours.in_proj_a.weight[by_head], ours.in_proj_b.weight[by_head]
    theirs.A_log, theirs.dt_bias = mx.log(-ours.decay)[by_head], ours.dt_bias[by_head]
    theirs.norm.weight, theirs.out_proj.weight = ours.norm.weight, ours.out_proj.weight[:, by_row]
    return theirs


def test_the_layer_is_mlx_lms_with_the_value_heads_dealt_out_in_turn() -> None:
    ours, x = layer(), mx.random.normal((2, CHUNK + 9, 32))
    assert close(ours(x), as_mlx_lm_has_it(ours)(x))


def test_a_sequence_in_two_parts_gives_the_same() -> None:
    ours, x, cache = layer(), mx.random.normal((2, CHUNK + 9, 32)), DeltaCache()
    first = ours(x[:, :20], None, cache)
    assert cache.offset == 20
    assert close(mx.concatenate([first, ours(x[:, 20:], None, cache)], axis=1), ours(x))


def test_a_backward_pass_needs_little_memory_beside_a_graph_of_steps() -> None:
    """With heads of half the real size, which are what a step has to keep."""
    sizes = replace(ARGUMENTS, linear_key_head_dim=64, linear_value_head_dim=64)
    ours, theirs, x = layer(sizes), GatedDeltaNet(sizes), mx.random.normal((1, 4 * CHUNK, 32))
    theirs.train()

    def peak_bytes(run: Callable[[mx.array], mx.array]) -> int:
        mx.eval(ours.parameters(), theirs.parameters(), x)
        before = mx.get_active_memory()
        mx.reset_peak_memory()
        mx.eval(mx.grad(lambda given: run(given).sum())(x))
        return mx.get_peak_memory() - before

    assert peak_bytes(ours) < peak_bytes(theirs) / 4
