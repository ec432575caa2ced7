"""The weights of a GGUF as an MLX model: the same values, dequantised, so that training sees what is served."""

import importlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.models.cache import ConcatenateKVCache

from adapterd.base.architectures import architecture_of, check_supported
from adapterd.base.families.layers.gated_delta import DeltaCache
from adapterd.base.gguf.ggml import FloatArray
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.hyperparameters import Heads
from adapterd.base.mlx.file_embedding import FileEmbedding
from adapterd.base.mlx.quantized_layers import QuantizedWeight, quantized_layer_for
from adapterd.errors import InputError


def default_dtype() -> mx.Dtype:
    """The dtype to load weights in: fp32 on a CPU, where 16-bit matmul is some fifty times slower, else bfloat16.

    Not float16: activations of Qwen2 models exceed its range.
    """
    return dtype_of(on_gpu=on_gpu())


def dtype_of(*, on_gpu: bool) -> mx.Dtype:
    """The same for a machine with a GPU, or without."""
    return mx.bfloat16 if on_gpu else mx.float32


def on_gpu() -> bool:
    """Whether MLX computes on a GPU here (Metal, CUDA), where it has kernels for 16-bit and for quantised weights."""
    return bool(mx.default_device().type == mx.gpu)


def load_mlx_model(gguf: GgufFile, *, dtype: mx.Dtype, quantized: bool = False) -> nn.Module:
    """The model with its weights in memory, frozen; `quantized` keeps those quantised that MLX can hold exactly.

    Raises UnsupportedModelError by architecture, tensor or type, InputError for a file that contradicts itself.
    """
    source = _WeightLoader(gguf, dtype, quantized=quantized)
    source.fill(source.names)
    mx.eval(source.model.parameters())
    return source.model


class BlockwiseModel:
    """A frozen model whose blocks have weights only while they are `loaded`, for machines it does not fit into whole.

    Embedding, final norm and head stay in memory from then on. Raises as `load_mlx_model`, which describes `quantized`.
    """

    def __init__(self, gguf: GgufFile, *, dtype: mx.Dtype, quantized: bool = False) -> None:
        self._loader = _WeightLoader(gguf, dtype, quantized=quantized)
        self.model, self.dtype = self._loader.model, dtype
        self._common = [name for name in self._loader.names if _block_of(name) is None]

    @property
    def blocks(self) -> int:
        """How many there are."""
        return len(self.model.layers)

    @property
    def width(self) -> int:
        """How many values there are to a position between blocks."""
        return int(self.model.args.hidden_size) + int(getattr(self.model.model, "carried", 0))

    def keep(self, start: int) -> nn.Module:
        """Load the blocks from `start` to the top for good."""
        self._fill_common()
        self._loader.fill(self._names(start, self.blocks))
        return self.model

    @contextmanager
    def loaded(self, start: int, end: int, *, without: Collection[str] = ()) -> Iterator[nn.Module]:
        """Within, the blocks `start` up to but not including `end` have their weights, but for the parameters named."""
        chosen = [name for name in self._names(start, end) if name not in without]
        self._fill_common()
        self._loader.fill(chosen)
        try:
            yield self.model
        finally:
            self._loader.empty(chosen)

    def _fill_common(self) -> None:
        self._loader.fill(self._common)
        self._common = []

    def _names(self, start: int, end: int) -> list[str]:
        return [name for name in self._loader.names if _block_of(name) in range(start, end)]


def hidden_states(model: nn.Module, ids: mx.array, start: int = 0) -> mx.array:
    """Token ids (batch, positions) through all blocks and the final norm: states (batch, positions, width), of the
    positions from `start` on.

    Of the positions before it, the topmost block computes keys and values only, as MLX is lazy.
    """
    past = [_cache_for(block) for block in model.model.layers] if start else None
    if start:
        model.model(ids[:, :start], past)
    states: mx.array = model.model(ids[:, start:], past)
    return states


def _cache_for(block: nn.Module) -> ConcatenateKVCache | DeltaCache:
    """What a block, or what replaces it, keeps of the positions that have gone through it."""
    return DeltaCache() if getattr(block, "is_linear", False) else ConcatenateKVCache()


