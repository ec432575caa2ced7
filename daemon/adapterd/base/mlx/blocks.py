"""Running only some of a model's blocks, so that what lies below is computed once and what lies above not at all.

Any of mlx-lm's models will do: the blocks that are not to run are replaced for the time, and the model's own code goes
on preparing masks and positions as its architecture needs them.
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


class _Idle(nn.Module):  # type: ignore[misc]
    """Stands in for a block and does nothing."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.use_sliding = getattr(block, "use_sliding", False)  # what the models themselves look at

    def __call__(self, states: mx.array, _mask: Mask = None, cache: Cache = None) -> mx.array:
        if cache is not None:  # as a model asks the cache of one block for the positions of all
            cache.offset += states.shape[1]
        return states


class _Source(_Idle):
    """Stands in for the block below the first that runs: whatever it is given, it gives what it was told to of the same
    positions."""

    def give(self, states: mx.array) -> None:
        self._given = states

    def __call__(self, states: mx.array, mask: Mask = None, cache: Cache = None) -> mx.array:
        first = cache.offset if cache is not None else 0
        super().__call__(states, mask, cache)
        return self._given[:, first : first + states.shape[1]]


class _Sink(_Idle):
    """Stands in for the block above the last that runs, and keeps what that gave."""

    def __call__(self, states: mx.array, mask: Mask = None, cache: Cache = None) -> mx.array:
        self._kept = super().__call__(states, mask, cache)
        return self._kept

    def take(self) -> mx.array:
        return self._kept


class Blocks:
    """The blocks `first` up to but not including `end` of a model, while `only` is entered."""

    def __init__(self, model: nn.Module, first: int, end: int, *, sparing: bool) -> None:
        self._model, self._sparing = model, sparing
        own = list(model.model.layers)
        self._source = _Source(own[first - 1]) if first else None
        self._sink = _Sink(own[end]) if end < len(own) else None
        self._layers = [_Idle(block) for block in own]
        self._layers[first:end] = own[first:end]
        if self._source is not None:
            self._layers[first - 1] = self._source
        if self._sink is not None:
            self._layers[end] = self._sink

    @classmethod
    @contextmanager
    def only(cls, model: nn.Module, first: int, end: int | None = None, *, sparing: bool = False) -> "Iterator[Blocks]":
        """Within, the model consists of these blocks (to the top without `end`); `sparing` of memory, gradients are
        had by computing each block once more."""
        own = model.model.layers
        end = len(own) if end is None else end
        blocks = cls(model, first, end, sparing=sparing)
        model.model.layers = blocks._layers
        try:
            with checkpointed(own[first:end]) if sparing else nullcontext():
                yield blocks
        finally:
            model.model.layers = own

    def run(self, ids: mx.array, states: mx.array | None, start: int = 0) -> mx.array:
        """States (batch, positions, width) before block `first` (None for block 0) to those after the last block, of
        the positions from `start` on; with the final norm, if that is the model's topmost.
        """
        if self._source is not None and states is not None:
            self._source.give(states)
        whole = self._sparing  # what is computed once more has no keys and values to keep
        out = hidden_states(self._model, ids, 0 if whole else start)
        after = out if self._sink is None else self._sink.take()
        return after[:, start:] if whole else after
