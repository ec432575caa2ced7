"""Gemma 4, dense: layers with a sliding window have smaller heads than those without, the last layers read keys and
values of earlier ones, and every layer of the small models gets an embedding of the token of its own."""

from collections.abc import Mapping
from typing import Any

from adapterd.base.families.architecture import HEAD_NORMS, LLAMA_BLOCK, Architecture
from adapterd.base.families.gemma import GEMMA_NORMS
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.hyperparameters import ROPE_FACTORS, Heads, number, real, require_unscaled_rope
from adapterd.errors import InputError, UnsupportedModelError

_KEYS_AND_VALUES = frozenset(("attn_k", "attn_v", "attn_k_norm"))
_PER_LAYER = {
    "inp_gate": "per_layer_input_gate",
    "proj": "per_layer_projection",
    "post_norm": "post_per_layer_input_norm",
}
_PER_LAYER_WHOLE = {
    "per_layer_token_embd": "model.embed_tokens_per_layer",
    "per_layer_model_proj": "model.per_layer_model_projection",
    "per_layer_proj_norm": "model.per_layer_projection_norm",
}
_UNROTATED = 1e30
"""What llama.cpp's converter divides the frequencies by of pairs that do not turn."""


def _windowed(gguf: GgufFile) -> list[bool]:
    """Whether each block has a sliding window."""
    marked, blocks = gguf.value("gemma4.attention.sliding_window_pattern"), number(gguf, "block_count")
    if not isinstance(marked, list) or len(marked) < blocks:
        raise InputError(f"{gguf.path} does not say of each block whether it has a sliding window")
    return [bool(each) for each in marked[:blocks]]


def _by_block(gguf: GgufFile, key: str) -> list[int]:
    """A number of each block, which the file has once or as a list; raises InputError for anything else."""
    value, blocks = gguf.required(f"gemma4.{key}"), number(gguf, "block_count")
    values = value if isinstance(value, list) else [value] * blocks
    if len(values) < blocks or not all(type(each) is int and each > 0 for each in values[:blocks]):
        raise InputError(f"{gguf.path} has no number of each block as gemma4.{key}")
    return list(values[:blocks])


def _own(gguf: GgufFile) -> int:
    """How many blocks have keys and values of their own; the others read those of the last such block of their kind.

    Raises UnsupportedModelError for blocks in an order in which llama.cpp reads those of another.
    """
    windowed = _windowed(gguf)
    own = len(windowed) - number(gguf, "attention.shared_kv_layers", 0, least=0)
    if own < len(windowed) and (own < 2 or windowed[own - 1] or not windowed[own - 2]):
        raise UnsupportedModelError(f"{gguf.path} shares keys and values between other blocks than is known")
    return own


def _one_of(gguf: GgufFile, values: list[int], what: str) -> int:
    if len(set(values)) != 1:
        raise UnsupportedModelError(f"{gguf.path} has layers of one kind that differ in {what}")
    return values[0]


def _key_value_heads(gguf: GgufFile) -> dict[bool, int]:
    """By whether a block has a sliding window."""
    counts, windowed = _by_block(gguf, "attention.head_count_kv"), _windowed(gguf)
    by_kind = {kind: [count for count, each in zip(counts, windowed, strict=True) if each is kind] for kind in windowed}
    return {kind: _one_of(gguf, values, "gemma4.attention.head_count_kv") for kind, values in by_kind.items()}


def _head_sizes(gguf: GgufFile) -> dict[bool, int]:
    """By whether a block has a sliding window; all of a head can turn."""
    sizes = {}
    for windowed, end in ((False, ""), (True, "_swa")):
        sizes[windowed] = number(gguf, f"attention.key_length{end}")
        for key in (f"attention.value_length{end}", f"rope.dimension_count{end}"):
            if number(gguf, key, sizes[windowed]) != sizes[windowed]:
                raise UnsupportedModelError(f"{gguf.path} has heads of {sizes[windowed]} values, but another {key}")
    return sizes


def _feed_forward(gguf: GgufFile) -> tuple[int, bool]:
    """The size of the lower blocks' feed-forward layers, and whether those that share keys are twice as wide."""
    sizes, own = _by_block(gguf, "feed_forward_length"), _own(gguf)
    lower = _one_of(gguf, sizes[:own], "gemma4.feed_forward_length")
    upper = _one_of(gguf, sizes[own:] or [lower], "gemma4.feed_forward_length")
    if upper not in (lower, 2 * lower):
        raise UnsupportedModelError(f"{gguf.path} has feed-forward layers of {lower} and of {upper} values")
    return lower, upper != lower


def _rotated_share(gguf: GgufFile) -> float:
    """How much of a head turns where there is no window, by the divisors of its frequencies."""
    if ROPE_FACTORS not in gguf.tensors:
        raise InputError(f"{gguf.path} lacks the tensor {ROPE_FACTORS}")
    factors = gguf.values(ROPE_FACTORS)
    turning = int((factors == 1.0).sum())
    if factors.ndim != 1 or (factors[:turning] != 1.0).any() or (factors[turning:] < _UNROTATED / 10).any():
        raise UnsupportedModelError(f"{gguf.path} has a {ROPE_FACTORS} of another kind than Gemma 4's")
    return turning / len(factors)


def _equal(gguf: GgufFile) -> bool:
    """Whether layers without a window have no values of their own, but take the keys for them."""
    return any(
        not windowed and f"blk.{index}.attn_v.weight" not in gguf.tensors
        for index, windowed in enumerate(_windowed(gguf)[: _own(gguf)])
    )


def _per_layer_size(gguf: GgufFile) -> int:
    """Of the embedding that each block gets of a token; 0 where there is none."""
    return number(gguf, "embedding_length_per_layer_input", 0, least=0)


