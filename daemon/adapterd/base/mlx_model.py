"""The weights of a GGUF as an MLX model: the same values, dequantised, so that training sees what is served."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from adapterd.base.architectures import architecture_of, check_supported
from adapterd.base.gguf_file import FloatArray, GgufFile
from adapterd.base.hyperparameters import ROPE_FACTORS, Heads
from adapterd.errors import InputError


def default_dtype() -> mx.Dtype:
    """The dtype to load weights in: fp32 on a CPU, where 16-bit matmul is some fifty times slower, else bfloat16.

    Not float16: activations of Qwen2 models exceed its range.
    """
    return mx.bfloat16 if mx.default_device().type == mx.gpu else mx.float32


def load_mlx_model(gguf: GgufFile, *, dtype: mx.Dtype) -> nn.Module:
    """The model with its weights in memory, frozen.

    Raises UnsupportedModelError by architecture, tensor or type, InputError for a file that contradicts itself.
    """
    check_supported(gguf)
    architecture = architecture_of(gguf)
    arguments = architecture.arguments(gguf)
    module = importlib.import_module(f"mlx_lm.models.{architecture.mlx_module}")
    model = module.Model(module.ModelArgs(**arguments))
    weights = dict(_weights(gguf, dtype))
    try:
        model.load_weights([*weights.items(), *_zero_biases(model, weights, dtype)], strict=True)
        if ROPE_FACTORS in gguf.tensors:
            _factor_ropes(model, gguf, arguments)
    except ValueError as exc:
        raise InputError(f"{gguf.path} has a tensor whose shape contradicts the metadata: {exc}") from exc
    mx.eval(model.parameters())
    model.freeze()
    return model


def hidden_states(model: nn.Module, ids: mx.array) -> mx.array:
    """Token ids (batch, positions) through all blocks and the final norm: (batch, positions, width)."""
    states: mx.array = model.model(ids)
    return states


def project(model: nn.Module, hidden: mx.array) -> mx.array:
    """Hidden states (…, width) to logits (…, vocabulary), by the head or the embedding that stands in for it."""
    tied = model.args.tie_word_embeddings
    logits: mx.array = model.model.embed_tokens.as_linear(hidden) if tied else model.lm_head(hidden)
    return logits


@dataclass(frozen=True)
class FactoredRope:
    """Rotary positions with a divisor for each frequency, as Llama 3.1 and later have them in `rope_freqs.weight`.

    Stands in for an mlx-lm attention's `rope`: takes and gives (batch, heads, positions, head size).
    """

    head_size: int
    traditional: bool
    frequencies: mx.array
    scale: float

    @classmethod
    def build(cls, arguments: dict[str, Any], head_size: int, factors: FloatArray) -> "FactoredRope":
        """`arguments` are those of the mlx-lm model; `factors` are `head_size / 2` divisors."""
        exponents = mx.arange(0, head_size, 2, dtype=mx.float32) / head_size
        frequencies = arguments["rope_theta"] ** exponents * mx.array(factors)
        scaling = arguments["rope_scaling"] or {"factor": 1.0}
        return cls(head_size, arguments["rope_traditional"], frequencies, 1.0 / scaling["factor"])

    def __call__(self, x: mx.array, offset: int = 0) -> mx.array:
        """Turn `x`, whose first position is `offset`."""
        return mx.fast.rope(
            x,
            self.head_size,
            traditional=self.traditional,
            base=None,
            scale=self.scale,
            offset=offset,
            freqs=self.frequencies,
        )


def _weights(gguf: GgufFile, dtype: mx.Dtype) -> Iterator[tuple[str, mx.array]]:
    """Each parameter, converted at once, so that no more than one tensor is in memory as fp32."""
    architecture = architecture_of(gguf)
    for tensor in gguf.tensors:
        name = architecture.mlx_name(tensor)
        if name is not None:
            weight = mx.array(gguf.values(tensor)).astype(dtype)
            mx.eval(weight)
            yield name, weight


def _zero_biases(model: nn.Module, weights: dict[str, mx.array], dtype: mx.Dtype) -> list[tuple[str, mx.array]]:
    """mlx-lm's llama has biases everywhere in attention or nowhere; a file may have some of them."""
    parameters = tree_flatten(model.parameters())
    return [(k, mx.zeros(v.shape, dtype)) for k, v in parameters if k.endswith(".bias") and k not in weights]


def _factor_ropes(model: nn.Module, gguf: GgufFile, arguments: dict[str, Any]) -> None:
    rope = FactoredRope.build(arguments, Heads.of(gguf).size, gguf.values(ROPE_FACTORS))
    for layer in model.layers:
        layer.self_attn.rope = rope
