"""Several processes that train one adapter together: each computes its share of a batch, and all take the same step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten

T = TypeVar("T")
_FAULT_BYTES = 512


@dataclass(frozen=True)
class Ranks:
    """This process, number `rank` of `size`, and the others. Sums are the same to the bit in all of them."""

    rank: int = 0
    size: int = 1

    @classmethod
    def launched(cls) -> "Ranks":
        """Those that `mlx.launch` started this process with; raises RuntimeError if they do not find each other."""
        group = mx.distributed.init(strict=True, backend="ring")
        return cls(group.rank(), group.size())

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """What of some items is this rank's to do, maybe nothing."""
        return items[self.rank :: self.size]

    def summed(self, values: Any, loss: float) -> tuple[Any, float]:
        """Arrays in a tree, and a number, each added up over all ranks."""
        if self.size == 1:
            return values, loss
        named = tree_flatten(values)
        flat = mx.concatenate([*(array.astype(mx.float32).reshape(-1) for _, array in named), mx.array([loss])])
        total = mx.distributed.all_sum(flat)
        ends = np.cumsum([array.size for _, array in named]).tolist()
        parts = [
            (name, part.reshape(array.shape).astype(array.dtype))
            for (name, array), part in zip(named, mx.split(total, ends), strict=False)
        ]
        mx.eval(parts, total)
        return tree_unflatten(parts), float(total[-1].item())  # type: ignore[arg-type]

    def from_first(self, data: bytes) -> bytes:
        """The bytes that rank 0 has; what the others give is not looked at."""
        if self.size == 1:
            return data
        size = _total(mx.array([len(data) if self.rank == 0 else 0], mx.uint32))
        own = np.frombuffer(data, np.uint8) if self.rank == 0 else np.zeros(int(size[0]), np.uint8)
        return _total(mx.array(own)).tobytes()

    def first_fault(self, fault: str) -> str:
        """What went wrong in any rank, empty if nothing did in any; the first one that has something to say."""
        if self.size == 1:
            return fault
        rows = np.zeros((self.size, _FAULT_BYTES), np.uint8)
        text = fault.encode()[:_FAULT_BYTES]
        rows[self.rank, : len(text)] = np.frombuffer(text, np.uint8)
        said = [row.tobytes().rstrip(b"\0").decode(errors="replace") for row in _total(mx.array(rows))]
        return next(filter(None, said), "")


def _total(array: mx.array) -> np.ndarray[Any, Any]:
    """The sum over all ranks, computed now: ranks that leave one out wait for each other for ever."""
    return np.array(mx.distributed.all_sum(array))


ALONE = Ranks()
