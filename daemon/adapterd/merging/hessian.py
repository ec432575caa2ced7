"""Base + adapter, run block by block over examples: what the touched modules meet, and what comes out at the top."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_unflatten
from mlx_lm.tuner.lora import LoRALinear

from adapterd.base.architectures import architecture_of
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.blocks import Blocks
from adapterd.base.mlx.model import BlockwiseModel
from adapterd.merging.examples import Batch
from adapterd.merging.updates import Update


@dataclass
class Moments:
    """XᵀX by module, each position weighted by `weights` (examples, positions).

    Modules that are given the very same input (q, k, v; gate, up) share one matrix.
    """

    weights: mx.array | None = None
    sums: dict[str, mx.array] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)
    _last: tuple[str, mx.array] | None = None

    def note(self, module: str, inputs: mx.array) -> None:
        """Take in the inputs (examples, positions, columns) of one call."""
        if self._last is not None and self._last[1] is inputs:
            self.shared[module] = self._last[0]
            return
        self._last = (module, inputs)
        weighted = inputs.astype(mx.float32)
        if self.weights is not None:
            weighted = weighted * mx.sqrt(self.weights)[..., None]
        flat = weighted.reshape(-1, inputs.shape[-1])
        self.sums[module] = self.sums.get(module, mx.array(0.0)) + flat.T @ flat

    def groups(self) -> dict[str, list[str]]:
        """The modules that share a matrix, by the one that it is noted under."""
        return {name: [name, *(other for other, of in self.shared.items() if of == name)] for name in self.sums}

    def of(self, module: str) -> "np.ndarray[Any, Any]":
        """The matrix of a module, (columns, columns) float32."""
        return np.array(self.sums[self.shared.get(module, module)])


class Recorder(nn.Module):  # type: ignore[misc]
    """A module that notes what it is given."""

    def __init__(self, inner: nn.Module, name: str, moments: Moments) -> None:
        super().__init__()
        self.inner = inner
        self._name = name
        self._moments = moments

    def __call__(self, inputs: mx.array) -> mx.array:
        self._moments.note(self._name, inputs)
        outputs: mx.array = self.inner(inputs)
        return outputs


class Calibration:
    """One pass of batches through base + adapter, one block in memory at a time.

    `modules` are the touched ones, tensor by module name; `first` is the lowest block with any. After the pass
    `entering` has the states before that block, and `said` the states behind the final norm at completion positions,
    both by batch.
    """

    def __init__(self, source: BlockwiseModel, base: GgufFile, updates: Sequence[Update], batches: Sequence[Batch]):
        architecture = architecture_of(base)
        self.source = source
        self.batches = batches
        self._updates = {architecture.module(update.tensor): update for update in updates}
        self.modules = {module: update.tensor for module, update in self._updates.items()}
        self.first = min(map(block_of, self.modules))
        self.entering: list[mx.array | None] = []
        self.said: list[mx.array] = []

    def moments(self) -> Iterator[Moments]:
        """Go through all batches, block after block; gives what the modules of each touched block have met."""
        states: list[Any] = [None] * len(self.batches)
        for index in range(len(self.source.model.layers)):
            if index == self.first:
                self.entering = states
            with self._recorded(index) as moments, Blocks.only(self.source.model, index, index + 1) as block:
                states = list(self._through(block, states, moments))
            if moments.sums:
                yield moments
        self.said = [batch.of_completion(each) for batch, each in zip(self.batches, states, strict=True)]
        mx.eval(self.said)

    def _through(self, block: Blocks, states: Sequence[Any], moments: Moments) -> Iterator[mx.array]:
        for batch, before in zip(self.batches, states, strict=True):
            moments.weights = batch.weights
            after = block.run(batch.ids, before)
            mx.eval(after, moments.sums)
            yield after

    @contextmanager
    def _recorded(self, index: int) -> Iterator[Moments]:
        """Within, the block has weights, its touched modules have the adapter, and what they meet is noted."""
        moments = Moments()
        with self.source.loaded(index, index + 1) as model:
            named = dict(model.named_modules())
            own = {name: named[name] for name in self.modules if block_of(name) == index}
            put(model, {name: Recorder(self._adapted(name, own[name]), name, moments) for name in own})
            try:
                yield moments
            finally:
                put(model, own)

    def _adapted(self, name: str, plain: nn.Module) -> nn.Module:
        update = self._updates[name]
        adapted = LoRALinear.from_base(plain, r=update.a.shape[1], scale=update.scale, dropout=0.0)
        adapted.lora_a, adapted.lora_b = mx.array(update.a), mx.array(update.b)
        return adapted


def block_of(module: str) -> int:
    """The block's number in `model.layers.22.self_attn.q_proj`."""
    return int(module.split(".")[2])


def put(model: nn.Module, modules: dict[str, nn.Module]) -> None:
    """Put modules in the places of the given names."""
    model.update_modules(tree_unflatten(list(modules.items())))