def project(model: nn.Module, hidden: mx.array) -> mx.array:
    """Hidden states (…, width) to logits (…, vocabulary), by the head or the embedding that stands in for it.

    Where the model divides its logits, they are divided; where it has a softcapping c of them, they are
    c · tanh(logits / c).
    """
    head = model.lm_head if hasattr(model, "lm_head") else model.model.embed_tokens.as_linear
    logits: mx.array = head(hidden)
    divisor = getattr(model, "logits_divisor", 1.0)
    logits = logits if divisor == 1.0 else logits / divisor
    cap = getattr(model, "final_logit_softcapping", 0.0)
    return cap * mx.tanh(logits / cap) if cap else logits


@dataclass(frozen=True)
class FactoredRope:
    """Rotary positions with a divisor for each frequency, as Llama 3.1 and later and Phi 3 and later have them.

    Stands in for an mlx-lm attention's `rope`: takes and gives (batch, heads, positions, head size), of which the first
    `rotated` values turn and are multiplied by `magnitude`.
    """

    rotated: int
    traditional: bool
    frequencies: mx.array
    scale: float
    magnitude: float

    @classmethod
    def build(cls, arguments: dict[str, Any], rotated: int, factors: FloatArray) -> "FactoredRope":
        """`arguments` are those of the mlx-lm model; `factors` are `rotated / 2` divisors."""
        exponents = mx.arange(0, rotated, 2, dtype=mx.float32) / rotated
        frequencies = arguments["rope_theta"] ** exponents * mx.array(factors)
        scale = 1.0 / (arguments["rope_scaling"] or {"factor": 1.0})["factor"]
        magnitude = arguments.get("rope_magnitude", 1.0)
        return cls(rotated, arguments["rope_traditional"], frequencies, scale, magnitude)

    def __call__(self, x: mx.array, offset: int = 0) -> mx.array:
        """Turn `x`, whose first position is `offset`."""
        if self.magnitude != 1.0:
            x = x.at[..., : self.rotated].multiply(self.magnitude)
        return mx.fast.rope(
            x,
            self.rotated,
            traditional=self.traditional,
            base=None,
            scale=self.scale,
            offset=offset,
            freqs=self.frequencies,
        )


