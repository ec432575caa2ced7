"""What the touched layers meet: second moments of their inputs, over training examples run through base + adapter."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_unflatten
from mlx_lm.tuner.utils import load_adapters

from adapterd.base.architectures import Architecture, architecture_of
from adapterd.base.gguf_file import GgufFile
from adapterd.base.mlx_model import default_dtype, hidden_states, load_mlx_model


@dataclass
class Moments:
    """XᵀX by module. Modules that are given the very same input (q, k, v; gate, up) share one matrix."""

    sums: dict[str, mx.array] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)
    _last: tuple[str, mx.array] | None = None

    def note(self, module: str, inputs: mx.array) -> None:
        """Take in the inputs (…, columns) of one call."""
        if self._last is not None and self._last[1] is inputs:
            self.shared[module] = self._last[0]
            return
        self._last = (module, inputs)
        flat = inputs.reshape(-1, inputs.shape[-1]).astype(mx.float32)
        self.sums[module] = self.sums.get(module, mx.array(0.0)) + flat.T @ flat

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
    """Base + adapter as a model that examples can be run through."""

    def __init__(self, base: GgufFile, adapter: Path, examples: Sequence[Sequence[int]]) -> None:
        self._architecture: Architecture = architecture_of(base)
        self._model = load_adapters(load_mlx_model(base, dtype=default_dtype()), str(adapter))
        self._model.eval()
        self._examples = examples

    def hessians(self, tensors: Collection[str]) -> Iterator[tuple[str, "np.ndarray[Any, Any]"]]:
        """(tensor, XᵀX) for each of the tensors, from one pass over the examples."""
        modules = {
            name: module
            for name, module in self._model.named_modules()
            if hasattr(module, "lora_a") and self._architecture.gguf_name(name) in tensors
        }
        with self._recorded(modules) as moments:
            for ids in self._examples:
                hidden_states(self._model, mx.array([list(ids)]))
                mx.eval(moments.sums)
        for name in modules:
            yield self._architecture.gguf_name(name), moments.of(name)

    @contextmanager
    def _recorded(self, modules: dict[str, nn.Module]) -> Iterator[Moments]:
        moments = Moments()
        recorders = [(name, Recorder(module, name, moments)) for name, module in modules.items()]
        self._model.update_modules(tree_unflatten(recorders))
        try:
            yield moments
        finally:
            self._model.update_modules(tree_unflatten(list(modules.items())))
