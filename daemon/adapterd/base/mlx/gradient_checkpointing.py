"""Gradient checkpointing: only the input of a block is kept, the rest is recomputed in the backward pass (Chen et al.
2016, arXiv:1604.06174).

A checkpointed block changes its class, not its place in the model, so its parameters keep their names, and adapters and
checkpoints are the same files with and without.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from itertools import count
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from adapterd.base.mlx.random_state import drawn_from, random_key

Run = Callable[[mx.array], mx.array]


@contextmanager
def checkpointed(blocks: Sequence[nn.Module]) -> Iterator[None]:
    """Within, these blocks are recomputed in the backward pass."""
    kinds: list[Any] = [type(block) for block in blocks]
    for block, kind in zip(blocks, kinds, strict=True):
        block.__class__ = _checkpointed_kind(kind)
    try:
        yield
    finally:
        for block, kind in zip(blocks, kinds, strict=True):
            block.__class__ = kind


@cache
def _checkpointed_kind(kind: type[nn.Module]) -> type[nn.Module]:
    """A subclass whose call keeps no activations for the backward pass."""

    class Checkpointed(kind):  # type: ignore[misc]
        def __call__(self, states: mx.array, mask: Any = None, cache: None = None) -> mx.array:
            run = super().__call__
            return _run_checkpointed(self, lambda given: run(given, mask, cache), states)

    return Checkpointed


def _run_checkpointed(block: nn.Module, run: Run, states: mx.array) -> mx.array:
    """`run(states)`, whose gradients by the states and by the block's trainable parameters come from running it again.

    The second run draws the same random numbers, so that dropout drops the same values; otherwise the gradient would be
    that of another loss.
    """
    own, key = block.trainable_parameters(), random_key()
    runs = count()

    def compute(parameters: Any, given: mx.array) -> mx.array:
        block.update(parameters)
        try:
            with drawn_from(key) if next(runs) else nullcontext():
                return run(given)
        finally:
            block.update(own)  # the traced ones must not stay in the block

    after: mx.array = mx.checkpoint(compute)(own, states)
    return after
