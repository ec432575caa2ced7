"""Gemma 4's blocks as functions of hidden states alone.

mlx-lm's hand keys and values on to the blocks that share them, beside the hidden states. A range of blocks that runs by
itself, states that are cached between blocks, and blocks that are recomputed know only hidden states. So the shared
keys and values travel in further columns of these: a block that lends its own writes them there.
"""

from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx_lm.models.base import create_attention_mask
from mlx_lm.models.gemma4_text import DecoderLayer, Gemma4TextModel


@dataclass
class TokenInputs:
    """What each block gets of the tokens themselves: (batch, positions, blocks, values), or nothing."""

    values: mx.array | None = None


@dataclass(frozen=True)
class Columns:
    """Where in the hidden states the keys of a kind of block are, and after them its values."""

    start: int
    heads: int
    size: int

    @property
    def end(self) -> int:
        """The first column after them."""
        return self.start + 2 * self.heads * self.size

    def read(self, states: mx.array) -> tuple[mx.array, mx.array]:
        """Keys and values, (batch, heads, positions, size)."""
        parts = mx.split(states[..., self.start : self.end], 2, axis=-1)
        keys, values = (part.reshape(*part.shape[:2], self.heads, self.size).swapaxes(1, 2) for part in parts)
        return keys, values

    def written(self, states: mx.array, keys: mx.array, values: mx.array) -> mx.array:
        """The states with these keys and values, of their own positions."""
        parts = (part.swapaxes(1, 2).reshape(*states.shape[:2], -1).astype(states.dtype) for part in (keys, values))
        return mx.concatenate([states[..., : self.start], *parts, states[..., self.end :]], axis=-1)


class CarryingBlock(DecoderLayer):  # type: ignore[misc]
    """A block that takes and gives hidden states with the shared keys and values in them."""

    def __init__(
        self, arguments: Any, index: int, inputs: TokenInputs, columns: Columns | None, *, lends: bool
    ) -> None:
        super().__init__(arguments, index)
        self.inputs, self.columns, self.lends = inputs, columns, lends

    def __call__(self, states: mx.array, mask: Any = None, cache: Any = None) -> mx.array:
        width, new = self.config.hidden_size, states.shape[1]
        own = None if self.inputs.values is None else self.inputs.values[:, :, self.layer_idx]
        offset = cache.offset if cache is not None else 0
        lent = None if self.self_attn.has_kv or self.columns is None else self.columns.read(states)
        out, (keys, values), _ = super().__call__(
            states[..., :width], mask, cache, per_layer_input=own, shared_kv=lent, offset=offset
        )
        after = mx.concatenate([out, states[..., width:]], axis=-1) if states.shape[-1] > width else out
        if self.lends and self.columns is not None:
            after = self.columns.written(after, keys[:, :, -new:], values[:, :, -new:])
        return after


class CarryingModel(Gemma4TextModel):  # type: ignore[misc]
    """mlx-lm's model with such blocks."""

    def __init__(self, arguments: Any) -> None:
        super().__init__(arguments)
        self.token_inputs = TokenInputs()
        own = arguments.num_hidden_layers - arguments.num_kv_shared_layers
        lending = set(self.previous_kvs[own:])
        columns: dict[str, Columns] = {}
        end = arguments.hidden_size
        for index in sorted(lending):
            attention = self.layers[index].self_attn
            columns[attention.layer_type] = Columns(end, attention.n_kv_heads, attention.head_dim)
            end = columns[attention.layer_type].end
        self.carried = end - arguments.hidden_size
        self.layers: list[Any] = [
            CarryingBlock(arguments, index, self.token_inputs, columns.get(kind), lends=index in lending)
            for index, kind in enumerate(arguments.layer_types)
        ]

    def __call__(self, ids: mx.array, cache: list[Any] | None = None) -> mx.array:
        """Token ids (batch, positions) to the states after the final norm."""
        embedded = self.embed_tokens(ids)
        states = embedded * self.embed_scale
        if self.hidden_size_per_layer_input:
            own = self._get_per_layer_inputs(ids)
            self.token_inputs.values = self._project_per_layer_inputs(states, own)
        if self.carried:
            states = mx.concatenate([states, mx.zeros((*ids.shape, self.carried), states.dtype)], axis=-1)
        caches = cache if cache is not None else [None] * len(self.layers)
        kinds = self.config.layer_types
        masks = {
            kind: create_attention_mask(ids, caches[0], window_size=window)
            for kind, window in (("full_attention", None), ("sliding_attention", self.window_size))
        }
        for block, kind, past in zip(self.layers, kinds, caches, strict=True):
            states = block(states, masks[kind], past)
        normed: mx.array = self.norm(states[..., : self.config.hidden_size])
        return normed
