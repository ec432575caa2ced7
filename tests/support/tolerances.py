"""How far apart two results of the same arithmetic may be, from the type of the numbers and how many are added up.

In which order a sum is added up is the library's affair, and another one on another processor. Two sums of n products
with a relative error of u each differ by 2·n·u·Σ|terms| at most (Higham 2002, Accuracy and Stability of Numerical
Algorithms, §3.1), and by 2·4·√n·u·Σ|terms| but for one case in thousands, as errors go both ways (Higham and Mary 2019,
https://doi.org/10.1137/18M1226312). 2·u is the type's eps.
"""

from typing import Any

import mlx.core as mx
import numpy as np

Array = np.ndarray[Any, Any]
_DEVIATIONS = 4.0


def rounding(terms: int, dtype: Any = np.float32) -> float:
    """The share of Σ|terms| by which two sums of so many terms may differ."""
    largest: float = min(terms, _DEVIATIONS * terms**0.5)
    return float(np.finfo(dtype).eps) * largest


def through_blocks(blocks: int, *, width: int = 64, ffn: int = 96, positions: int = 24) -> int:
    """How many terms are added up one after the other on the longest way through so many blocks: in each two norms, the
    projections into and out of attention and into the feed-forward part, scores, what they weigh, and the way down. By
    default of `write_tiny_gguf`'s blocks."""
    return blocks * (6 * width + 2 * positions + ffn)


def assert_close(
    found: Array | mx.array, expected: Array | mx.array, terms: int, size: Any = None, name: str = ""
) -> None:
    """That both are sums of so many terms whose magnitudes add up to `size`, by default to the largest value of all."""
    ours, theirs = np.array(found, np.float64), np.array(expected, np.float64)
    assert ours.shape == theirs.shape
    bound = rounding(terms) * (np.abs(theirs).max() if size is None else np.asarray(size))
    excess = np.abs(ours - theirs) - bound
    assert excess.max() <= 0, f"{name} {excess.max():g} beyond what rounding explains, of {np.max(bound):g}"


def assert_same_product(found: Array, a: Array, b: Array, scale: float = 1.0) -> None:
    """That `found` is scale · a @ b, in whatever order it was added up; a rounding or two for the scale."""
    assert_close(found, scale * (a @ b), a.shape[1] + 2, abs(scale) * (np.abs(a) @ np.abs(b)))
