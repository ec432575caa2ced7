"""Sizes and rotary scaling from a GGUF's metadata, as the arguments of mlx-lm's model classes."""

import math
from dataclasses import dataclass
from typing import Any

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.errors import InputError, UnsupportedModelError

ROPE_FACTORS, SHORT_FACTORS, LONG_FACTORS = "rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight"
_BY_LAYER = frozenset(("attention.head_count", "attention.head_count_kv", "feed_forward_length"))
"""What llama.cpp reads as one number or as one for each layer."""
_MOST = 1 << 31


@dataclass(frozen=True)
class Heads:
    """Attention's shape: how many query heads, how many key/value heads, the size of each, and how much of it turns."""

    query: int
    key_value: int
    size: int
    rotated: int

    @classmethod
    def of(cls, gguf: GgufFile, *, partly_rotated: bool = False, key_value: int | None = None) -> "Heads":
        """From the metadata, but for a number of key/value heads that is given; raises UnsupportedModelError for keys,
        values, layers or rotations of differing sizes."""
        query = number(gguf, "attention.head_count")
        size = number(gguf, "attention.key_length", number(gguf, "embedding_length") // query)
        rotated = number(gguf, "rope.dimension_count", size) if partly_rotated else size
        expected = dict.fromkeys(
            ("attention.value_length", "attention.key_length_swa", "attention.value_length_swa"), size
        )
        expected |= dict.fromkeys(("rope.dimension_count", "rope.dimension_count_swa"), rotated)
        for key, value in expected.items():
            if number(gguf, key, value) != value:
                raise UnsupportedModelError(f"{gguf.path} has heads of {size} values, but another {key}")
        return cls(query, key_value or number(gguf, "attention.head_count_kv", query), size, rotated)


def original_context(gguf: GgufFile) -> int:
    """The tokens that the model was made for before its rotary positions were stretched."""
    return number(gguf, "rope.scaling.original_context_length", number(gguf, "context_length"))


def has_two_factors(gguf: GgufFile) -> bool:
    """Whether the model turns positions otherwise in a context that is longer than its original one."""
    return not {SHORT_FACTORS, LONG_FACTORS}.isdisjoint(gguf.tensors)


def is_long(gguf: GgufFile, context_tokens: int | None = None) -> bool:
    """Whether llama.cpp takes the long factors in a context of so many tokens, by default the one it is served with.

    It does for every text, however short, as soon as the context is longer than the original one.
    """
    tokens = gguf.context_tokens if context_tokens is None else context_tokens
    return tokens is not None and has_two_factors(gguf) and tokens > original_context(gguf)


def number(gguf: GgufFile, key: str, default: int | None = None, *, least: int = 1) -> int:
    """A whole number under the architecture's prefix, `least` or more; a list of equal ones, one for each layer, counts
    as one where llama.cpp too takes a list.

    Raises InputError where it is missing or no such number, UnsupportedModelError for layers that differ.
    """
    full = f"{gguf.architecture}.{key}"
    value = gguf.required(full) if default is None else gguf.value(full, default)
    if key in _BY_LAYER and isinstance(value, list) and value:
        if any(each != value[0] for each in value):
            raise UnsupportedModelError(f"{gguf.path} has layers that differ in {full}")
        value = value[0]
    if type(value) is not int or not least <= value < _MOST:
        raise InputError(f"{gguf.path} has {shown(value)} as {full}, which has to be a whole number from {least} on")
    return value


def real(gguf: GgufFile, key: str, default: float | None = None) -> float:
    """A finite number under the architecture's prefix; raises InputError where it is missing or none."""
    full = f"{gguf.architecture}.{key}"
    value = gguf.required(full) if default is None else gguf.value(full, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{gguf.path} has {shown(value)} as {full}, which has to be a number")
    return float(value)


def word(gguf: GgufFile, key: str, default: str) -> str:
    """A text under the architecture's prefix; raises InputError where there is something else."""
    full = f"{gguf.architecture}.{key}"
    value = gguf.value(full, default)
    if not isinstance(value, str):
        raise InputError(f"{gguf.path} has {shown(value)} as {full}, which has to be a text")
    return value


def shown(value: Any) -> str:
    """A value of the metadata in a sentence."""
    if isinstance(value, list):
        return f"a list of {len(value)} values"
    return f"{value!r:.40}"


def common_arguments(gguf: GgufFile, heads: Heads) -> dict[str, Any]:
    """What most of mlx-lm's classes take; raises InputError for a key that is missing."""
    return {
        "hidden_size": number(gguf, "embedding_length"),
        "num_hidden_layers": number(gguf, "block_count"),
        "intermediate_size": number(gguf, "feed_forward_length"),
        "num_attention_heads": heads.query,
        "num_key_value_heads": heads.key_value,
        "max_position_embeddings": number(gguf, "context_length"),
        "rms_norm_eps": real(gguf, "attention.layer_norm_rms_epsilon"),
        "vocab_size": gguf.tensors["token_embd.weight"].shape[0],
        "rope_theta": real(gguf, "rope.freq_base", 10_000.0),
        "rope_scaling": None,
        "tie_word_embeddings": "output.weight" not in gguf.tensors,
    }


def free_heads_arguments(gguf: GgufFile) -> dict[str, Any]:
    """For classes of mlx-lm whose heads may have any size, and that know linear and yarn scaling."""
    heads = Heads.of(gguf)
    return common_arguments(gguf, heads) | {"head_dim": heads.size, "rope_scaling": rope_scaling(gguf)}


def window_period(gguf: GgufFile, default: int) -> int:
    """Every how many layers there is one without a window, the first such being the last of its period.

    Raises UnsupportedModelError for layers in another order, which mlx-lm's classes cannot follow.
    """
    pattern = gguf.value(f"{gguf.architecture}.attention.sliding_window_pattern", default)
    if isinstance(pattern, list):
        layers = [windowed not in (0, False) for windowed in pattern[: number(gguf, "block_count")]]
        pattern = layers.index(False) + 1 if False in layers else len(layers) + 1
        if layers != [bool((index + 1) % pattern) for index in range(len(layers))]:
            raise UnsupportedModelError(f"{gguf.path} has layers with a sliding window in no regular order")
    if type(pattern) is not int:
        raise InputError(f"{gguf.path} has {shown(pattern)} as its attention.sliding_window_pattern")
    if pattern < 1:
        raise UnsupportedModelError(f"{gguf.path} has a sliding window every {pattern} layers")
    return pattern


def require_heads_to_divide_the_width(gguf: GgufFile, heads: Heads) -> None:
    if heads.query * heads.size != number(gguf, "embedding_length"):
        raise UnsupportedModelError(f"{gguf.path} has heads of {heads.size} values, which do not divide its width")


def _scaling_factor(gguf: GgufFile) -> float:
    """0 where the file gives none."""
    return real(gguf, "rope.scaling.factor", real(gguf, "rope.scale_linear", 0.0))


def require_unscaled_rope(gguf: GgufFile, *, harmless: str = "none") -> None:
    """`harmless` is one more type of scaling that does nothing by itself."""
    kind = word(gguf, "rope.scaling.type", "linear")
    if kind not in ("none", "linear", harmless) or (kind != "none" and _scaling_factor(gguf) not in (0.0, 1.0)):
        raise UnsupportedModelError(f"{gguf.path} scales rotary positions by {kind!r}, which mlx-lm's class does not")


def require_no_attention_factor(gguf: GgufFile) -> None:
    """mlx-lm's classes know none; raises UnsupportedModelError."""
    if attention_factor(gguf) != 1.0:
        raise UnsupportedModelError(f"{gguf.path} has rotary positions with an attention factor of its own")


def attention_factor(gguf: GgufFile) -> float:
    """What turned queries and keys are multiplied by, beside what the kind of scaling does."""
    return real(gguf, "rope.scaling.attn_factor", 1.0)


def rope_scaling(gguf: GgufFile, *, with_attention_factor: bool = False) -> dict[str, Any] | None:
    """None where positions are not scaled. llama.cpp takes a factor without a type as linear.

    `with_attention_factor`: the caller takes care of that of a yarn scaling.
    """
    kind, factor = word(gguf, "rope.scaling.type", "linear"), _scaling_factor(gguf)
    if kind != "yarn" or not with_attention_factor:
        require_no_attention_factor(gguf)
    if kind == "yarn":
        if real(gguf, "rope.scaling.yarn_log_multiplier", 0.0) != 0.0:
            raise UnsupportedModelError(f"{gguf.path} has a yarn scaling with an attention factor of its own")
        return yarn(gguf)
    if kind not in ("none", "linear"):
        raise UnsupportedModelError(f"{gguf.path} scales rotary positions by {kind!r}; supported are: linear, yarn")
    return {"type": "linear", "factor": factor} if kind == "linear" and factor else None


def yarn(gguf: GgufFile) -> dict[str, Any]:
    """The file's own beta_fast and beta_slow are left alone, as llama.cpp reads them for some architectures only."""
    if ROPE_FACTORS in gguf.tensors:
        raise UnsupportedModelError(f"{gguf.path} has both a yarn scaling and {ROPE_FACTORS}")
    factor = _scaling_factor(gguf) or 1.0
    return {"type": "yarn", "factor": factor, "original_max_position_embeddings": original_context(gguf)}