class _WeightLoader:
    """A model without weights that fills its parameters from the GGUF; `names` are those of its parameters."""

    def __init__(self, gguf: GgufFile, dtype: mx.Dtype, *, quantized: bool) -> None:
        check_supported(gguf)
        self._gguf, self._dtype = gguf, dtype
        self._architecture = architecture_of(gguf)
        arguments = self._architecture.arguments(gguf)
        module = importlib.import_module(f"mlx_lm.models.{self._architecture.mlx_module}")
        sizes = getattr(module, self._architecture.mlx_arguments).from_dict(arguments)
        self.model = getattr(module, self._architecture.mlx_class)(sizes)
        self.model.final_logit_softcapping = arguments.get("final_logit_softcapping", 0.0)
        self.model.logits_divisor = arguments.get("logits_scaling", 1.0)
        self._architecture.correct(self.model, arguments)
        self._tensors = {
            name: tensor
            for tensor in gguf.tensors
            if (name := self._architecture.mlx_name(tensor)) and not self._architecture.only_carries(gguf, tensor)
        }
        if hasattr(self.model, "sanitize"):  # which drops the head of a model that has none
            kept = self.model.sanitize(dict.fromkeys(self._tensors, mx.zeros((1, 1))))
            self._tensors = {name: self._tensors[name] for name in kept}
        self._leave_in_the_file()
        self._shapes = {name: value.shape for name, value in tree_flatten(self.model.parameters())}
        strays = self._tensors.keys() - self._shapes.keys()
        if strays:
            raise InputError(f"{gguf.path} has {self._tensors[min(strays)]}, which its metadata leave no place for")
        self._quantized = self._replace_with_quantized() if quantized else frozenset[str]()
        self.names = tuple(name for name, _ in tree_flatten(self.model.parameters()))
        self.empty(self.names)
        if factors := self._architecture.rotary_factors(gguf):
            self._factor_ropes(factors, arguments)
        self.model.freeze()

    def _leave_in_the_file(self) -> None:
        """Put embeddings that read their rows from the file where the architecture has such."""
        for tensor in self._architecture.read_by_row & self._gguf.tensors.keys():
            module = self._architecture.module(tensor)
            del self._tensors[f"{module}.weight"]
            stand_in = FileEmbedding(self._gguf, tensor, self._dtype)
            self.model.update_modules(tree_unflatten([(module, stand_in)]))

    def _replace_with_quantized(self) -> frozenset[str]:
        """Put quantised layers wherever MLX has an exact one; their names."""
        replaced = {}
        for name, module in self.model.named_modules():
            tensor = self._tensors.get(f"{name}.weight")
            stand_in = tensor and quantized_layer_for(module, self._gguf.tensors[tensor].type_name, self._dtype)
            if stand_in:
                replaced[name] = stand_in
        self.model.update_modules(tree_unflatten(list(replaced.items())))
        return frozenset(replaced)

    def fill(self, names: Iterable[str]) -> None:
        """Load these parameters one at a time, so that at most one tensor is in memory as fp32, or as the file has
        it."""
        self.model.update(tree_unflatten([pair for name in names for pair in self._released(name)]))

    def empty(self, names: Iterable[str]) -> None:
        """Free the memory of these parameters; the zeros that replace them are never evaluated."""
        shape_of = {name: self._shapes.get(name, (1,)) for name in names}
        self.model.update(tree_unflatten([(name, mx.zeros(shape, self._dtype)) for name, shape in shape_of.items()]))

    def _released(self, name: str) -> list[tuple[str, mx.array]]:
        found = self._parameters(name)
        self._gguf.release()
        return found

    def _parameters(self, name: str) -> list[tuple[str, mx.array]]:
        """The parameter by its name; of a quantised layer all three at its weight, and nothing at the others."""
        layer, _, kind = name.rpartition(".")
        if layer not in self._quantized or kind == "bias":
            return [(name, self._parameter(name))]
        if kind != "weight":
            return []
        tensor = self._gguf.tensors[self._tensors[name]]
        self._check_shape(name, tensor.shape)
        weight = QuantizedWeight.from_ggml(self._gguf.raw(tensor.name), tensor.type_name, tensor.shape[1])
        mx.eval(weight.codes, weight.scales, weight.biases)
        return [(name, weight.codes), (f"{layer}.scales", weight.scales), (f"{layer}.biases", weight.biases)]

    def _parameter(self, name: str) -> mx.array:
        tensor = self._tensors.get(name)
        if tensor is None:
            if name.rpartition(".")[2] in self._architecture.ones:
                return mx.ones(self._shapes[name], self._dtype)
            if not name.endswith(".bias"):
                raise InputError(f"{self._gguf.path} lacks what {name} of the model is made of")
            # mlx-lm's llama has biases everywhere in attention or nowhere; a file may have some of them.
            return mx.zeros(self._shapes[name], self._dtype)
        values, shift = self._gguf.values(tensor), self._architecture.shift(tensor)
        self._check_shape(name, values.shape)
        dtype = mx.float32 if name.rpartition(".")[2] in self._architecture.exact else self._dtype
        parameter = mx.array(values - np.float32(shift) if shift else values).astype(dtype)
        mx.eval(parameter)
        return parameter

    def _check_shape(self, name: str, shape: tuple[int, ...]) -> None:
        if shape != self._shapes[name]:
            raise InputError(
                f"{self._gguf.path} has a tensor whose shape contradicts the metadata: "
                f"{self._tensors[name]} is {shape}, not {self._shapes[name]}"
            )

    def _factor_ropes(self, factors: str, arguments: dict[str, Any]) -> None:
        rotated = Heads.of(self._gguf, partly_rotated=True).rotated
        try:
            rope = FactoredRope.build(arguments, rotated, self._gguf.values(factors))
        except ValueError as exc:
            raise InputError(f"{self._gguf.path} has a {factors} whose shape contradicts the metadata: {exc}") from exc
        for layer in self.model.layers:
            layer.self_attn.rope = rope


def _block_of(parameter: str) -> int | None:
    parts = parameter.split(".")
    return int(parts[2]) if parts[:2] == ["model", "layers"] else None
