"""Parallel streams give the same values as one stream."""

import os
from collections.abc import Iterator

import mlx.core as mx
import numpy as np
import pytest

from adapterd.base.architectures import ARCHITECTURES
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx import streams
from adapterd.base.mlx.model import hidden_states, load_mlx_model
from adapterd.base.mlx.streams import SINGLE_STREAM, ParallelStreams
from tests.support.tiny_gguf import write_tiny_gguf

FACTORS = {"rope_freqs.weight": np.linspace(1, 2, 8, dtype=np.float32)}


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "processors", lambda: 2)
    monkeypatch.setattr(streams, "on_gpu", lambda: False)
    monkeypatch.setenv(*streams.WIDTH)


def numbers(count: int) -> Iterator[mx.array]:
    for number in range(count):
        yield mx.array(np.random.default_rng(number).standard_normal((40, 40)).astype(np.float32))


def squared(matrix: mx.array) -> tuple[mx.array, dict[str, mx.array]]:
    return matrix @ matrix, {"exp": mx.exp(matrix).sum()}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_parallel_streams_give_the_results_of_one_stream_in_order(count: int) -> None:
    two = ParallelStreams.available(2)
    side_by_side = list(two.map(squared, numbers(count)))
    for (product, total), (expected, of_all) in zip(
        side_by_side, SINGLE_STREAM.map(squared, numbers(count)), strict=True
    ):
        np.testing.assert_array_equal(np.array(product), np.array(expected))
        assert total["exp"].item() == of_all["exp"].item()


def test_there_are_no_more_streams_than_processors_or_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    for wanted, count in ((0, 1), (1, 1), (2, 2), (16, 2)):
        found = ParallelStreams.available(wanted)
        assert found.count == count
    monkeypatch.setattr(streams, "on_gpu", lambda: True)
    found = ParallelStreams.available(2)
    assert found.count == 1


def test_the_breadth_of_mlx_is_set_unless_the_environment_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    variable, width = streams.WIDTH
    monkeypatch.delenv(variable)
    ParallelStreams.available(1)
    assert variable not in os.environ
    ParallelStreams.available(2)
    assert os.environ[variable] == width
    monkeypatch.setenv(variable, "7")
    ParallelStreams.available(2)
    assert os.environ[variable] == "7"


def test_no_more_is_begun_than_there_are_streams() -> None:
    begun: list[int] = []

    def build(number: int) -> mx.array:
        begun.append(number)
        return mx.array(number) + 1

    two = ParallelStreams.available(2)
    results = two.map(build, range(5))
    assert next(results).item() == 1
    assert begun == [0, 1]


def test_random_numbers_are_drawn_in_order() -> None:
    def drawn(_: int) -> mx.array:
        return mx.random.uniform(shape=(3,))

    def with_seed(given: ParallelStreams) -> list[list[float]]:
        mx.random.seed(7)
        return [values.tolist() for values in given.map(drawn, range(4))]  # type: ignore[misc]

    two = ParallelStreams.available(2)
    assert with_seed(two) == with_seed(SINGLE_STREAM)


def test_an_error_comes_through_and_the_next_ones_are_computed() -> None:
    def build(number: int) -> mx.array:
        return mx.zeros((2, 2)) @ mx.zeros((2 if number else 3, 2))

    two = ParallelStreams.available(2)
    with pytest.raises(ValueError, match="matmul"):
        list(two.map(build, [1, 0]))
    assert len(list(two.map(build, [1, 2]))) == 2


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "llama with factors"])
def test_every_architecture_computes_on_parallel_streams(
    architecture: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    name, _, factors = architecture.partition(" ")
    write_tiny_gguf(path, architecture=name, tensors=FACTORS if factors else None)
    model = load_mlx_model(GgufFile.open(path), dtype=mx.float32)
    ids = [mx.array(np.random.default_rng(number).integers(20, 500, (1, 24))) for number in range(2)]
    two = ParallelStreams.available(2)
    ours = list(two.map(lambda row: hidden_states(model, row, 9), ids))
    for row, states in zip(ids, ours, strict=True):
        np.testing.assert_array_equal(np.array(states), np.array(hidden_states(model, row, 9)))
