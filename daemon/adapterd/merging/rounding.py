"""Rounding that keeps small updates: what one column loses to the grid, the columns after it make up for.

A LoRA update is far smaller than one step of a 4-bit grid; rounding each weight by itself erases it. Here the error of
each column is passed on, weighted by how the layer's inputs correlate, so that the layer's *output* stays what base
and adapter give: GPTQ's error feedback (Frantar et al. 2022, arXiv:2210.17323), with the base's own scales and minimums
kept and only the integer codes chosen.

The weights of the feedback come from the triangular factor of the second moments themselves, not of their inverse
(the two are the same: Chee et al. 2023, arXiv:2307.13304, theorem 6), which is an eighth of the work.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from adapterd.base.gguf.grids import Grid
from adapterd.errors import StageError

DAMPING = 0.001
LEAF_COLUMNS = 8
MAX_DAMPING = 1.0

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Feedback:
    """How much of each column's error each later column takes over: `weights` (columns, columns), upper, float32.

    All modules with the same inputs share it.
    """

    weights: Array

    @classmethod
    def of(cls, hessian: Array, *, damping: float = DAMPING) -> "Feedback":
        """From XᵀX (columns, columns) of a layer's inputs; `damping` is the share of its mean diagonal that is added
        to the diagonal, more where the inputs leave it singular. Raises StageError if the inputs are not finite.
        """
        damped = hessian.astype(np.float64)
        if not np.isfinite(damped).all():
            raise StageError("the inputs of a layer are not finite during calibration")
        diagonal = np.einsum("ii->i", damped)
        diagonal[diagonal == 0] = 1.0
        mean = diagonal.mean()
        while damping <= MAX_DAMPING:
            diagonal += damping * mean
            try:
                return cls(_unit_upper_factor(damped))
            except np.linalg.LinAlgError:
                damping *= 10
        raise StageError("the inputs of a layer do not allow error feedback: their second moments are not positive")


def round_plainly(target: Array, grid: Grid, base_codes: Array) -> Array:
    """The codes nearest to `target` (rows, columns), each by itself, int16 of the same shape."""
    rows, groups = grid.scale.shape
    codes = target.reshape(rows, groups, grid.group) - grid.minimum[..., None]
    codes *= np.divide(1.0, grid.scale, out=np.zeros_like(grid.scale), where=grid.scale != 0)[..., None]
    np.rint(codes, out=codes)
    np.clip(codes, grid.low, grid.high, out=codes)
    chosen = codes.astype(np.int16)
    np.copyto(chosen, base_codes.reshape(chosen.shape), where=(grid.scale == 0)[..., None])
    return chosen.reshape(target.shape)


def round_with_feedback(target: Array, grid: Grid, base_codes: Array, feedback: Feedback) -> Array:
    """Codes for `target` (rows, columns) on the grid of the base; (rows, columns) int16.

    Where a group's scale is zero a code has no effect, and the base's is kept.
    """
    sweep = _Sweep(target, grid, base_codes, feedback.weights)
    sweep.run(0, target.shape[1])
    return np.ascontiguousarray(sweep.codes.T)


class _Sweep:
    """The walk over the columns. Everything is kept transposed, so that a column is contiguous in memory.

    `open` is what each column is to become: the target, and its share of the errors before it. An error is the
    distance from the *target*; so what a column took over and rounded away is passed on too.
    """

    def __init__(self, target: Array, grid: Grid, base_codes: Array, weights: Array) -> None:
        self.open = np.ascontiguousarray(target.T, dtype=np.float32)
        self.errors = self.open.copy()
        self.codes = np.ascontiguousarray(base_codes.T)
        self.weights = weights
        self.grid = grid
        self.scale, self.minimum = np.ascontiguousarray(grid.scale.T), np.ascontiguousarray(grid.minimum.T)
        self.movable = self.scale != 0
        self.steps = np.divide(1.0, self.scale, out=np.zeros_like(self.scale), where=self.movable)

    def run(self, start: int, end: int) -> None:
        """Round columns start…end, halving the range: nearly all of the work is matrix products of growing size."""
        if end - start <= LEAF_COLUMNS:
            for column in range(start, end):
                self._round(column, end)
            return
        middle = (start + end) // 2
        self.run(start, middle)
        self.open[middle:end] += self.weights[start:middle, middle:end].T @ self.errors[start:middle]
        self.run(middle, end)

    def _round(self, column: int, end: int) -> None:
        group = column // self.grid.group
        code = self.open[column]
        code -= self.minimum[group]
        code *= self.steps[group]
        np.rint(code, out=code)
        np.clip(code, self.grid.low, self.grid.high, out=code)
        np.copyto(self.codes[column], code, where=self.movable[group], casting="unsafe")
        code *= self.scale[group]
        code += self.minimum[group]
        error = self.errors[column]
        error -= code
        if column + 1 < end:
            self.open[column + 1 : end] += self.weights[column, column + 1 : end, None] * error


def _unit_upper_factor(matrix: Array) -> Array:
    """U - 1 of matrix = U·D·Uᵀ with U unit upper triangular, float32; raises LinAlgError unless positive."""
    upper = np.linalg.cholesky(matrix[::-1, ::-1])[::-1, ::-1]
    unit = (upper / np.einsum("ii->i", upper)).astype(np.float32)
    np.fill_diagonal(unit, 0.0)
    return np.ascontiguousarray(unit)
