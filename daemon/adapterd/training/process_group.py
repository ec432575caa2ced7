"""The process group of a distributed training: each process computes its shard of a batch, and all take the same step.

The words are those of torch.distributed and mlx.distributed: rank, world size, all-sum, broadcast.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten

T = TypeVar("T")
_FAULT_BYTES = 512


@dataclass(frozen=True)
class ProcessGroup:
    """This process, number `rank` of `world_size`, and the others. Sums are the same to the bit in all of them."""

    rank: int = 0
    world_size: int = 1

    @classmethod
    def join(cls) -> "ProcessGroup":
        """The group that `mlx.launch` started this process for; raises RuntimeError if the processes do not connect."""
        group = mx.distributed.init(strict=True, backend="ring")
        return cls(group.rank(), group.size())

    def shard(self, items: Sequence[T]) -> Sequence[T]:
        """The items that this process is to compute; there may be none."""
        return items[self.rank :: self.world_size]

    def all_sum(self, values: Any, loss: float) -> tuple[Any, float]:
        """A tree of arrays, and a number, each summed over all processes."""
        if self.world_size == 1:
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

    def broadcast(self, data: bytes) -> bytes:
        """The bytes of rank 0; those that the other ranks pass are ignored."""
        if self.world_size == 1:
            return data
        size = _all_sum(mx.array([len(data) if self.rank == 0 else 0], mx.uint32))
        own = np.frombuffer(data, np.uint8) if self.rank == 0 else np.zeros(int(size[0]), np.uint8)
        return _all_sum(mx.array(own)).tobytes()

    def first_fault(self, fault: str) -> str:
        """The fault of the lowest rank that has one; empty if none has."""
        if self.world_size == 1:
            return fault
        rows = np.zeros((self.world_size, _FAULT_BYTES), np.uint8)
        text = fault.encode()[:_FAULT_BYTES]
        rows[self.rank, : len(text)] = np.frombuffer(text, np.uint8)
        faults = [row.tobytes().rstrip(b"\0").decode(errors="replace") for row in _all_sum(mx.array(rows))]
        return next(filter(None, faults), "")


def _all_sum(array: mx.array) -> np.ndarray[Any, Any]:
    """The sum over all processes, evaluated at once: a collective call that one process skips blocks all the others."""
    return np.array(mx.distributed.all_sum(array))


SINGLE_PROCESS = ProcessGroup()
