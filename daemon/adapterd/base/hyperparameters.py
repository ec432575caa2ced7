"""Sizes and rotary scaling from a GGUF's metadata, as the arguments of mlx-lm's model classes."""

from dataclasses import dataclass
from typing import Any

from adapterd.base.gguf_file import GgufFile
from adapterd.errors import UnsupportedModelError

ROPE_FACTORS = "rope_freqs.weight"


@dataclass(frozen=True)
class Heads:
    """Attention's shape: how many query heads, how many key/value heads, and the size of each."""

    query: int
    key_value: int
    size: int

    @classmethod
    def of(cls, gguf: GgufFile) -> "Heads":
        """From the metadata; raises UnsupportedModelError for keys, values or rotations of differing sizes."""
        query = number(gguf, "attention.head_count")
        size = number(gguf, "attention.key_length", number(gguf, "embedding_length") // query)
        for key in ("attention.value_length", "rope.dimension_count"):
            if number(gguf, key, size) != size:
                raise UnsupportedModelError(f"{gguf.path} has heads of {size} values, but another {key}")
        return cls(query, number(gguf, "attention.head_count_kv", query), size)


def llama_arguments(gguf: GgufFile) -> dict[str, Any]:
    """For `mlx_lm.models.llama`, whose heads may have any size and whose projections may have biases."""
    biased = {name.split(".")[2] for name in gguf.tensors if name.endswith(".bias")}
    return common_arguments(gguf) | {
        "head_dim": Heads.of(gguf).size,
        "attention_bias": any(stem.startswith("attn_") for stem in biased),
        "mlp_bias": any(stem.startswith("ffn_") for stem in biased),
    }


def qwen2_arguments(gguf: GgufFile) -> dict[str, Any]:
    """For `mlx_lm.models.qwen2`, whose heads divide the width."""
    heads = Heads.of(gguf)
    if heads.query * heads.size != number(gguf, "embedding_length"):
        raise UnsupportedModelError(f"{gguf.path} has heads of {heads.size} values, which do not divide its width")
    return common_arguments(gguf)


def common_arguments(gguf: GgufFile) -> dict[str, Any]:
    """What all of mlx-lm's llama-like classes take; raises InputError for a key that is missing."""
    architecture = gguf.architecture
    heads = Heads.of(gguf)
    return {
        "hidden_size": number(gguf, "embedding_length"),
        "num_hidden_layers": number(gguf, "block_count"),
        "intermediate_size": number(gguf, "feed_forward_length"),
        "num_attention_heads": heads.query,
        "num_key_value_heads": heads.key_value,
        "max_position_embeddings": number(gguf, "context_length"),
        "rms_norm_eps": float(gguf.required(f"{architecture}.attention.layer_norm_rms_epsilon")),
        "vocab_size": gguf.tensors["token_embd.weight"].shape[0],
        "rope_theta": float(gguf.value(f"{architecture}.rope.freq_base", 10_000.0)),
        "rope_scaling": _rope_scaling(gguf),
        "tie_word_embeddings": "output.weight" not in gguf.tensors,
    }


def number(gguf: GgufFile, key: str, default: int | None = None) -> int:
    """A whole number under the architecture's prefix; a list of equal ones, one for each layer, counts as one."""
    full = f"{gguf.architecture}.{key}"
    value = gguf.required(full) if default is None else gguf.value(full, default)
    distinct = set(value) if isinstance(value, list) else {value}
    if len(distinct) != 1:
        raise UnsupportedModelError(f"{gguf.path} has layers that differ in {full}")
    return int(distinct.pop())


def _rope_scaling(gguf: GgufFile) -> dict[str, Any] | None:
    """None where positions are not scaled. llama.cpp takes a factor without a type as linear."""
    prefix = f"{gguf.architecture}.rope.scaling"
    kind = gguf.value(f"{prefix}.type", "linear")
    factor = float(gguf.value(f"{prefix}.factor", gguf.value(f"{gguf.architecture}.rope.scale_linear", 0.0)))
    if kind == "yarn":
        return _yarn(gguf, prefix, factor or 1.0)
    if kind not in ("none", "linear"):
        raise UnsupportedModelError(f"{gguf.path} scales rotary positions by {kind!r}; supported are: linear, yarn")
    return {"type": "linear", "factor": factor} if kind == "linear" and factor else None


def _yarn(gguf: GgufFile, prefix: str, factor: float) -> dict[str, Any]:
    if gguf.value(f"{prefix}.attn_factor", 1.0) != 1.0 or gguf.value(f"{prefix}.yarn_log_multiplier", 0.0) != 0.0:
        raise UnsupportedModelError(f"{gguf.path} has a yarn scaling with an attention factor of its own")
    if ROPE_FACTORS in gguf.tensors:
        raise UnsupportedModelError(f"{gguf.path} has both a yarn scaling and {ROPE_FACTORS}")
    return {
        "type": "yarn",
        "factor": factor,
        "original_max_position_embeddings": gguf.value(
            f"{prefix}.original_context_length", number(gguf, "context_length")
        ),
        "beta_fast": gguf.value(f"{prefix}.yarn_beta_fast", 32.0),
        "beta_slow": gguf.value(f"{prefix}.yarn_beta_slow", 1.0),
    }
