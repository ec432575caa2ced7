"""Gradient checkpointing: of a block only the input is kept for its gradients (Chen et al. 2016, arXiv:1604.06174).

Only what a block does when it is called changes, not where it stands in the model: its parameters have the same names
with and without checkpointing, so that adapters and checkpoints are the same files.
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
    """Within, these blocks are computed once more for their gradients."""
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
    """The same class, but for what is kept when it is called."""

    class Checkpointed(kind):  # type: ignore[misc]
        def __call__(self, states: mx.array, mask: Any = None, cache: None = None) -> mx.array:
            run = super().__call__
            return _run_checkpointed(self, lambda given: run(given, mask, cache), states)

    return Checkpointed


def _run_checkpointed(block: nn.Module, run: Run, states: mx.array) -> mx.array:
    """`run(states)`, whose gradients by the states and by what of the block is trained come from running it again.

    It is run again with the same random numbers, so that dropout leaves out the same values; else the gradient would be
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
            block.update(own)  # not those that the gradients are traced by

    after: mx.array = mx.checkpoint(compute)(own, states)
    return after
