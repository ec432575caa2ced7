"""GPTQ on the base's own scales: the error of a column is compensated by the columns after it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from adapterd.base.gguf.ggml import dequantize, quantize
from adapterd.base.gguf.quants import BlockScales, unpack
from adapterd.errors import StageError
from adapterd.merging.gptq import DAMPING, GptqFactor, gptq_round

Array = np.ndarray[Any, Any]
ROWS, COLUMNS = 24, 64


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)


def quantized(values: Array, type_name: str) -> tuple[BlockScales, Array]:
    return unpack(quantize(values, type_name), type_name)


def correlated_inputs(random: np.random.Generator, count: int = 400) -> Array:
    """Inputs with few directions that matter, as those of real layers."""
    mixing = random.standard_normal((12, COLUMNS)).astype(np.float32)
    noise = 0.05 * random.standard_normal((count, COLUMNS))
    return (random.standard_normal((count, 12)) @ mixing + noise).astype(np.float32)


def step_of(scales: BlockScales) -> float:
    """The mean distance of two neighbouring values."""
    return float(np.diff(scales.levels or range(2)).mean() * np.abs(scales.scale).mean())


def nearest(target: Array, scales: BlockScales) -> Array:
    scale, minimum = (np.repeat(each, scales.block_size, axis=1) for each in (scales.scale, scales.minimum))
    known = np.array(scales.levels or range(scales.low, scales.high + 1))
    distances = np.abs(scale[..., None] * known + minimum[..., None] - target[..., None])
    quants: np.ndarray[Any, Any] = known[distances.argmin(-1)]
    return quants


def column_by_column(target: Array, scales: BlockScales, hessian: Array) -> Array:
    """GPTQ as in the paper, one column after the other in double precision."""
    damped = hessian.astype(np.float64) + DAMPING * np.mean(np.diag(hessian)) * np.eye(COLUMNS)
    upper = np.linalg.cholesky(np.linalg.inv(damped)).T
    rest, quants = target.astype(np.float64), np.empty_like(target)
    for column in range(COLUMNS):
        scale, minimum = scales.scale[:, column // scales.block_size], scales.minimum[:, column // scales.block_size]
        quants[:, column] = np.clip(np.rint((rest[:, column] - minimum) / scale), scales.low, scales.high)
        error = (rest[:, column] - (quants[:, column] * scale + minimum)) / upper[column, column]
        rest[:, column:] -= np.outer(error, upper[column, column:])
    return quants


@pytest.mark.parametrize("type_name", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL"])
def test_update_far_below_one_quant_survives_in_the_outputs(random: np.random.Generator, type_name: str) -> None:
    scales, quants = quantized(random.standard_normal((ROWS, COLUMNS)).astype(np.float32), type_name)
    inputs = correlated_inputs(random)
    step = step_of(scales)
    update = (0.15 * step * random.standard_normal((ROWS, COLUMNS))).astype(np.float32)
    target = scales.dequantize(quants) + update

    def lost(chosen: Array) -> float:
        """The share of the update's effect on the outputs that is not there."""
        return float(
            np.square(inputs @ (scales.dequantize(chosen) - target).T).sum() / np.square(inputs @ update.T).sum()
        )

    compensated = gptq_round(target, scales, quants, GptqFactor.of(inputs.T @ inputs))
    assert lost(nearest(target, scales).astype(np.int16)) > 0.8
    assert lost(compensated) < 0.5


def test_quants_are_those_of_the_papers_method(random: np.random.Generator) -> None:
    scales, quants = quantized(random.standard_normal((ROWS, COLUMNS)).astype(np.float32), "Q4_1")
    inputs = correlated_inputs(random)
    target = scales.dequantize(quants) + 0.01 * random.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    ours = gptq_round(target, scales, quants, GptqFactor.of(inputs.T @ inputs))
    theirs = column_by_column(target, scales, inputs.T @ inputs)
    assert np.mean(ours == theirs) > 0.98  # single precision tips a few near ties


