"""Running a range of a model's blocks, so that the blocks below can be computed once and those above not at all.

It works with any of mlx-lm's models: blocks outside the range are replaced meanwhile, and the model's own code goes on
preparing masks and positions as its architecture needs them.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from adapterd.base.mlx.gradient_checkpointing import checkpointed
from adapterd.base.mlx.model import hidden_states

Mask = mx.array | str | None
Cache = Any


class _SkippedBlock(nn.Module):  # type: ignore[misc]
    """Replaces a block and returns its input."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.use_sliding = getattr(block, "use_sliding", False)  # which the models' own code reads
        self.is_linear = getattr(block, "is_linear", False)

    def __call__(self, states: mx.array, mask: Mask = None, cache: Cache = None) -> mx.array:  # noqa: ARG002
        if cache is not None:  # a model asks the cache of one block for the position of all
            cache.offset += states.shape[1]
        return states


class _InputBlock(_SkippedBlock):
    """Replaces the block below the first that runs: ignores its input and returns the given hidden states."""

    def give(self, states: mx.array) -> None:
        self._given = states

    def __call__(self, states: mx.array, mask: Mask = None, cache: Cache = None) -> mx.array:
        first = cache.offset if cache is not None else 0
        super().__call__(states, mask, cache)
        return self._given[:, first : first + states.shape[1]]


class _OutputBlock(_SkippedBlock):
    """Replaces the block above the last that runs, and keeps its input, which is the output of the range."""

    def __call__(self, states: mx.array, mask: Mask = None, cache: Cache = None) -> mx.array:
        self._kept = super().__call__(states, mask, cache)
        return self._kept

    def take(self) -> mx.array:
        return self._kept


class Blocks:
    """The blocks `first` up to but not including `end` of a model, while `only` is entered."""

    def __init__(self, model: nn.Module, first: int, end: int, *, gradient_checkpointing: bool) -> None:
        self._model, self._gradient_checkpointing = model, gradient_checkpointing
        own = list(model.model.layers)
        self._input = _InputBlock(own[first - 1]) if first else None
        self._output = _OutputBlock(own[end]) if end < len(own) else None
        self._layers = [_SkippedBlock(block) for block in own]
        self._layers[first:end] = own[first:end]
        if self._input is not None:
            self._layers[first - 1] = self._input
        if self._output is not None:
            self._layers[end] = self._output

    @classmethod
    @contextmanager
    def only(
        cls, model: nn.Module, first: int, end: int | None = None, *, gradient_checkpointing: bool = False
    ) -> "Iterator[Blocks]":
        """Within, the model consists of these blocks, up to the top without `end`; with `gradient_checkpointing`, they
        are recomputed in the backward pass."""
        own = model.model.layers
        end = len(own) if end is None else end
        blocks = cls(model, first, end, gradient_checkpointing=gradient_checkpointing)
        model.model.layers = blocks._layers
        try:
            with checkpointed(own[first:end]) if gradient_checkpointing else nullcontext():
                yield blocks
        finally:
            model.model.layers = own

    def run(self, ids: mx.array, states: mx.array | None, start: int = 0) -> mx.array:
        """Hidden states (batch, positions, width) before block `first` (None for block 0) to those after the last
        block, of the positions from `start` on; with the final norm if the last block is the model's topmost.
        """
        if self._input is not None and states is not None:
            self._input.give(states)
        all_positions = self._gradient_checkpointing  # a recomputed block keeps no keys and values
        out = hidden_states(self._model, ids, 0 if all_positions else start)
        after = out if self._output is None else self._output.take()
        return after[:, start:] if all_positions else after