def _heads(gguf: GgufFile) -> Heads:
    """Those of layers without a window."""
    size = _head_sizes(gguf)[False]
    return Heads(number(gguf, "attention.head_count"), _key_value_heads(gguf).get(False, 1), size, size)


def _shared(gguf: GgufFile, block: int) -> frozenset[str]:
    """What a block reads from a lower one. Checkpoints may have it there, too, from before it was shared."""
    return _KEYS_AND_VALUES if block >= _own(gguf) else frozenset()


def _lacks(gguf: GgufFile, block: int) -> frozenset[str]:
    lacking = frozenset(() if _per_layer_size(gguf) else (*_PER_LAYER, *_PER_LAYER_WHOLE))
    if shared := _shared(gguf, block):
        return lacking | shared
    return lacking | {"attn_v"} if _equal(gguf) and not _windowed(gguf)[block] else lacking


def _arguments(gguf: GgufFile) -> dict[str, Any]:
    """For `mlx_lm.models.gemma4_text`."""
    require_unscaled_rope(gguf)
    windowed, sizes, counts = _windowed(gguf), _head_sizes(gguf), _key_value_heads(gguf)
    lower, double = _feed_forward(gguf)
    vocabulary = gguf.tensors["token_embd.weight"].shape[0]
    full = {"rope_type": "proportional", "rope_theta": real(gguf, "rope.freq_base", 1e6)}
    return {
        "hidden_size": number(gguf, "embedding_length"),
        "num_hidden_layers": len(windowed),
        "intermediate_size": lower,
        "use_double_wide_mlp": double,
        "num_attention_heads": number(gguf, "attention.head_count"),
        "head_dim": sizes[True],
        "global_head_dim": sizes[False],
        "rms_norm_eps": real(gguf, "attention.layer_norm_rms_epsilon"),
        "vocab_size": vocabulary,
        "vocab_size_per_layer_input": vocabulary,
        "num_key_value_heads": counts.get(True, 1) if _equal(gguf) else _one_of(gguf, [*counts.values()], "heads"),
        "num_global_key_value_heads": counts.get(False, 1),
        "attention_k_eq_v": _equal(gguf),
        "num_kv_shared_layers": len(windowed) - _own(gguf),
        "hidden_size_per_layer_input": _per_layer_size(gguf),
        "sliding_window": number(gguf, "attention.sliding_window"),
        "layer_types": ["sliding_attention" if each else "full_attention" for each in windowed],
        "max_position_embeddings": number(gguf, "context_length"),
        "final_logit_softcapping": real(gguf, "final_logit_softcapping", 0.0),
        "tie_word_embeddings": "output.weight" not in gguf.tensors,
        "rope_parameters": {
            "full_attention": full | {"partial_rotary_factor": _rotated_share(gguf)},
            "sliding_attention": {"rope_type": "default", "rope_theta": real(gguf, "rope.freq_base_swa", 1e4)},
        },
    }


def _shapes(_architecture: Architecture, gguf: GgufFile) -> dict[str, tuple[int, ...]]:
    """Of each block by itself."""
    width, heads = number(gguf, "embedding_length"), number(gguf, "attention.head_count")
    sizes, counts, inner = _head_sizes(gguf), _key_value_heads(gguf), _by_block(gguf, "feed_forward_length")
    vocabulary, own = gguf.tensors["token_embd.weight"].shape[0], _per_layer_size(gguf)
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd": (vocabulary, width), "output": (vocabulary, width), "layer_output_scale": (1,),
        "inp_gate": (own, width), "proj": (width, own), "per_layer_token_embd": (vocabulary, own * len(inner)),
        "per_layer_model_proj": (own * len(inner), width), "per_layer_proj_norm": (own,),
        "rope_freqs": (sizes[False] // 2,),
    }  # fmt: skip
    for index, windowed in enumerate(_windowed(gguf)):
        size, keys, ffn = sizes[windowed], counts[windowed] * sizes[windowed], inner[index]
        shapes |= {
            f"blk.{index}.attn_q": (heads * size, width), f"blk.{index}.attn_output": (width, heads * size),
            f"blk.{index}.attn_k": (keys, width), f"blk.{index}.attn_v": (keys, width),
            f"blk.{index}.attn_q_norm": (size,), f"blk.{index}.attn_k_norm": (size,),
            f"blk.{index}.ffn_gate": (ffn, width), f"blk.{index}.ffn_up": (ffn, width),
            f"blk.{index}.ffn_down": (width, ffn),
        }  # fmt: skip
    return shapes


def _correct(model: Any, _arguments: Mapping[str, Any]) -> None:
    """mlx-lm's blocks hand keys, values and inputs on beside the hidden states, where nothing else has a place."""
    from adapterd.base.families.layers.shared_keys import CarryingModel

    model.model = CarryingModel(model.args)


GEMMA4 = Architecture(
    "gemma4",
    mlx_module="gemma4_text",
    sizes=_arguments,
    block=LLAMA_BLOCK | GEMMA_NORMS | HEAD_NORMS | _PER_LAYER,
    whole=_PER_LAYER_WHOLE,
    described=frozenset((ROPE_FACTORS,)),
    read_by_row=frozenset(("per_layer_token_embd.weight",)),
    parameters={"layer_output_scale.weight": "layer_scalar"},
    ones=frozenset(("layer_scalar",)),
    heads=_heads,
    lacks=_lacks,
    shapes=_shapes,
    frozen=frozenset(("inp_gate", "proj")),
    frozen_in="the embeddings by block",
    unused=_shared,
    correct=_correct,
)
