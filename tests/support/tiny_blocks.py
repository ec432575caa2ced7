"""The tensors of architectures whose blocks are not all alike, for tiny files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

_Value = TypeVar("_Value")
_SIZE, _KEY_HEADS, _VALUE_HEADS, _WIDTH = 16, 2, 6, 4
_PER_LAYER = 32


@dataclass(frozen=True)
class Sizes:
    """Of one file; `layers` are those that compute the next token, `ahead` further ones that guess those after it.

    Every `interval`th block is of another kind than those between.
    """

    layers: int
    hidden: int
    head_size: int
    heads: int
    kv_heads: int
    ffn: int
    ahead: int = 0
    interval: int = 4


@dataclass(frozen=True)
class Block:
    """The tensors of one block: (rows, columns) of matrices and lengths of norms by stem, others' values by name."""

    matrices: Mapping[str, tuple[int, int]]
    norms: Mapping[str, int]
    others: Mapping[str, np.ndarray] = field(default_factory=dict)


def by_block(blocks: Iterable[Mapping[str, _Value]]) -> dict[str, _Value]:
    """The tensors of all blocks under their full names."""
    return {f"blk.{index}.{stem}": value for index, block in enumerate(blocks) for stem, value in block.items()}


def gemma4_metadata(sizes: Sizes) -> dict[str, Any]:
    """The first two blocks, of which the second has no window, lend their keys and values to all further ones, whose
    feed-forward layers are twice as wide."""
    shared = max(sizes.layers - 2, 0)
    return {
        "attention.layer_norm_rms_epsilon": 1e-6,
        "attention.key_length": 2 * sizes.head_size,
        "attention.value_length": 2 * sizes.head_size,
        "attention.key_length_swa": sizes.head_size,
        "attention.value_length_swa": sizes.head_size,
        "rope.dimension_count": 2 * sizes.head_size,
        "rope.dimension_count_swa": sizes.head_size,
        "rope.freq_base": 1e6,
        "rope.freq_base_swa": 1e4,
        "attention.sliding_window": 8,
        "attention.sliding_window_pattern": [index % 2 == 0 for index in range(sizes.layers)],
        "attention.head_count_kv": [sizes.kv_heads] * sizes.layers,
        "attention.shared_kv_layers": shared,
        "feed_forward_length": [sizes.ffn] * (sizes.layers - shared) + [2 * sizes.ffn] * shared,
        "embedding_length_per_layer_input": _PER_LAYER,
        "final_logit_softcapping": 3.0,
    }


def gemma4_block(sizes: Sizes, index: int, random: np.random.Generator) -> Block:
    """As the metadata have it, each with an embedding of its own and a factor of its output."""
    hidden, size = sizes.hidden, sizes.head_size * (1 + index % 2)
    ffn, queries, keys = sizes.ffn * (1 if index < 2 else 2), sizes.heads * size, sizes.kv_heads * size
    matrices = {"attn_q": (queries, hidden), "attn_output": (hidden, queries)}
    norms = dict.fromkeys(("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm", "post_norm"), hidden)
    norms["attn_q_norm"] = size
    if index < 2:
        matrices |= {"attn_k": (keys, hidden), "attn_v": (keys, hidden)}
        norms["attn_k_norm"] = size
    matrices |= {"ffn_gate": (ffn, hidden), "ffn_up": (ffn, hidden), "ffn_down": (hidden, ffn)}
    matrices |= {"inp_gate": (_PER_LAYER, hidden), "proj": (hidden, _PER_LAYER)}
    return Block(matrices, norms, {"layer_output_scale.weight": random.uniform(0.5, 1.5, 1)})


def gemma4_block_with_unused_keys(sizes: Sizes, index: int, random: np.random.Generator) -> Block:
    """As checkpoints have it: blocks that share keys and values have projections for them, too, which nothing reads."""
    block, keys = gemma4_block(sizes, index, random), sizes.kv_heads * sizes.head_size * (1 + index % 2)
    unused = dict.fromkeys(("attn_k", "attn_v"), (keys, sizes.hidden))
    norms = {"attn_k_norm": keys // sizes.kv_heads} | dict(block.norms)
    return replace(block, matrices=unused | dict(block.matrices), norms=norms)


def gemma4_whole(sizes: Sizes, vocabulary: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """The tensors outside the blocks that other architectures do not have."""
    wide, quarter = _PER_LAYER * sizes.layers, sizes.head_size // 4
    return {
        "rope_freqs.weight": np.array([1.0] * quarter + [1e30] * 3 * quarter),
        "per_layer_token_embd.weight": random.standard_normal((vocabulary, wide)) / 2,
        "per_layer_model_proj.weight": random.standard_normal((wide, sizes.hidden)) / 4,
        "per_layer_proj_norm.weight": 1 + random.standard_normal(_PER_LAYER) / 10,
    }


QWEN35: dict[str, Any] = {
    "attention.layer_norm_rms_epsilon": 1e-6,
    "rope.freq_base": 1e7,
    "rope.dimension_count": 8,
    "rope.dimension_sections": [2, 1, 1, 0],
    "full_attention_interval": 2,
    "ssm.conv_kernel": _WIDTH,
    "ssm.state_size": _SIZE,
    "ssm.group_count": _KEY_HEADS,
    "ssm.time_step_rank": _VALUE_HEADS,
    "ssm.inner_size": _SIZE * _VALUE_HEADS,
}


def qwen35_block(sizes: Sizes, index: int, random: np.random.Generator) -> Block:
    """One block in an interval has attention, and those that guess ahead; the others have a gated delta layer."""
    hidden, ffn = sizes.hidden, sizes.ffn
    matrices = {"ffn_gate": (ffn, hidden), "ffn_up": (ffn, hidden), "ffn_down": (hidden, ffn)}
    norms = dict.fromkeys(("attn_norm", "post_attention_norm"), hidden)
    if index >= sizes.layers:
        matrices["nextn.eh_proj"] = (hidden, 2 * hidden)
        norms |= dict.fromkeys(("nextn.enorm", "nextn.hnorm", "nextn.shared_head_norm"), hidden)
    if (index + 1) % sizes.interval == 0 or index >= sizes.layers:
        queries, keys = sizes.heads * sizes.head_size, sizes.kv_heads * sizes.head_size
        matrices |= {"attn_q": (2 * queries, hidden), "attn_k": (keys, hidden), "attn_v": (keys, hidden)}
        matrices["attn_output"] = (hidden, queries)
        return Block(matrices, norms | dict.fromkeys(("attn_q_norm", "attn_k_norm"), sizes.head_size))
    values, mixed = _SIZE * _VALUE_HEADS, _SIZE * (2 * _KEY_HEADS + _VALUE_HEADS)
    matrices |= {"attn_qkv": (mixed, hidden), "attn_gate": (values, hidden), "ssm_out": (hidden, values)}
    matrices |= dict.fromkeys(("ssm_alpha", "ssm_beta"), (_VALUE_HEADS, hidden))
    others = {
        "ssm_a": -np.exp(random.uniform(-3, 1, _VALUE_HEADS)),
        "ssm_conv1d.weight": random.standard_normal((mixed, _WIDTH)),
        "ssm_dt.bias": random.standard_normal(_VALUE_HEADS),
    }
    return Block(matrices, norms | {"ssm_norm": _SIZE}, others)
