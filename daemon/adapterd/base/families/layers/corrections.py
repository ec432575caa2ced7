"""Parts that stand in for those of an mlx-lm model where it computes otherwise than llama.cpp. They need MLX, so that
families import them only when a model is made."""

from collections.abc import Mapping
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models import gemma, ministral3
from mlx_lm.models.base import create_causal_mask
from mlx_lm.models.rope_utils import initialize_rope


class ScaledEmbedding(nn.Embedding):  # type: ignore[misc]
    """An embedding whose looked-up rows are multiplied by `factor`, while as a head it is what it was."""

    def __init__(self, rows: int, width: int, factor: float) -> None:
        super().__init__(rows, width)
        self.factor = factor

    def __call__(self, ids: mx.array) -> mx.array:
        rows: mx.array = super().__call__(ids)
        return rows * self.factor


def windowed(attention: type[nn.Module]) -> type[nn.Module]:
    """The class of an mlx-lm attention, seeing no more than the last `window` positions, its own one included."""

    class Windowed(attention):  # type: ignore[misc]
        def __init__(self, arguments: Any, window: int) -> None:
            super().__init__(arguments)
            self.window = window

        def __call__(self, x: mx.array, mask: mx.array | None = None, cache: Any = None) -> mx.array:
            past, new = cache.offset if cache is not None else 0, x.shape[1]
            if past + new > self.window:
                mask = create_causal_mask(new, past, window_size=self.window)
            states: mx.array = super().__call__(x, mask, cache)
            return states

    return Windowed


def rounded_to_bfloat16(value: float) -> float:
    """The nearest number that is a bfloat16."""
    rounded: Any = mx.array(value, mx.bfloat16).item()
    return float(rounded)


def rope_for(arguments: Mapping[str, Any], size: int) -> nn.Module:
    """Rotary positions of heads of this size, as the arguments of the mlx-lm model say."""
    rope: nn.Module = initialize_rope(
        size,
        arguments["rope_theta"],
        arguments["rope_traditional"],
        arguments["rope_scaling"],
        arguments["max_position_embeddings"],
    )
    return rope


class ApproximateGeluMLP(gemma.MLP):  # type: ignore[misc]
    """Gemma's gated MLP, with the GELU by tanh."""

    def __call__(self, x: mx.array) -> mx.array:
        states: mx.array = self.down_proj(nn.gelu_approx(self.gate_proj(x)) * self.up_proj(x))
        return states


class TemperedAttention(ministral3.Attention):  # type: ignore[misc]
    """Ministral's attention, called as that of other models: it finds by itself how far queries have grown.

    `arguments` are those of the mlx-lm model, with the rotary positions as they lie in the file.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        growth = {
            "llama_4_scaling_beta": arguments["temperature_scale"],
            "original_max_position_embeddings": arguments["original_context"],
            "rope_theta": arguments["rope_theta"],
        }
        super().__init__(ministral3.ModelArgs.from_dict({**arguments, "rope_parameters": growth}))
        self.rope = rope_for(arguments, self.head_dim)

    def __call__(self, x: mx.array, mask: mx.array | None = None, cache: Any = None) -> mx.array:
        states: mx.array = super().__call__(x, None, mask, cache)
        return states