@pytest.mark.parametrize("type_name", ["Q4_0", "IQ4_NL"])
def test_gptq_of_uncorrelated_inputs_is_rounding_to_nearest(random: np.random.Generator, type_name: str) -> None:
    scales, quants = quantized(random.standard_normal((ROWS, COLUMNS)).astype(np.float32), type_name)
    target = random.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    ours = gptq_round(target, scales, quants, GptqFactor.of(np.eye(COLUMNS)))
    assert np.array_equal(ours, nearest(target, scales))


@pytest.mark.parametrize("type_name", ["Q4_1", "IQ4_NL"])
def test_gptq_without_an_update_gives_the_quants_of_the_base(random: np.random.Generator, type_name: str) -> None:
    scales, quants = quantized(random.standard_normal((ROWS, COLUMNS)).astype(np.float32), type_name)
    inputs = correlated_inputs(random)
    assert np.array_equal(
        gptq_round(scales.dequantize(quants), scales, quants, GptqFactor.of(inputs.T @ inputs)), quants
    )


@pytest.mark.parametrize("type_name", ["Q4_0", "Q4_K", "IQ4_NL", "IQ4_XS"])
def test_outputs_are_nearer_than_those_of_plain_quantisation(random: np.random.Generator, type_name: str) -> None:
    """Of the same target by ggml, which chooses scales of its own."""
    scales, quants = quantized(random.standard_normal((ROWS, 256)).astype(np.float32), type_name)
    inputs = (random.standard_normal((400, 12)) @ random.standard_normal((12, 256))).astype(np.float32)
    inputs += 0.05 * random.standard_normal(inputs.shape).astype(np.float32)
    target = scales.dequantize(quants) + (0.15 * step_of(scales) * random.standard_normal((ROWS, 256))).astype(
        np.float32
    )

    def error(values: Array) -> float:
        return float(np.square(inputs @ (values - target).T).sum())

    ours = scales.dequantize(gptq_round(target, scales, quants, GptqFactor.of(inputs.T @ inputs)))
    assert error(ours) < 0.7 * error(dequantize(quantize(target, type_name), type_name))


def test_quants_stay_within_the_range_of_the_type(random: np.random.Generator) -> None:
    scales, quants = quantized(random.standard_normal((ROWS, COLUMNS)).astype(np.float32), "Q4_0")
    target = 100 * random.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    inputs = correlated_inputs(random)
    chosen = gptq_round(target, scales, quants, GptqFactor.of(inputs.T @ inputs))
    assert scales.low <= chosen.min() <= chosen.max() <= scales.high


def test_quants_of_a_block_with_scale_zero_stay(random: np.random.Generator) -> None:
    quants = random.integers(0, 16, (ROWS, COLUMNS)).astype(np.int16)
    nothing = np.zeros((ROWS, COLUMNS // 32), np.float32)
    scales = BlockScales(scale=nothing, minimum=nothing, low=0, high=15, block_size=32)
    target = random.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    assert np.array_equal(gptq_round(target, scales, quants, GptqFactor.of(np.eye(COLUMNS))), quants)


@pytest.mark.parametrize(
    "inputs",
    [
        lambda random: np.zeros((5, COLUMNS), np.float32),
        lambda random: np.tile(random.standard_normal(COLUMNS), (3, 1)),
        lambda random: random.standard_normal((2, COLUMNS)) * 1e6,
    ],
    ids=["none at all", "one direction", "few and large"],
)
def test_singular_hessian_is_damped_until_it_has_a_factor(
    random: np.random.Generator, inputs: Callable[[np.random.Generator], Array]
) -> None:
    scales, quants = quantized(random.standard_normal((ROWS, COLUMNS)).astype(np.float32), "Q4_0")
    seen = inputs(random)
    chosen = gptq_round(scales.dequantize(quants) + 0.01, scales, quants, GptqFactor.of(seen.T @ seen))
    assert chosen.shape == quants.shape


def test_hessian_that_is_not_finite_is_refused() -> None:
    hessian = np.eye(COLUMNS)
    hessian[3, 3] = np.nan
    with pytest.raises(StageError, match="not finite"):
        GptqFactor.of(hessian)
