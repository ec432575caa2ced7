"""GPTQ (Frantar et al. 2022, arXiv:2210.17323) on a tensor's own scales and minimums: only the quants are chosen.

A LoRA update is far smaller than one step of a 4-bit type, so rounding each weight to the nearest quant erases it. GPTQ
rounds the columns in order and adds the rounding error of each column, weighted by the Hessian of the layer's inputs,
to the columns that are not rounded yet (error compensation), so that the layer's *output* stays that of base + adapter.

The paper takes these weights from the Cholesky factor of the inverse Hessian. Here they come from the triangular factor
of the Hessian itself: the two are the same (Chee et al. 2023, arXiv:2307.13304, theorem 6), at an eighth of the work.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from adapterd.base.gguf.quants import BlockScales
from adapterd.errors import StageError

DAMPING = 0.001
LEAF_COLUMNS = 8
PANEL_COLUMNS = 512
MAX_DAMPING = 1.0

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class GptqFactor:
    """What of each column's rounding error is added to each later column: `weights` (columns, columns), strictly upper
    triangular, float32. Modules with the same inputs share one factor.
    """

    weights: Array

    @classmethod
    def of(cls, hessian: Array, *, damping: float = DAMPING) -> "GptqFactor":
        """The factor of a layer's Hessian XᵀX (columns, columns).

        `damping` times the mean of the diagonal is added to the diagonal, and ten times as much again while the matrix
        is still singular. Raises StageError if the inputs were not finite, or damping does not help.
        """
        if not np.isfinite(hessian).all():
            raise StageError("the inputs of a layer are not finite during calibration")
        diagonal = np.einsum("ii->i", hessian).astype(np.float64)
        diagonal[diagonal == 0] = 1.0
        mean = diagonal.mean()
        while damping <= MAX_DAMPING:
            diagonal += damping * mean
            try:
                return cls(_unit_upper_factor(hessian, diagonal))
            except np.linalg.LinAlgError:
                damping *= 10
        raise StageError("GPTQ is not possible for the inputs of a layer: their Hessian is not positive definite")


def round_to_nearest(target: Array, scales: BlockScales, base_quants: Array) -> Array:
    """The nearest quant for each weight of `target` (rows, columns), int16 of the same shape.

    In a block whose scale is zero every quant means the same weight, and the base's quants stay.
    """
    rows, blocks = scales.scale.shape
    quants = target.reshape(rows, blocks, scales.block_size) - scales.minimum[..., None]
    quants *= np.divide(1.0, scales.scale, out=np.zeros_like(scales.scale), where=scales.scale != 0)[..., None]
    scales.round(quants)
    chosen = quants.astype(np.int16)
    np.copyto(chosen, base_quants.reshape(chosen.shape), where=(scales.scale == 0)[..., None])
    return chosen.reshape(target.shape)


def gptq_round(target: Array, scales: BlockScales, base_quants: Array, factor: GptqFactor) -> Array:
    """The quants that GPTQ chooses for `target` (rows, columns) with the base's scales, int16 of the same shape.

    In a block whose scale is zero every quant means the same weight, and the base's quants stay.
    """
    sweep = _ColumnSweep(target, scales, base_quants, factor.weights)
    sweep.run(0, target.shape[1])
    return np.ascontiguousarray(sweep.quants.T)


class _ColumnSweep:
    """Rounds the columns in order. All arrays are transposed, so that a column is contiguous in memory.

    `compensated` is what each column is rounded from: the target plus its share of the errors of earlier columns.
    `errors` are distances from the *target*, so they include the compensation that a column received and lost again.
    """

    def __init__(self, target: Array, scales: BlockScales, base_quants: Array, weights: Array) -> None:
        self.compensated = np.ascontiguousarray(target.T, dtype=np.float32)
        self.errors = self.compensated.copy()
        self.quants = np.ascontiguousarray(base_quants.T)
        self.weights = weights
        self.scales = scales
        self.scale, self.minimum = np.ascontiguousarray(scales.scale.T), np.ascontiguousarray(scales.minimum.T)
        self.has_scale = self.scale != 0
        self.inverse_scale = np.divide(1.0, self.scale, out=np.zeros_like(self.scale), where=self.has_scale)

    def run(self, start: int, end: int) -> None:
        """Round columns start…end by halves, so that nearly all of the work is in products of large matrices."""
        if end - start <= LEAF_COLUMNS:
            for column in range(start, end):
                self._round(column, end)
            return
        middle = (start + end) // 2
        self.run(start, middle)
        self.compensated[middle:end] += self.weights[start:middle, middle:end].T @ self.errors[start:middle]
        self.run(middle, end)

    def _round(self, column: int, end: int) -> None:
        block = column // self.scales.block_size
        rounded = self.compensated[column]
        rounded -= self.minimum[block]
        rounded *= self.inverse_scale[block]
        self.scales.round(rounded)
        np.copyto(self.quants[column], rounded, where=self.has_scale[block], casting="unsafe")
        rounded *= self.scale[block]
        rounded += self.minimum[block]
        error = self.errors[column]
        error -= rounded
        if column + 1 < end:
            self.compensated[column + 1 : end] += self.weights[column, column + 1 : end, None] * error


def _unit_upper_factor(symmetric: Array, diagonal: Array) -> Array:
    """U - 1 of U·D·Uᵀ with U unit upper triangular, float32, where U·D·Uᵀ is the matrix with this diagonal instead of
    its own; raises LinAlgError unless that is positive.

    For a feed-forward layer of 14 336 columns the matrix takes 1.6 GB in float64, so there is one of it alone.
    """
    lower = np.array(symmetric[::-1, ::-1], np.float64, order="C")
    np.einsum("ii->i", lower)[:] = diagonal[::-1]
    _cholesky_in_place(lower)
    scale, unit = np.einsum("ii->i", lower).copy(), np.zeros(lower.shape, np.float32)
    for start in range(0, len(lower), PANEL_COLUMNS):
        rows = lower[start : start + PANEL_COLUMNS]
        unit[len(lower) - start - len(rows) : len(lower) - start] = (np.tril(rows, start - 1) / scale)[::-1, ::-1]
    return unit


def _cholesky_in_place(matrix: Array) -> None:
    """Put the lower triangular factor into the lower triangle, panel by panel; what is above it means nothing then."""
    for start in range(0, len(matrix), PANEL_COLUMNS):
        end = min(start + PANEL_COLUMNS, len(matrix))
        corner = np.linalg.cholesky(matrix[start:end, start:end])
        matrix[start:end, start:end] = corner
        panel = matrix[end:, start:end] = np.linalg.solve(corner, matrix[end:, start:end].T).T
        for column in range(0, len(panel), PANEL_COLUMNS):
            below = panel[column:]
            matrix[end + column :, end + column : end + column + PANEL_COLUMNS] -= below @ below[:PANEL_COLUMNS].T
