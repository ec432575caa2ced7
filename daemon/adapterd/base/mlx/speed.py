"""How fast this machine multiplies matrices, measured in a moment: what a training takes most of its time for."""

import time

import mlx.core as mx

from adapterd.base.mlx.model import default_dtype

ROWS = 512
WIDTH, INNER = 2048, 5632
SECONDS = 0.4


def operations_per_s() -> float:
    """Multiplications and additions per second of a product as training has it, in the dtype of a training here."""
    states, weight = mx.ones((ROWS, WIDTH), default_dtype()), mx.ones((WIDTH, INNER), default_dtype())
    mx.eval(states @ weight)  # what is set up once
    started, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < SECONDS or not count:
        mx.eval(states @ weight)
        count += 1
    return 2.0 * ROWS * WIDTH * INNER * count / passed
