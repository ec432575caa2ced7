"""Rounding that keeps small updates: what one column loses to the grid, the columns after it make up for.

A LoRA update is far smaller than one step of a 4-bit grid; rounding each weight by itself erases it. Here the error of
each column is passed on, weighted by how the layer's inputs correlate, so that the layer's *output* stays what base
and adapter give: GPTQ's error feedback (Frantar et al. 2022, arXiv:2210.17323), with the base's own scales and minimums
kept and only the integer codes chosen.
"""

from typing import Any

import numpy as np

from adapterd.errors import StageError
from adapterd.merging.grids import Grid

DAMPING = 0.001
LEAF_COLUMNS = 8
MAX_DAMPING = 1.0

Array = np.ndarray[Any, Any]


def round_with_feedback(
    target: Array, grid: Grid, base_codes: Array, hessian: Array, *, damping: float = DAMPING
) -> Array:
    """Codes for `target` (rows, columns) on the grid of the base; (rows, columns) int16.

    `hessian` is XᵀX (columns, columns) of the inputs that the layer meets; `damping` is the share of its mean diagonal
    that is added to the diagonal. Where a group's scale is zero a code has no effect, and the base's is kept.
    Raises StageError if the Hessian is not finite.
    """
    sweep = _Sweep(target, grid, base_codes, _upper_factor(hessian, damping))
    sweep.run(0, target.shape[1])
    return np.ascontiguousarray(sweep.codes.T)


class _Sweep:
    """The walk over the columns. Everything is kept transposed, so that a column is contiguous in memory."""

    def __init__(self, target: Array, grid: Grid, base_codes: Array, upper: Array) -> None:
        self.open = np.ascontiguousarray(target.T, dtype=np.float32)
        self.errors = np.empty_like(self.open)
        self.codes = np.ascontiguousarray(base_codes.T)
        self.upper = upper
        self.grid = grid
        self.scale, self.minimum = np.ascontiguousarray(grid.scale.T), np.ascontiguousarray(grid.minimum.T)

    def run(self, start: int, end: int) -> None:
        """Round columns start…end, halving the range: nearly all of the work is matrix products of growing size."""
        if end - start <= LEAF_COLUMNS:
            for column in range(start, end):
                self._round(column, end)
            return
        middle = (start + end) // 2
        self.run(start, middle)
        self.open[middle:end] -= self.upper[start:middle, middle:end].T @ self.errors[start:middle]
        self.run(middle, end)

    def _round(self, column: int, end: int) -> None:
        group = column // self.grid.group
        scale, minimum = self.scale[group], self.minimum[group]
        movable = scale != 0
        wanted = self.open[column]
        steps = np.divide(wanted - minimum, scale, out=np.zeros_like(wanted), where=movable)
        rounded = np.clip(np.rint(steps), self.grid.low, self.grid.high)
        self.codes[column] = np.where(movable, rounded, self.codes[column])
        error = (wanted - (rounded * scale + minimum)) / self.upper[column, column]
        self.errors[column] = error
        self.open[column + 1 : end] -= self.upper[column, column + 1 : end, None] * error


def _upper_factor(hessian: Array, damping: float) -> Array:
    """The upper Cholesky factor of the damped inverse, float32; damped more where the inputs leave it singular."""
    damped = hessian.astype(np.float64)
    if not np.isfinite(damped).all():
        raise StageError("the inputs of a layer are not finite during calibration")
    diagonal = np.einsum("ii->i", damped)
    diagonal[diagonal == 0] = 1.0
    mean = diagonal.mean()
    while damping <= MAX_DAMPING:
        diagonal += damping * mean
        try:
            return np.linalg.cholesky(np.linalg.inv(damped)).T.astype(np.float32)
        except np.linalg.LinAlgError:
            damping *= 10
    raise StageError("the inputs of a layer do not allow error feedback: their second moments have no inverse")
