"""Calibration: base + adapter run over examples, one block in memory at a time, for Hessians and teacher states."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_unflatten
from mlx_lm.tuner.lora import LoRALinear

from adapterd.base.architectures import architecture_of, block_of_module
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.blocks import Blocks
from adapterd.base.mlx.model import BlockwiseModel
from adapterd.merging.examples import CalibrationBatch
from adapterd.merging.updates import Update


@dataclass
class Hessians:
    """The Hessian XᵀX of each module's inputs X, with each position weighted by `weights` (examples, positions).

    Modules that get the very same input array (q, k, v; gate, up) share one matrix.
    """

    weights: mx.array | None = None
    sums: dict[str, mx.array] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)
    _last: tuple[str, mx.array] | None = None

    def add(self, module: str, inputs: mx.array) -> None:
        """Add the inputs (examples, positions, columns) of one call to the module's matrix."""
        if self._last is not None and self._last[1] is inputs:
            self.shared[module] = self._last[0]
            return
        self._last = (module, inputs)
        weighted = inputs.astype(mx.float32)
        if self.weights is not None:
            weighted = weighted * mx.sqrt(self.weights)[..., None]
        flat = weighted.reshape(-1, inputs.shape[-1])
        self.sums[module] = self.sums.get(module, mx.array(0.0)) + flat.T @ flat

    def modules_by_input(self) -> dict[str, list[str]]:
        """The modules that share a matrix, by the name of the first of them."""
        return {name: [name, *(other for other, of in self.shared.items() if of == name)] for name in self.sums}

    def of(self, module: str) -> "np.ndarray[Any, Any]":
        """The matrix of a module, (columns, columns) float32, in the memory that it has."""
        return np.asarray(self.sums[self.shared.get(module, module)])


class InputRecorder(nn.Module):  # type: ignore[misc]
    """A module that adds its inputs to the Hessians before it computes."""

    def __init__(self, inner: nn.Module, name: str, hessians: Hessians) -> None:
        super().__init__()
        self.inner = inner
        self._name = name
        self._hessians = hessians

    def __call__(self, inputs: mx.array) -> mx.array:
        self._hessians.add(self._name, inputs)
        outputs: mx.array = self.inner(inputs)
        return outputs


class Calibration:
    """One pass of batches through base + adapter, one block in memory at a time.

    `modules` are the touched ones, tensor by module name; `first` is the lowest block that has any. After the pass
    `entry_states` has the hidden states before that block, (examples, positions, width), and `final_states` those after
    the final norm at completion positions, (tokens, width), both by batch: the teacher of the distillation.
    """

    def __init__(
        self, source: BlockwiseModel, base: GgufFile, updates: Sequence[Update], batches: Sequence[CalibrationBatch]
    ):
        architecture = architecture_of(base)
        self.source = source
        self.batches = batches
        self._updates = {architecture.module(update.tensor): update for update in updates}
        self.modules = {module: update.tensor for module, update in self._updates.items()}
        self.first = min(map(block_of_module, self.modules))
        self.entry_states: list[mx.array | None] = []
        self.final_states: list[mx.array] = []

    def run(self) -> Iterator[Hessians]:
        """Run all batches through block after block; gives the Hessians of each touched block."""
        states: list[Any] = [None] * len(self.batches)
        for index in range(len(self.source.model.layers)):
            if index == self.first:
                self.entry_states = states
            with self._recording(index) as hessians, Blocks.only(self.source.model, index, index + 1) as block:
                states = list(self._through(block, states, hessians))
            if hessians.sums:
                yield hessians
        self.final_states = [batch.of_completion(each) for batch, each in zip(self.batches, states, strict=True)]
        mx.eval(self.final_states)

    def _through(self, block: Blocks, states: Sequence[Any], hessians: Hessians) -> Iterator[mx.array]:
        for batch, before in zip(self.batches, states, strict=True):
            hessians.weights = batch.weights
            after = block.run(batch.ids, before)
            mx.eval(after, hessians.sums)
            yield after

    @contextmanager
    def _recording(self, index: int) -> Iterator[Hessians]:
        """Load the block, with the adapter on its touched modules, and record their inputs in the Hessians."""
        hessians = Hessians()
        with self.source.loaded(index, index + 1) as model:
            named = dict(model.named_modules())
            own = {name: named[name] for name in self.modules if block_of_module(name) == index}
            replace_modules(
                model, {name: InputRecorder(self._adapted(name, own[name]), name, hessians) for name in own}
            )
            try:
                yield hessians
            finally:
                replace_modules(model, own)

    def _adapted(self, name: str, plain: nn.Module) -> nn.Module:
        update = self._updates[name]
        adapted = LoRALinear.from_base(plain, r=update.a.shape[1], scale=update.scale, dropout=0.0)
        adapted.lora_a, adapted.lora_b = mx.array(update.a), mx.array(update.b)
        return adapted


def replace_modules(model: nn.Module, modules: dict[str, nn.Module]) -> None:
    """Replace the modules of these names."""
    model.update_modules(tree_unflatten(list(modules.items())))
