"""Rounding on the base's grid: what a column loses, the columns after it make up for."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from adapterd.base.gguf.ggml import quantize
from adapterd.base.gguf.grids import Grid, unpack
from adapterd.errors import StageError
from adapterd.merging.rounding import DAMPING, Feedback, round_with_feedback

Array = np.ndarray[Any, Any]
ROWS, COLUMNS = 24, 64


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)


def grid_of(values: Array, type_name: str) -> tuple[Grid, Array]:
    return unpack(quantize(values, type_name), type_name)


def correlated_inputs(random: np.random.Generator, count: int = 400) -> Array:
    """Inputs with few directions that matter, as those of real layers."""
    mixing = random.standard_normal((12, COLUMNS)).astype(np.float32)
    noise = 0.05 * random.standard_normal((count, COLUMNS))
    return (random.standard_normal((count, 12)) @ mixing + noise).astype(np.float32)


def plainly_rounded(target: Array, grid: Grid) -> Array:
    scale, minimum = (np.repeat(each, grid.group, axis=1) for each in (grid.scale, grid.minimum))
    codes: np.ndarray[Any, Any] = np.clip(np.rint((target - minimum) / scale), grid.low, grid.high)
    return codes


def column_by_column(target: Array, grid: Grid, hessian: Array) -> Array:
    """The method as its paper tells it, one column after the other in double precision."""
    damped = hessian.astype(np.float64) + DAMPING * np.mean(np.diag(hessian)) * np.eye(COLUMNS)
    upper = np.linalg.cholesky(np.linalg.inv(damped)).T
    rest, codes = target.astype(np.float64), np.empty_like(target)
    for column in range(COLUMNS):
        scale, minimum = grid.scale[:, column // grid.group], grid.minimum[:, column // grid.group]
        codes[:, column] = np.clip(np.rint((rest[:, column] - minimum) / scale), grid.low, grid.high)
        error = (rest[:, column] - (codes[:, column] * scale + minimum)) / upper[column, column]
        rest[:, column:] -= np.outer(error, upper[column, column:])
    return codes


@pytest.mark.parametrize("type_name", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"])
def test_an_update_far_below_the_grid_survives_in_the_outputs(random: np.random.Generator, type_name: str) -> None:
    grid, codes = grid_of(random.standard_normal((ROWS, COLUMNS)).astype(np.float32), type_name)
    inputs = correlated_inputs(random)
    step = np.abs(grid.scale).mean()
    update = (0.15 * step * random.standard_normal((ROWS, COLUMNS))).astype(np.float32)
    target = grid.values(codes) + update

    def lost(chosen: Array) -> float:
        """The share of the update's effect on the outputs that is not there."""
        return float(np.square(inputs @ (grid.values(chosen) - target).T).sum() / np.square(inputs @ update.T).sum())

    fed_back = round_with_feedback(target, grid, codes, Feedback.of(inputs.T @ inputs))
    assert lost(plainly_rounded(target, grid).astype(np.int16)) > 0.9
    assert lost(fed_back) < 0.5


def test_it_gives_the_codes_of_the_method_in_the_paper(random: np.random.Generator) -> None:
    grid, codes = grid_of(random.standard_normal((ROWS, COLUMNS)).astype(np.float32), "Q4_1")
    inputs = correlated_inputs(random)
    target = grid.values(codes) + 0.01 * random.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    ours = round_with_feedback(target, grid, codes, Feedback.of(inputs.T @ inputs))
    theirs = column_by_column(target, grid, inputs.T @ inputs)
    assert np.mean(ours == theirs) > 0.98  # single precision tips a few near ties


def test_inputs_without_correlation_leave_plain_rounding(random: np.random.Generator) -> None:
    grid, codes = grid_of(random.standard_normal((ROWS, COLUMNS)).astype(np.float32), "Q4_0")
    target = random.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    ours = round_with_feedback(target, grid, codes, Feedback.of(np.eye(COLUMNS)))
    assert np.array_equal(ours, plainly_rounded(target, grid))


def test_no_update_gives_the_base_back(random: np.random.Generator) -> None:
    grid, codes = grid_of(random.standard_normal((ROWS, COLUMNS)).astype(np.float32), "Q4_1")
    inputs = correlated_inputs(random)
    assert np.array_equal(round_with_feedback(grid.values(codes), grid, codes, Feedback.of(inputs.T @ inputs)), codes)


def test_codes_stay_within_the_range_of_the_type(random: np.random.Generator) -> None:
    grid, codes = grid_of(random.standard_normal((ROWS, COLUMNS)).astype(np.float32), "Q4_0")
    target = 100 * random.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    inputs = correlated_inputs(random)
    chosen = round_with_feedback(target, grid, codes, Feedback.of(inputs.T @ inputs))
    assert grid.low <= chosen.min() <= chosen.max() <= grid.high


def test_where_a_scale_is_zero_the_codes_of_the_base_stay(random: np.random.Generator) -> None:
    codes = random.integers(0, 16, (ROWS, COLUMNS)).astype(np.int16)
    nothing = np.zeros((ROWS, COLUMNS // 32), np.float32)
    grid = Grid(scale=nothing, minimum=nothing, low=0, high=15, group=32)
    target = random.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    assert np.array_equal(round_with_feedback(target, grid, codes, Feedback.of(np.eye(COLUMNS))), codes)


@pytest.mark.parametrize(
    "inputs",
    [
        lambda random: np.zeros((5, COLUMNS), np.float32),
        lambda random: np.tile(random.standard_normal(COLUMNS), (3, 1)),
        lambda random: random.standard_normal((2, COLUMNS)) * 1e6,
    ],
    ids=["none at all", "one direction", "few and large"],
)
def test_inputs_that_span_little_still_give_an_answer(
    random: np.random.Generator, inputs: Callable[[np.random.Generator], Array]
) -> None:
    grid, codes = grid_of(random.standard_normal((ROWS, COLUMNS)).astype(np.float32), "Q4_0")
    seen = inputs(random)
    chosen = round_with_feedback(grid.values(codes) + 0.01, grid, codes, Feedback.of(seen.T @ seen))
    assert chosen.shape == codes.shape


def test_inputs_that_are_not_finite_are_refused() -> None:
    hessian = np.eye(COLUMNS)
    hessian[3, 3] = np.nan
    with pytest.raises(StageError, match="not finite"):
        Feedback.of(hessian)
