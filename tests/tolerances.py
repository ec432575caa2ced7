"""How far apart two results of the same arithmetic may be, from the type of the numbers and how many are added up.

The order of a sum is the library's affair, and another one on another processor. Two sums of n products in precision
u differ by 2·n·u·Σ|terms| at most (Higham 2002, Accuracy and Stability of Numerical Algorithms, §3.1), which is
n·eps·Σ|terms|. A bound that is wide for its purpose says that the test is about something else than rounding.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Array = np.ndarray[Any, Any]


def rounding(terms: int, size: float = 1.0, dtype: Any = np.float32) -> float:
    """The bound for sums of so many terms, of which the magnitudes add up to `size`."""
    return terms * float(np.finfo(dtype).eps) * size


def through_blocks(blocks: int, *, width: int, ffn: int, positions: int) -> int:
    """How many terms are added up one after the other on the longest way through so many blocks: in each two norms, the
    projections into and out of attention and into the feed-forward part, scores, what they weigh, and the way down."""
    return blocks * (6 * width + 2 * positions + ffn)


def assert_same_product(found: ArrayLike, a: Array, b: Array, scale: float = 1.0) -> None:
    """That `found` is scale · a @ b, in whatever order it was added up; one more rounding for the scale."""
    expected, size = scale * (a @ b), abs(scale) * (np.abs(a) @ np.abs(b))
    bound = (a.shape[1] + 2) * np.finfo(a.dtype).eps * size
    excess = np.abs(np.asarray(found) - expected) - bound
    assert excess.max() <= 0, f"{excess.max():g} beyond what rounding explains"
